//! Which ranges are threads' stacks: they lie above a guard and end in the C library's record of the thread.
//!
//! A guard is a mapping of its own that nobody may touch, or, from glibc 2.42 on, pages of the stack's own mapping. Then
//! no list of mappings shows where one stack ends and the next begins, and the kernel joins stacks with what lies beside
//! them; the guards do show it. Where such a range has one part that does not end in a record, none of it is claimed.

use super::Walker;
use crate::attribute::{Gap, GapKind};
use crate::read::Residency;
use crate::read::loader::ThreadRecord;
use crate::read::maps::Vma;
use crate::read::memory::peek;
use crate::read::runs::{self, Pages};

/// A thread's stack lies above a guard no larger than this; larger closed ranges are something else's.
const GUARD_BYTES: usize = 64 << 10;

/// The record lies in the last page of a stack: glibc's is about 2 KiB.
const RECORD_PAGE_BYTES: usize = 4096;
const RECORD_PAGE_WORDS: usize = RECORD_PAGE_BYTES / 8;

impl Walker {
    /// Marks them among the ranges without a name. Also those of threads that have ended and whose stacks glibc keeps.
    pub(super) fn find_stacks(&mut self, pages: &Pages) {
        let vmas = self.maps.vmas();
        let ours = ThreadRecord::of_this_thread();
        let plain = |gap: &&mut Gap| gap.kind == GapKind::Plain && gap.resident != Residency::default();
        for gap in self.gaps.iter_mut().filter(plain) {
            // The record is one read; guards inside take more of them.
            if ends_in_a_record(ours.as_ref(), gap.end)
                && (lies_above_a_guard(vmas, gap) || is_stacks_above_guards(pages, ours.as_ref(), gap))
            {
                gap.kind = GapKind::ThreadStack;
            }
        }
    }
}

/// Whether a range begins a mapping and lies directly above a small closed one. So do stacks, and whatever else a
/// program or an allocator guards.
fn lies_above_a_guard(vmas: &[Vma], gap: &Gap) -> bool {
    let at = vmas.partition_point(|vma| vma.end <= gap.start);
    let mapping = vmas.get(at).filter(|vma| vma.start == gap.start);
    let guard = at.checked_sub(1).and_then(|below| vmas.get(below));
    let (Some(_), Some(guard)) = (mapping, guard) else { return false };
    let closed = !guard.readable && !guard.writable && !guard.executable && guard.is_anonymous();
    closed && guard.end == gap.start && guard.end - guard.start <= GUARD_BYTES
}

/// Whether a range begins with guard pages of its own, and each part above such pages ends in a record.
fn is_stacks_above_guards(pages: &Pages, ours: Option<&ThreadRecord>, gap: &Gap) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        // Without a record nothing tells a stack from what else has a guard inside.
        return false;
    }
    let page_bytes = runs::page_bytes();
    let mut next = gap.start;
    let mut good = true;
    let read = pages.for_each_guard(gap.start, gap.end, |guard| {
        // A first guard elsewhere than at the begin, or one above a part that is no stack.
        good &= guard == next || (next != gap.start && ends_in_a_record(ours, guard));
        next = guard + page_bytes;
    });
    // The last part was looked at before.
    read.is_ok() && good && next != gap.start
}

/// Whether the page before `end` holds a thread's record. On architectures where that is another than on x86-64 the
/// guard must do.
fn ends_in_a_record(ours: Option<&ThreadRecord>, end: usize) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        return true;
    }
    let Some((ours, page)) = ours.zip(end.checked_sub(RECORD_PAGE_BYTES)) else { return false };
    peek::<RECORD_PAGE_WORDS>(page).is_some_and(|words| ours.find_another(page, &words).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::maps::VmaName;

    fn vma(start: usize, end: usize, readable: bool) -> Vma {
        Vma { start, end, readable, writable: readable, name: VmaName::None, ..Vma::default() }
    }

    #[test]
    fn a_stack_begins_right_above_a_small_guard() {
        let gap = |start| Gap { start, end: 0x9000, ..Gap::default() };
        let vmas = [vma(0x1000, 0x2000, false), vma(0x2000, 0x9000, true)];
        assert!(lies_above_a_guard(&vmas, &gap(0x2000)));
        assert!(!lies_above_a_guard(&vmas, &gap(0x3000)), "not the mapping's begin");
        let open = [vma(0x1000, 0x2000, true), vma(0x2000, 0x9000, true)];
        assert!(!lies_above_a_guard(&open, &gap(0x2000)));
        let large = [vma(0x2000, 0x40_0000, false), vma(0x40_0000, 0x50_0000, true)];
        assert!(!lies_above_a_guard(&large, &Gap { start: 0x40_0000, end: 0x50_0000, ..Gap::default() }));
    }
}
