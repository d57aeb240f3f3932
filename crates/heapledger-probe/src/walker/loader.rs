//! Which pages without a name are the dynamic loader's: those that its records lie in, and the variables of the main
//! thread, for which it found room before the program began.

use super::Walker;
use crate::ReadError;
use crate::attribute::{Gap, GapKind};
use crate::read::Residency;
use crate::read::loader::{ThreadRecord, debug_record, for_each_object, for_each_range_of_thread};
use crate::read::maps::{Vma, VmaName};
use crate::read::memory::{is_main_thread, peek};
use crate::read::runs::{Pages, Range, page_bytes};

/// The main thread's record is looked for in so many ranges, and in so many pages at the end of each.
const RANGES: usize = 64;
const PAGES: usize = 4;
const PAGE_WORDS: usize = 512;

impl Walker {
    /// Cuts the pages that are surely the loader's out of the ranges without a name. A mapping of the program's own can
    /// adjoin them, so that only pages count in which something was found.
    pub(super) fn find_loader(&mut self, pages: &Pages) -> Result<(), ReadError> {
        self.list_loader();
        let count = self.gaps.len();
        for index in 0..count {
            let Some(gap) = self.gaps.get(index).copied() else { break };
            if gap.kind == GapKind::Plain && gap.resident != Residency::default() && !self.is_glibc_heap(&gap) {
                self.cut_gap(pages, index, gap)?;
            }
        }
        if self.gaps.len() > count {
            self.gaps.sort_unstable_by_key(|gap| gap.start);
        }
        Ok(())
    }

    /// Lists the loader's pages, by address.
    fn list_loader(&mut self) {
        let page_bytes = page_bytes();
        if let Some(ours) = ThreadRecord::of_this_thread() {
            self.main_record = if is_main_thread() { Some(ours.address()) } else { self.main_record };
            self.main_record = self.main_record.or_else(|| find_main_record(&self.gaps, &ours, page_bytes));
        }
        self.debug_record = self.debug_record.or_else(debug_record);
        let (known, gaps) = (&mut self.loader, &self.gaps);
        known.clear();
        let mut add = |start: usize, end: usize| {
            let whole = (start - start % page_bytes, end.checked_next_multiple_of(page_bytes).unwrap_or(end));
            let gap = gaps.get(gaps.partition_point(|gap| gap.end <= whole.0));
            if gap.is_some_and(|gap| gap.start < whole.1 && gap.kind == GapKind::Plain) && !known.contains(&whole) {
                // Without room a page stays without a name.
                let _ = known.push(whole);
            }
        };
        if let Some(debug) = self.debug_record {
            for_each_object(debug, &mut add);
        }
        if let Some(record) = self.main_record {
            for_each_range_of_thread(record, &mut add);
        }
        known.sort_unstable();
    }

    /// Cuts one range at the loader's pages. They are read anew, and what came or went since they were counted is
    /// corrected in that count, so that it stays one with the ranges.
    fn cut_gap(&mut self, pages: &Pages, index: usize, gap: Gap) -> Result<(), ReadError> {
        let mut rest = gap;
        let mut read = Residency::default();
        let mut pieces = 0;
        for at in 0..self.loader.len() {
            let Some((start, end)) = self.loader.get(at).copied() else { break };
            let (start, end) = (start.max(rest.start), end.min(rest.end));
            if start >= end {
                continue;
            }
            let kind = GapKind::Loader;
            for piece in [Gap { end: start, ..rest }, Gap { start, end, kind, ..rest }] {
                pieces += 1;
                let resident = resident(pages, piece.start, piece.end)?;
                read += resident;
                self.add_piece(Gap { resident, ..piece });
            }
            rest.start = end;
        }
        if pieces > 0
            && let Some(place) = self.gaps.get_mut(index)
        {
            let resident = resident(pages, rest.start, rest.end)?;
            read += resident;
            *place = Gap { resident, ..rest };
            // What was counted of the range is part of this sum, so neither end falls below 0.
            let anon = &mut self.found.pages[0].anon;
            anon.at_least_bytes = anon.at_least_bytes - gap.resident.at_least_bytes + read.at_least_bytes;
            anon.at_most_bytes = anon.at_most_bytes - gap.resident.at_most_bytes + read.at_most_bytes;
        }
        Ok(())
    }

    fn add_piece(&mut self, piece: Gap) {
        if piece.resident != Residency::default() && !self.gaps.push(piece) {
            self.found.unlisted += piece.resident;
        }
    }

    fn is_glibc_heap(&self, gap: &Gap) -> bool {
        vma_of(self.maps.vmas(), gap.start).is_some_and(|vma| vma.name == VmaName::Heap)
    }
}

fn vma_of(vmas: &[Vma], address: usize) -> Option<&Vma> {
    vmas.get(vmas.partition_point(|vma| vma.end <= address)).filter(|vma| vma.start <= address)
}

fn resident(pages: &Pages, start: usize, end: usize) -> Result<Residency, ReadError> {
    let mut sum = Residency::default();
    if start < end {
        pages.for_each_run(start, end, Range::Anonymous, |run| sum += run.resident_in(start, end))?;
    }
    Ok(sum)
}

/// The record that lies at the end of a range which is no other thread's stack.
fn find_main_record(gaps: &[Gap], ours: &ThreadRecord, page_bytes: usize) -> Option<usize> {
    let plain = gaps.iter().filter(|gap| gap.kind == GapKind::Plain && gap.resident != Residency::default());
    let ends = plain.take(RANGES).flat_map(|gap| {
        let pages = (gap.start..gap.end).step_by(page_bytes).rev().take(PAGES);
        pages.filter_map(|page| ours.find_another(page, &peek::<PAGE_WORDS>(page)?))
    });
    // Stacks were marked before; what is left is the one that has no guard.
    ends.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Roots;

    #[test]
    fn a_range_that_changed_before_it_is_cut_is_counted_once() {
        let page = page_bytes();
        let bytes = |pages: usize| Residency::exactly((pages * page) as u64);
        let memory = vec![1_u8; 33 * page];
        let start = (memory.as_ptr() as usize).next_multiple_of(page);
        // Eight pages were there at the first count, and five somewhere else; all 32 are there now.
        let gap = Gap { start, end: start + 32 * page, resident: bytes(8), kind: GapKind::Plain };
        let mut walker = Walker::new().expect("buffers");
        walker.found.pages[0].anon = bytes(8 + 5);
        assert!(walker.gaps.push(gap) && walker.loader.push((start + 4 * page, start + 6 * page)));
        let pages = Pages::open(Roots::system()).expect("a backend");
        walker.cut_gap(&pages, 0, gap).expect("the kernel answers");
        let ranges: Residency = walker.gaps.iter().map(|gap| gap.resident).sum();
        assert_eq!(ranges.at_most_bytes, bytes(32).at_most_bytes, "three pieces, and all that is there");
        let anon = walker.found.pages[0].anon;
        assert_eq!(anon.at_most_bytes, ranges.at_most_bytes + bytes(5).at_most_bytes);
        assert_eq!(anon.at_least_bytes, ranges.at_least_bytes + bytes(5).at_least_bytes);
    }
}
