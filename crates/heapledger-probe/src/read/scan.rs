//! The ioctl PAGEMAP_SCAN: runs of pages, told by the kernel.
//!
//! The unsafe part: one system call that writes into a buffer on the stack, which is as large as it is told.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use super::runs::{FILE, Pages, Range};
use crate::ReadError;
use crate::attribute::{PageKind, Run};

/// Runs that one call returns; more calls follow if there are more.
const REGIONS: usize = 256;
impl Pages<'_> {
    /// As far as one call gets.
    pub(super) fn scan(
        &self,
        start: usize,
        end: usize,
        range: Range,
        each: &mut impl FnMut(Run),
    ) -> Result<usize, ReadError> {
        let mut resident = 0;
        let reached = if range == Range::Mapped && self.dense.get() {
            self.scan_absent(start, end, &mut |run: Run| {
                resident += run.end - run.start;
                each(run);
            })
        } else {
            self.scan_present(start, end, range, &mut |run: Run| {
                resident += run.end - run.start;
                each(run);
            })
        }?;
        if range == Range::Mapped {
            self.dense.set(resident > (reached - start) / 2);
        }
        Ok(reached)
    }

    fn scan_present(
        &self,
        start: usize,
        end: usize,
        range: Range,
        each: &mut impl FnMut(Run),
    ) -> Result<usize, ReadError> {
        let mut regions = [PageRegion::default(); REGIONS];
        let mut arg = ScanArg {
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_PFNZERO,
            ..ScanArg::default()
        };
        if range == Range::Any {
            arg.return_mask |= PAGE_IS_FILE;
        }
        let found = self.call(&mut arg, (start, end), &mut regions)?;
        for region in found {
            each(Run { start: region.start as usize, end: region.end as usize, kind: kind_of(region.categories) });
        }
        // If the vector was not filled the walk is done, whatever `walk_end` says, which can be stale.
        Ok(found.get(REGIONS - 1).map_or(end, |last| arg.walk_end.max(last.end) as usize))
    }

    /// Asks for what is not there, or not in RSS; the rest is there.
    fn scan_absent(&self, start: usize, end: usize, each: &mut impl FnMut(Run)) -> Result<usize, ReadError> {
        let mut regions = [PageRegion::default(); REGIONS];
        let mut arg = ScanArg {
            // Not present, or the page of zeroes, or in swap.
            category_inverted: PAGE_IS_PRESENT,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_SWAPPED,
            ..ScanArg::default()
        };
        let found = self.call(&mut arg, (start, end), &mut regions)?;
        // Without a stale `walk_end`: what lies behind the last region of a full vector is asked for again.
        let reached = found.get(REGIONS - 1).map_or(end, |last| last.end as usize);
        let mut behind = start;
        for region in found {
            let (from, to) = (region.start as usize, region.end as usize);
            if behind < from {
                each(Run { start: behind, end: from, kind: PageKind::Anon });
            }
            if region.categories & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED) != 0 {
                each(Run { start: from, end: to, kind: kind_of(region.categories) });
            }
            behind = to;
        }
        if behind < reached {
            each(Run { start: behind, end: reached, kind: PageKind::Anon });
        }
        Ok(reached)
    }

    /// The ioctl, for the masks that are set.
    fn call<'a>(
        &self,
        arg: &mut ScanArg,
        (start, end): (usize, usize),
        regions: &'a mut [PageRegion; REGIONS],
    ) -> Result<&'a [PageRegion], ReadError> {
        let file = self.file()?;
        (arg.size, arg.start, arg.end) = (size_of::<ScanArg>() as u64, start as u64, end as u64);
        (arg.vec, arg.vec_len) = (regions.as_mut_ptr() as u64, REGIONS as u64);
        // SAFETY: the argument is the kernel's structure of its stated size; `vec` points to `vec_len` regions that are
        // borrowed for the call; without flags the kernel changes neither pages nor page tables. The request is 32 bits
        // wide everywhere; musl takes it as a signed number of the same bits.
        let count = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut *arg) };
        usize::try_from(count).ok().and_then(|count| regions.get(..count)).ok_or_else(last_error)
    }
}

fn last_error() -> ReadError {
    ReadError::file(FILE, &io::Error::last_os_error())
}

/// The kernel's `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// The kernel's `struct page_region`.
#[repr(C)]
#[derive(Copy, Clone, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// Of shared memory too.
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
/// Before Linux 6.18 not set on huge pages of zeroes.
const PAGE_IS_PFNZERO: u64 = 1 << 5;

fn kind_of(categories: u64) -> PageKind {
    // A page of a file that is not present is in no swap: the kernel is moving it.
    if categories & (PAGE_IS_PRESENT | PAGE_IS_FILE) == 0 {
        PageKind::Swapped
    } else if categories & PAGE_IS_PFNZERO != 0 {
        PageKind::Zero
    } else if categories & PAGE_IS_FILE != 0 {
        PageKind::File
    } else {
        PageKind::Anon
    }
}
