//! Which ranges are threads' stacks: they lie above a guard and end in the C library's record of the thread.

use super::Walker;
use crate::attribute::{Gap, GapKind};
use crate::read::Residency;
use crate::read::maps::Vma;
use crate::read::memory::peek;

/// A thread's stack lies above a guard no larger than this; larger closed ranges are something else's.
const GUARD_BYTES: usize = 64 << 10;

/// The record lies in the last page of a stack: glibc's is about 2 KiB.
const RECORD_PAGE_BYTES: usize = 4096;
const RECORD_PAGE_WORDS: usize = RECORD_PAGE_BYTES / 8;

impl Walker {
    /// Marks them among the ranges without a name. Also those of threads that have ended and whose stacks glibc keeps.
    pub(super) fn find_stacks(&mut self) {
        let vmas = self.maps.vmas();
        let plain = |gap: &&mut Gap| gap.kind == GapKind::Plain && gap.resident != Residency::default();
        for gap in self.gaps.iter_mut().filter(plain) {
            if lies_above_a_guard(vmas, gap) && ends_in_a_record(gap.end) {
                gap.kind = GapKind::ThreadStack;
            }
        }
    }
}

/// Whether a range begins a mapping and lies directly above a small closed one. So do stacks, and whatever else a program
/// or an allocator guards.
fn lies_above_a_guard(vmas: &[Vma], gap: &Gap) -> bool {
    let at = vmas.partition_point(|vma| vma.end <= gap.start);
    let mapping = vmas.get(at).filter(|vma| vma.start == gap.start);
    let guard = at.checked_sub(1).and_then(|below| vmas.get(below));
    let (Some(_), Some(guard)) = (mapping, guard) else { return false };
    let closed = !guard.readable && !guard.writable && !guard.executable && guard.is_anonymous();
    closed && guard.end == gap.start && guard.end - guard.start <= GUARD_BYTES
}

/// Whether the page before `end` holds a thread's record. By the ABI of x86-64 its first word is its own address, and
/// glibc writes that into the third word again. On other architectures the guard must do.
fn ends_in_a_record(end: usize) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        return true;
    }
    let Some(page) = end.checked_sub(RECORD_PAGE_BYTES) else { return false };
    peek::<RECORD_PAGE_WORDS>(page).is_some_and(|words| has_a_record(page as u64, &words))
}

fn has_a_record(address: u64, words: &[u64]) -> bool {
    (address..).step_by(8).zip(words.windows(3)).any(|(at, words)| words[0] == at && words[2] == at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::maps::VmaName;

    fn vma(start: usize, end: usize, readable: bool) -> Vma {
        Vma { start, end, readable, writable: readable, name: VmaName::None, ..Vma::default() }
    }

    #[test]
    fn a_record_names_its_own_address_twice() {
        let mut words = [0_u64; 8];
        assert!(!has_a_record(0x1000, &words));
        words[3] = 0x1018;
        assert!(!has_a_record(0x1000, &words), "once may be a list's empty head");
        words[5] = 0x1018;
        assert!(has_a_record(0x1000, &words));
        assert!(!has_a_record(0x2000, &words), "somewhere else it is a pointer");
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
