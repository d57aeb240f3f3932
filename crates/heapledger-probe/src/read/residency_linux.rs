//! The two backends of Linux: PAGEMAP_SCAN, and the pagemap file for kernels before 6.7.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::{Residency, Roots};
use crate::ReadError;
use crate::read::file::{bytes, open};

const FILE: &str = "/proc/self/pagemap";

pub(super) fn resident_bytes(
    roots: Roots<'_>,
    ranges: impl IntoIterator<Item = (usize, usize)>,
) -> Result<Residency, ReadError> {
    let file = open(FILE, &[bytes(roots.proc), b"/self/pagemap"])?;
    let page_bytes = page_bytes();
    let mut total = Residency::default();
    let mut scans = true;
    for (address, len) in ranges {
        let range = Range::of(address, len, page_bytes);
        let found = match range.scan(&file).filter(|_| scans) {
            Some(found) => found,
            None => {
                // A kernel that refuses once will refuse again.
                scans = false;
                range.look_up(&file)?
            }
        };
        total.at_least_bytes += found.at_least_bytes;
        total.at_most_bytes += found.at_most_bytes;
    }
    Ok(total)
}

fn page_bytes() -> u64 {
    // SAFETY: sysconf with a known name reads a constant of the process.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Linux always knows it; 4 KiB is the least that it can be, and every page is a multiple.
    u64::try_from(page_bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
}

/// The bytes from `start` to `end`.
#[derive(Copy, Clone)]
struct Range {
    start: u64,
    end: u64,
    page_bytes: u64,
}

/// The kernel's `struct pm_scan_arg`.
#[repr(C)]
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
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// Runs of pages that one call returns; more calls follow if there are more.
const REGIONS: usize = 128;

/// Bits of an entry of the pagemap file.
const ENTRY_PRESENT: u64 = 1 << 63;
/// The page is mapped once: it is neither the zero page nor shared with a forked child.
const ENTRY_EXCLUSIVE: u64 = 1 << 56;
const ENTRY_BYTES: u64 = 8;
/// Entries read at once.
const ENTRIES: usize = 512;

impl Range {
    fn of(address: usize, len: usize, page_bytes: u64) -> Self {
        // usize has at most 64 bits on every platform that Linux runs on.
        let (start, len) = (address as u64, len as u64);
        Self { start, end: start.wrapping_add(len).max(start), page_bytes }
    }

    fn first_page(self) -> u64 {
        self.start - self.start % self.page_bytes
    }

    fn last_page_end(self) -> u64 {
        self.end.next_multiple_of(self.page_bytes)
    }

    /// How much of whole pages from `start` to `end` lies inside. They are pages that the range touches, so what is
    /// taken away is never more.
    fn overlap(self, start: u64, end: u64) -> u64 {
        self.end.min(end) - self.start.max(start)
    }

    /// PAGEMAP_SCAN; `None` if the kernel has it not.
    fn scan(self, file: &File) -> Option<Residency> {
        let mut regions = [PageRegion::default(); REGIONS];
        let (mut start, end) = (self.first_page(), self.last_page_end());
        let mut resident_bytes = 0;
        while start < end {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                flags: 0,
                start,
                end,
                walk_end: 0,
                vec: regions.as_mut_ptr() as u64,
                vec_len: REGIONS as u64,
                max_pages: 0,
                // Present, and not the zero page.
                category_inverted: PAGE_IS_PFNZERO,
                category_mask: PAGE_IS_PRESENT | PAGE_IS_PFNZERO,
                category_anyof_mask: 0,
                return_mask: PAGE_IS_PRESENT,
            };
            // SAFETY: the argument is the kernel's structure of its stated size; `vec` points to `vec_len` regions that
            // are borrowed for the call; without flags the kernel changes neither pages nor page tables. The request is
            // 32 bits wide everywhere; musl takes it as a signed number of the same bits.
            let count = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arg) };
            let found = regions.get(..usize::try_from(count).ok()?)?;
            resident_bytes += found.iter().map(|region| self.overlap(region.start, region.end)).sum::<u64>();
            // If the vector was not filled the walk is done, whatever `walk_end` says, which can be stale.
            let Some(last) = found.get(REGIONS - 1) else { break };
            start = arg.walk_end.max(last.end);
        }
        Some(Residency { at_least_bytes: resident_bytes, at_most_bytes: resident_bytes })
    }

    /// The pagemap file, an entry for each page.
    fn look_up(self, file: &File) -> Result<Residency, ReadError> {
        let mut buffer = [0; ENTRIES * ENTRY_BYTES as usize];
        let (mut page, end) = (self.first_page(), self.last_page_end());
        let mut found = Residency::default();
        while page < end {
            let pages = ((end - page) / self.page_bytes).min(ENTRIES as u64);
            let wanted = buffer.get_mut(..(pages * ENTRY_BYTES) as usize).unwrap_or_default();
            file.read_exact_at(wanted, page / self.page_bytes * ENTRY_BYTES)
                .map_err(|error| ReadError::file(FILE, &error))?;
            for entry in wanted.as_chunks::<{ ENTRY_BYTES as usize }>().0 {
                let entry = u64::from_ne_bytes(*entry);
                let bytes = self.overlap(page, page + self.page_bytes);
                if entry & ENTRY_PRESENT != 0 {
                    found.at_most_bytes += bytes;
                    found.at_least_bytes += if entry & ENTRY_EXCLUSIVE != 0 { bytes } else { 0 };
                }
                page += self.page_bytes;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    /// Enough pages that the buffers of both backends are filled several times.
    const PAGES: usize = 3000;

    /// A fresh mapping, never unmapped, of which every other page was written and every fourth only read: its address,
    /// and the bytes of the written pages. A mapping of our own, because an allocator may hand out memory that was
    /// written.
    fn half_written() -> (usize, u64) {
        let page = page_bytes() as usize;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory of anybody.
        let start = unsafe { libc::mmap(null_mut(), PAGES * page, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: huge pages off for the mapping made above; it holds no data yet.
        unsafe { libc::madvise(start, PAGES * page, libc::MADV_NOHUGEPAGE) };
        let start = start as usize;
        for index in (0..PAGES).step_by(2) {
            // SAFETY: inside the mapping, which nobody else knows of.
            unsafe { ((start + index * page) as *mut u8).write_volatile(1) };
        }
        for index in (1..PAGES).step_by(4) {
            // SAFETY: inside the mapping, which is zeroed.
            unsafe { ((start + index * page) as *const u8).read_volatile() };
        }
        (start, PAGES as u64 / 2 * page as u64)
    }

    fn pagemap() -> Option<File> {
        open(FILE, &[b"/proc", b"/self/pagemap"]).ok()
    }

    #[test]
    fn written_pages_are_resident_and_pages_that_were_only_read_are_not() {
        let (start, written) = half_written();
        let range = Range::of(start, PAGES * page_bytes() as usize, page_bytes());
        let Some(file) = pagemap() else { return println!("SKIPPED: no pagemap") };
        match range.scan(&file) {
            Some(found) => assert_eq!(found, Residency { at_least_bytes: written, at_most_bytes: written }),
            None => println!("SKIPPED: this kernel has no PAGEMAP_SCAN"),
        }
        let found = range.look_up(&file).expect("pagemap can be read");
        assert_eq!(found.at_least_bytes, written);
        // The pages that were only read look like pages shared with a child.
        let read = PAGES as u64 / 4 * page_bytes();
        assert!((written..=written + read).contains(&found.at_most_bytes), "{found:?}");
    }

    #[test]
    fn of_a_page_at_the_edge_only_the_bytes_inside_count() {
        let (start, _) = half_written();
        let system = Roots::system();
        let found = resident_bytes(system, [(start + 100, 50), (start + 200, 0)]).expect("pagemap can be read");
        assert_eq!(found, Residency { at_least_bytes: 50, at_most_bytes: 50 });
    }

    #[test]
    fn a_hidden_pagemap_is_an_error_that_names_it() {
        let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
        let error = resident_bytes(nowhere, [(0, 1)]).expect_err("there is no such file");
        assert!(error.to_string().starts_with(FILE), "{error}");
    }
}
