//! Which pages of a range are in memory, by one of three backends of Linux.
//!
//! The unsafe part: one system call that reads a constant of the process.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::file::{bytes, open};
use super::moving::Swap;
use super::{Backend, Roots};
use crate::ReadError;
use crate::attribute::{PageKind, Run};

pub(super) const FILE: &str = "/proc/self/pagemap";

/// The kernel holds a lock of the address space during a call, so a call asks for no more than this.
const CALL_BYTES: usize = 64 << 20;

/// Entries of the pagemap file read at once.
const ENTRIES: usize = 512;

/// What a range is known to be, so that no more is asked than is needed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Range {
    /// Private anonymous memory: there are no file pages, and the kernel need not look at each page's descriptor.
    Anonymous,
    /// The same, and nobody unmaps it while it is looked at: then the kernel can be asked for the pages that are not
    /// there, which is cheaper where most are. Of addresses that are not mapped it would not speak.
    Mapped,
    /// Anything.
    Any,
}

/// A backend, ready.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    backend: Backend,
    pub(super) roots: Roots<'a>,
    file: Option<File>,
    pub(super) page_bytes: usize,
    /// Whether most pages of the last `Mapped` range were there.
    pub(super) dense: Cell<bool>,
    /// Whether pages of the process are in swap, once one was told to be.
    pub(super) swap: Cell<Swap>,
}

impl<'a> Pages<'a> {
    /// The first backend that works.
    ///
    /// # Errors
    ///
    /// What the last one says.
    pub(crate) fn open(roots: Roots<'a>) -> Result<Self, ReadError> {
        [Backend::Scan, Backend::Pagemap]
            .into_iter()
            .find_map(|backend| Self::force(roots, backend).ok())
            .map_or_else(|| Self::force(roots, Backend::Mincore), Ok)
    }

    /// This backend and no other.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] if it does not work here.
    pub(crate) fn force(roots: Roots<'a>, backend: Backend) -> Result<Self, ReadError> {
        let file = match backend {
            Backend::Scan | Backend::Pagemap => Some(open(FILE, &[bytes(roots.proc), b"/self/pagemap"])?),
            Backend::Mincore | Backend::None => None,
        };
        let (page_bytes, dense, swap) = (page_bytes(), Cell::new(true), Cell::new(Swap::Unasked));
        let pages = Self { backend, roots, file, page_bytes, dense, swap };
        // One page of the stack, which is there.
        let here = &raw const pages as usize;
        let page = here - here % pages.page_bytes;
        pages.for_each_run(page, page + pages.page_bytes, Range::Any, |_| {})?;
        Ok(pages)
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Calls `each` with the runs of whole pages that touch `start..end`, by address. Adjoining runs may be of one
    /// kind. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] if the kernel refuses.
    pub(crate) fn for_each_run(
        &self,
        start: usize,
        end: usize,
        range: Range,
        mut each: impl FnMut(Run),
    ) -> Result<(), ReadError> {
        let end = end.checked_next_multiple_of(self.page_bytes).unwrap_or(end);
        let mut from = start - start % self.page_bytes;
        let mut each = |run: Run| match run.kind {
            PageKind::Swapped if range != Range::Any => self.told_swapped(run, &mut each),
            _ => each(run),
        };
        while from < end {
            from = match self.backend {
                Backend::Scan => {
                    self.scan(from, from.checked_add(CALL_BYTES).map_or(end, |to| to.min(end)), range, &mut each)?
                }
                Backend::Pagemap => self.look_up(from, end, &mut each)?,
                Backend::Mincore if range != Range::Any => self.mincore(from, end, &mut each)?,
                Backend::Mincore | Backend::None => end,
            };
        }
        Ok(())
    }

    pub(super) fn file(&self) -> Result<&File, ReadError> {
        self.file.as_ref().ok_or(ReadError::File { file: FILE, kind: io::ErrorKind::NotFound })
    }

    /// The pagemap file, an entry for each page.
    fn look_up(&self, start: usize, end: usize, each: &mut impl FnMut(Run)) -> Result<usize, ReadError> {
        let mut buffer = [0; ENTRIES * ENTRY_BYTES];
        let pages = ((end - start) / self.page_bytes).min(ENTRIES);
        let wanted = buffer.get_mut(..pages * ENTRY_BYTES).unwrap_or_default();
        let place = (start / self.page_bytes * ENTRY_BYTES) as u64;
        self.file()?.read_exact_at(wanted, place).map_err(|error| ReadError::file(FILE, &error))?;
        let entries = wanted.as_chunks::<ENTRY_BYTES>().0;
        let kinds = entries.iter().map(|entry| kind_of_entry(u64::from_ne_bytes(*entry)));
        join(self.page_bytes, start, kinds, each);
        Ok(start + pages * self.page_bytes)
    }
}

/// Makes runs of pages one after the other.
pub(super) fn join(
    page_bytes: usize,
    start: usize,
    kinds: impl Iterator<Item = Option<PageKind>>,
    each: &mut impl FnMut(Run),
) {
    let mut open: Option<Run> = None;
    for (page, kind) in (start..).step_by(page_bytes).zip(kinds) {
        match (&mut open, kind) {
            (Some(run), Some(kind)) if run.kind == kind => run.end = page + page_bytes,
            (run, kind) => {
                let next = kind.map(|kind| Run { start: page, end: page + page_bytes, kind });
                if let Some(done) = std::mem::replace(run, next) {
                    each(done);
                }
            }
        }
    }
    if let Some(done) = open {
        each(done);
    }
}

/// The kernel's size of a page.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: sysconf with a known name reads a constant of the process.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Linux always knows it; 4 KiB is the least that it can be, and every page is a multiple.
    usize::try_from(page_bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
}

const ENTRY_BYTES: usize = 8;
/// Bits of an entry of the pagemap file.
const ENTRY_PRESENT: u64 = 1 << 63;
const ENTRY_SWAPPED: u64 = 1 << 62;
const ENTRY_FILE: u64 = 1 << 61;
/// The page is mapped once: it is neither the zero page nor shared with a forked child.
const ENTRY_EXCLUSIVE: u64 = 1 << 56;

fn kind_of_entry(entry: u64) -> Option<PageKind> {
    if entry & ENTRY_PRESENT == 0 {
        // A page of a file is in no swap: the kernel is moving it.
        let kind = if entry & ENTRY_FILE != 0 { PageKind::File } else { PageKind::Swapped };
        return (entry & ENTRY_SWAPPED != 0).then_some(kind);
    }
    Some(match (entry & ENTRY_FILE != 0, entry & ENTRY_EXCLUSIVE != 0) {
        (true, _) => PageKind::File,
        (false, true) => PageKind::Anon,
        (false, false) => PageKind::AnonOrZero,
    })
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    /// Enough pages that the buffers of all backends are filled several times.
    const PAGES: usize = 10_000;

    /// A fresh mapping, never unmapped, of which every other page was written and every fourth only read. A mapping of
    /// our own, because an allocator may hand out memory that was written.
    fn half_written() -> usize {
        let page = page_bytes();
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
        start
    }

    /// What a backend says of each page.
    fn kinds(backend: Backend, range: Range, start: usize) -> Option<Vec<Option<PageKind>>> {
        let pages = match Pages::force(Roots::system(), backend) {
            Ok(pages) => pages,
            Err(error) => {
                println!("SKIPPED {backend:?}: {error}");
                return None;
            }
        };
        let mut kinds = vec![None; PAGES];
        let page = page_bytes();
        let mut behind = start;
        // Neither end lies at a page.
        let (from, to) = (start + 17, start + PAGES * page - 5);
        let done = pages.for_each_run(from, to, range, |run| {
            assert!(behind <= run.start && run.start < run.end, "runs are in order");
            behind = run.end;
            kinds[(run.start - start) / page..(run.end - start) / page].fill(Some(run.kind));
        });
        assert_eq!(done, Ok(()));
        Some(kinds)
    }

    #[test]
    fn every_backend_tells_written_pages_from_untouched_ones() {
        use PageKind::{Anon, AnonOrZero, Zero};
        let start = half_written();
        for (backend, written, read) in [
            (Backend::Scan, Anon, Zero),
            (Backend::Pagemap, Anon, AnonOrZero),
            (Backend::Mincore, AnonOrZero, AnonOrZero),
        ] {
            for range in [Range::Anonymous, Range::Mapped] {
                let Some(kinds) = kinds(backend, range, start) else { continue };
                for (index, kind) in kinds.into_iter().enumerate() {
                    let truth = match index % 4 {
                        0 | 2 => Some(written),
                        1 => Some(read),
                        _ => None,
                    };
                    assert_eq!(kind, truth, "page {index} by {backend:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_backend_that_works_is_taken() {
        let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
        assert_eq!(Pages::open(nowhere).map(|pages| pages.backend()), Ok(Backend::Mincore));
        let error = Pages::force(nowhere, Backend::Scan).expect_err("there is no such file");
        assert!(error.to_string().starts_with(FILE), "{error}");
        assert_ne!(Pages::open(Roots::system()).map(|pages| pages.backend()), Ok(Backend::None));
    }

    #[test]
    fn a_hole_in_the_range_is_no_error() {
        let page = page_bytes();
        let start = half_written();
        // SAFETY: a page of the mapping that the test made, which nobody else knows of.
        unsafe { libc::munmap((start + 4 * page) as *mut libc::c_void, page) };
        for backend in [Backend::Scan, Backend::Pagemap, Backend::Mincore] {
            let Some(kinds) = kinds(backend, Range::Anonymous, start) else { continue };
            assert_eq!(kinds[4], None, "{backend:?}");
            assert!(kinds[2].is_some() && kinds[6].is_some(), "{backend:?}");
        }
    }
}
