//! Pages where jemalloc's extents can lie.

use super::Walker;
use super::pieces::{Piece, PieceKind};
use super::told::Told;
use crate::ReadError;
use crate::attribute::pagemap::MapWriter;
use crate::attribute::{Classes, Extent, ExtentState, Gap, KernelPages, Owners, PageKind, Run, Sheet, World};
use crate::read::emap::{Cursor, Emap};
use crate::read::mapbuf::MapList;
use crate::read::maps::Vma;
use crate::read::runs::{Pages, Range};
use crate::read::{Ctl, Jemalloc, Key, Residency};

/// Addresses that jemalloc keeps without memory are looked at apart from what has some, if they are at least so many.
const SPARSE_BYTES: usize = 1 << 20;

impl Walker {
    pub(super) fn heap_pages(&mut self, pages: &Pages, owners: &impl Owners) -> Result<(), ReadError> {
        let emap = self.jemalloc.as_ref().ok().map(|(emap, _)| *emap);
        let found = &mut self.found;
        let (map, written) = match &mut self.draft {
            Some(draft) => (Some(MapWriter::new(&mut draft.buffer)), Some(&mut draft.written)),
            None => (None, None),
        };
        let mut pass = Pass {
            pages,
            vmas: self.maps.vmas(),
            classes: &self.classes,
            emap,
            runs: &mut self.runs,
            extents: &mut self.extents,
            gaps: &mut self.gaps,
            within: range_of_extents(Jemalloc.flag(Key::OptRetain)),
            unlisted: &mut found.unlisted,
            kernel: &mut found.pages[0],
            sheet: Sheet::new(&mut self.regions, &mut self.by_class, &mut self.by_arena, &mut found.totals)
                .with_map(map),
        };
        let mut guarded = false;
        for piece in self.pieces.iter().filter(|piece| piece.kind == PieceKind::Heap) {
            guarded |= pass.piece(owners, piece)?;
        }
        if let (Some(map), Some(written)) = (pass.sheet.take_map(), written) {
            *written = map.finish();
        }
        if guarded {
            let why = "opt.san_guard_small or opt.san_guard_large is on";
            self.jemalloc = Err(ReadError::NotAdmitted { step: "settings", why });
        }
        Ok(())
    }
}

/// Where jemalloc keeps its addresses, nothing is unmapped where extents lie. Without `opt.retain`, and where it does not
/// say, an extent can be unmapped at any moment.
fn range_of_extents(retain: Result<bool, ReadError>) -> Range {
    if retain == Ok(true) { Range::Mapped } else { Range::Anonymous }
}

struct Pass<'a> {
    pages: &'a Pages<'a>,
    vmas: &'a [Vma],
    classes: &'a Classes,
    emap: Option<Emap>,
    runs: &'a mut MapList<Run>,
    extents: &'a mut MapList<Extent>,
    gaps: &'a mut MapList<Gap>,
    /// What is known of addresses where extents lie.
    within: Range,
    unlisted: &'a mut Residency,
    kernel: &'a mut KernelPages,
    sheet: Sheet<'a>,
}

impl<'a> Pass<'a> {
    /// Whether an extent had guards.
    fn piece(&mut self, owners: &impl Owners, piece: &Piece) -> Result<bool, ReadError> {
        let mut cursor = self.emap.map(|emap| emap.cursor(self.vmas, piece.start, piece.end));
        let mut pending = None;
        let mut from = piece.start;
        while from < piece.end {
            let limit = piece.end.min(from + super::WINDOW_BYTES);
            let to = self.find_extents(owners, cursor.as_mut(), &mut pending, from, limit);
            self.find_runs(from, to)?;
            for run in self.runs.iter() {
                add_run(self.kernel, run, from, to);
            }
            self.add(owners, cursor.as_ref(), (from, to));
            from = to;
        }
        Ok(cursor.is_some_and(|cursor| cursor.guarded))
    }

    /// Lists the extents from `from` on, and says as far as what address that is done: `limit`, or less if the list is
    /// full or a slab reaches beyond. A larger extent that does is `pending` for the next window.
    fn find_extents(
        &mut self,
        owners: &impl Owners,
        cursor: Option<&mut Cursor<'a>>,
        pending: &mut Option<Extent>,
        from: usize,
        limit: usize,
    ) -> usize {
        let extents = &mut self.extents;
        extents.clear();
        if let Some(extent) = pending.take().filter(|extent| extent.end > from) {
            let _ = extents.push(extent);
        }
        let Some(cursor) = cursor else { return limit };
        cursor.fill(limit, |extent| {
            if extent.state == ExtentState::Active && !extent.slab {
                // PERF: a large block's owner is looked at when its pages are counted, which is after the kernel told
                // them. Until then it has come.
                owners.fetch_page(extent.start);
            }
            extents.push(extent)
        });
        let to = cursor.at.min(limit);
        match extents.last().copied().filter(|last| last.end > to) {
            Some(last) if last.slab && last.start > from => {
                extents.pop();
                cursor.at = last.start;
                last.start
            }
            last => {
                *pending = last;
                to
            }
        }
    }

    /// Lists the runs of a window.
    fn find_runs(&mut self, from: usize, to: usize) -> Result<(), ReadError> {
        self.runs.clear();
        let mut stretches = Stretches { within: self.within, at: from, known: from };
        for extent in self.extents.iter() {
            let few = extent.end - extent.start < SPARSE_BYTES;
            let state = extent.state;
            if matches!(state, ExtentState::Active | ExtentState::Dirty | ExtentState::Muzzy)
                || few && state == ExtentState::Retained
            {
                stretches.add(extent.start.max(from), extent.end.min(to), self.pages, self.runs)?;
            }
        }
        stretches.add(to, to, self.pages, self.runs)
    }

    fn add(&mut self, owners: &impl Owners, cursor: Option<&Cursor<'a>>, window: (usize, usize)) {
        let told = Told { classes: self.classes, vmas: self.vmas, emap: self.emap, cursor };
        let (gaps, unlisted) = (&mut self.gaps, &mut self.unlisted);
        self.sheet.add(&told, owners, self.runs, self.extents, window, |gap| {
            // The same range, cut by a window.
            let joins = |last: &&mut Gap| {
                last.end == gap.start && last.kind == gap.kind && told.mapping_end(last.start) > gap.start
            };
            if let Some(last) = gaps.last_mut().filter(joins) {
                last.end = gap.end;
                last.resident += gap.resident;
            } else if !gaps.push(gap) {
                **unlisted += gap.resident;
            }
        });
    }
}

/// A window, cut where extents begin and end.
struct Stretches {
    /// What is known of addresses where extents lie.
    within: Range,
    /// Where extents side by side began.
    at: usize,
    /// Behind the last of them; below it all is known.
    known: usize,
}

impl Stretches {
    /// Extents from `start` to `end`: if they do not adjoin those before, the runs of those and of the gap are read.
    #[inline(always)]
    fn add(&mut self, start: usize, end: usize, pages: &Pages, runs: &mut MapList<Run>) -> Result<(), ReadError> {
        if start == self.known && start != end {
            self.known = end;
            return Ok(());
        }
        self.read(start, end, pages, runs)
    }

    fn read(&mut self, start: usize, end: usize, pages: &Pages, runs: &mut MapList<Run>) -> Result<(), ReadError> {
        let mut fits = true;
        pages.for_each_run(self.at, self.known, self.within, |run| fits &= runs.push(run))?;
        pages.for_each_run(self.known, start, Range::Anonymous, |run| fits &= runs.push(run))?;
        debug_assert!(fits, "there is room for a run for each page of a window");
        (self.at, self.known) = (start, end);
        Ok(())
    }
}

/// Counts a run of private anonymous memory as the kernel does.
pub(super) fn add_run(kernel: &mut KernelPages, run: &Run, start: usize, end: usize) {
    let (from, to) = (run.start.max(start), run.end.min(end));
    if from >= to {
        return;
    }
    match run.kind {
        PageKind::Zero => kernel.zero_bytes += (to - from) as u64,
        PageKind::Swapped => kernel.swapped_bytes += (to - from) as u64,
        PageKind::Anon | PageKind::AnonOrZero | PageKind::File => kernel.anon += run.resident_in(start, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Backend, Roots};

    #[test]
    fn an_extent_that_may_be_unmapped_meanwhile_is_asked_for_what_is_there() {
        let unread = Err(ReadError::Key { key: "opt.retain" });
        let asked = [Ok(true), Ok(false), unread].map(range_of_extents);
        assert_eq!(asked, [Range::Mapped, Range::Anonymous, Range::Anonymous]);
    }

    /// The kernel maps nothing there.
    const NOWHERE: usize = 4096;

    #[test]
    fn an_extent_that_went_has_no_pages() {
        let Ok(pages) = Pages::force(Roots::system(), Backend::Scan) else {
            return println!("SKIPPED an_extent_that_went_has_no_pages: no PAGEMAP_SCAN");
        };
        let mut runs = MapList::with_room(16).expect("a buffer");
        let mut stretches = Stretches { within: range_of_extents(Ok(false)), at: NOWHERE, known: NOWHERE };
        stretches.add(NOWHERE, 4 * NOWHERE, &pages, &mut runs).expect("the kernel answers");
        stretches.add(4 * NOWHERE, 4 * NOWHERE, &pages, &mut runs).expect("the kernel answers");
        assert!(runs.is_empty(), "{:?}", runs.first());
    }
}
