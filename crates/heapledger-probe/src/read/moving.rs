//! Pages that the kernel is moving, and the call mincore, which tells them.
//!
//! While the kernel moves a page to another place in memory (compaction does, some pages at a time), the entry in the
//! page table holds where it goes. PAGEMAP_SCAN and the pagemap file tell such an entry as they tell a page in swap,
//! while RSS still counts the page, and so it would be a gap. mincore tells it as being in memory, and of the marks that
//! also look like swap (guards inside a mapping, userfaultfd's write protection) that nothing is. It tells a page in swap
//! as in memory too if a copy is still there; hence the kernel's word that no page of the process is in swap. In a
//! process that has some, what is told as swapped stays so.
//!
//! The unsafe part: one system call that writes into a buffer, which is as large as it is told.
#![allow(unsafe_code)]

use std::io;

use super::runs::{Pages, join};
use super::status;
use crate::ReadError;
use crate::attribute::{PageKind, Run};

/// Pages that are asked for at once by the backend.
const MINCORE_PAGES: usize = 4096;

/// Pages told as swapped that are asked for at once: so many are moved together at most.
const FEW_PAGES: usize = 64;

/// Whether pages of the process are in swap.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Swap {
    /// No page was told as swapped so far.
    Unasked,
    /// None is.
    None,
    /// Some are, or the kernel does not say.
    Some,
}

impl Pages<'_> {
    pub(super) fn mincore(&self, start: usize, end: usize, each: &mut impl FnMut(Run)) -> Result<usize, ReadError> {
        let mut buffer = [0_u8; MINCORE_PAGES];
        let mut pages = ((end - start) / self.page_bytes).min(MINCORE_PAGES);
        while let Err(error) = self.in_memory(start, buffer.get_mut(..pages).unwrap_or_default()) {
            match error.raw_os_error() {
                // A part of the range was unmapped meanwhile: look for the part before it, or leave one page out.
                Some(libc::ENOMEM) if pages > 1 => pages /= 2,
                Some(libc::ENOMEM) => return Ok(start + self.page_bytes),
                Some(libc::EAGAIN) => {}
                _ => return Err(ReadError::File { file: "mincore", kind: error.kind() }),
            }
        }
        let present = buffer.get(..pages).unwrap_or_default().iter().map(|byte| byte & 1 != 0);
        join(self.page_bytes, start, present.map(|present| present.then_some(PageKind::AnonOrZero)), each);
        Ok(start + pages * self.page_bytes)
    }

    /// Writes for each page from `start` on a byte whose lowest bit says whether it is in memory.
    fn in_memory(&self, start: usize, pages: &mut [u8]) -> io::Result<()> {
        let bytes = pages.len() * self.page_bytes;
        // SAFETY: mincore writes a byte for each page of the range, which are as many as the buffer has. The range itself
        // is only looked at.
        match unsafe { libc::mincore(start as *mut libc::c_void, bytes, pages.as_mut_ptr()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Hands a run of private anonymous memory that was told as swapped on, what the kernel is moving as resident. What
    /// it does not answer for stays as it was told. Nothing is allocated. VmSwap is read at the first such run of a
    /// walk and for each in which something moves; mincore is asked for every such run.
    #[cold]
    pub(super) fn told_swapped(&self, run: Run, each: &mut impl FnMut(Run)) {
        let ask = || {
            let none = status(self.roots).swap_bytes == Ok(0);
            self.swap.set(if none { Swap::None } else { Swap::Some });
            none
        };
        match self.swap.get() {
            Swap::Unasked if ask() => {}
            Swap::None => {}
            Swap::Unasked | Swap::Some => return each(run),
        }
        split(run, self.page_bytes, |start, pages| self.in_memory(start, pages).is_ok(), ask, each);
    }
}

/// Cuts a run told as swapped where its pages begin or cease to be in memory. That none is in swap is asked after they
/// were looked at, for one can go there meanwhile.
fn split(
    run: Run,
    page_bytes: usize,
    in_memory: impl Fn(usize, &mut [u8]) -> bool,
    none_in_swap: impl Fn() -> bool,
    each: &mut impl FnMut(Run),
) {
    let mut from = run.start;
    while from < run.end {
        let mut buffer = [0; FEW_PAGES];
        let count = ((run.end - from) / page_bytes).clamp(1, FEW_PAGES);
        let told = buffer.get_mut(..count).unwrap_or_default();
        let answered = in_memory(from, told);
        let moving = answered && told.iter().any(|byte| byte & 1 != 0) && none_in_swap();
        let kind = |byte: &u8| if moving && byte & 1 != 0 { PageKind::Anon } else { PageKind::Swapped };
        join(page_bytes, from, told.iter().map(|byte| Some(kind(byte))), each);
        from += count * page_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::runs::{Range, page_bytes};
    use crate::read::{Backend, Roots};

    const PAGE: usize = 4096;
    const START: usize = 1 << 20;

    /// What is told of a run of so many pages, all told as swapped at the first look.
    fn told(pages: usize, in_memory: impl Fn(usize) -> bool, answers: bool, none_in_swap: bool) -> Vec<PageKind> {
        let mut kinds = Vec::new();
        let run = Run { start: START, end: START + pages * PAGE, kind: PageKind::Swapped };
        let look = |start: usize, bytes: &mut [u8]| {
            for (page, byte) in ((start - START) / PAGE..).zip(bytes) {
                // Other bits are of no meaning.
                *byte = 0x80 | u8::from(in_memory(page));
            }
            answers
        };
        split(run, PAGE, look, || none_in_swap, &mut |run: Run| {
            assert_eq!(run.start, START + kinds.len() * PAGE, "in order and without a hole");
            kinds.extend(std::iter::repeat_n(run.kind, (run.end - run.start) / PAGE));
        });
        kinds
    }

    #[test]
    fn a_page_that_moved_at_the_first_look_is_resident_at_the_second() {
        for pages in [1, FEW_PAGES - 1, FEW_PAGES, FEW_PAGES + 1, 512] {
            assert_eq!(told(pages, |_| true, true, true), vec![PageKind::Anon; pages]);
        }
        let every_third = told(100, |page| page % 3 == 0, true, true);
        for (page, kind) in every_third.into_iter().enumerate() {
            assert_eq!(kind, if page % 3 == 0 { PageKind::Anon } else { PageKind::Swapped }, "page {page}");
        }
    }

    #[test]
    fn what_is_not_in_memory_or_may_be_in_swap_or_has_no_answer_stays_swapped() {
        for pages in [1, FEW_PAGES + 1] {
            let stays = vec![PageKind::Swapped; pages];
            assert_eq!(told(pages, |_| false, true, true), stays, "a mark");
            assert_eq!(told(pages, |_| true, true, false), stays, "in swap, with a copy in memory");
            assert_eq!(told(pages, |_| true, false, true), stays, "unmapped meanwhile");
        }
    }

    /// Pages that nobody may touch inside a mapping: `MADV_GUARD_INSTALL`, which libc has not everywhere.
    const GUARD_INSTALL: libc::c_int = 102;

    #[test]
    fn guards_inside_a_mapping_are_not_resident() {
        let page = page_bytes();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory of anybody.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), 8 * page, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: pages of the mapping made above, which hold no data.
        let guarded = unsafe { libc::madvise(start, 3 * page, GUARD_INSTALL) };
        if guarded != 0 {
            return println!("SKIPPED guards_inside_a_mapping_are_not_resident: no MADV_GUARD_INSTALL (Linux 6.13)");
        }
        let start = start as usize;
        // SAFETY: inside the mapping, behind the guards.
        unsafe { ((start + 3 * page) as *mut u8).write_volatile(1) };
        for backend in [Backend::Scan, Backend::Pagemap] {
            let Ok(pages) = Pages::force(Roots::system(), backend) else {
                println!("SKIPPED {backend:?}: it does not work here");
                continue;
            };
            for range in [Range::Anonymous, Range::Mapped] {
                let mut resident = 0;
                let count = |run: Run| resident += run.resident_in(start, start + 8 * page).at_most_bytes;
                pages.for_each_run(start, start + 8 * page, range, count).expect("the kernel answers");
                assert_eq!(resident, page as u64, "{backend:?}");
            }
        }
    }
}
