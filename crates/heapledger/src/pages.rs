//! The walk over all pages, and its result in the words of a statement.

mod convert;

use std::sync::Mutex;

use heapledger_alloc::{PageWord, fetch_page_word, page_word};
use heapledger_probe::attribute::{Owners, PageOwner, Starts};
use heapledger_probe::{PageMap, ReadError, Walker};
use heapledger_statement::{Reading, WalkReading};

use crate::readings::reading;

/// Between statements the walker keeps its buffers. It is taken out by whoever has the turn and put back afterwards, so
/// the lock is held for a few instructions; a forked child that finds it held all the same makes a walker of its own.
static KEPT: Mutex<Option<Walker>> = Mutex::new(None);

/// A walker, or why there is none, and how its last walk went.
#[derive(Debug)]
pub(crate) struct Pages {
    walker: Result<Walker, ReadError>,
    /// Whether the buffers have room; without it no walk is begun.
    prepared: Result<(), ReadError>,
    walked: Result<(), ReadError>,
    /// Whether there was room for a map.
    mapped: Result<(), ReadError>,
}

impl Pages {
    /// Gets the buffers ready for so many regions and tables, and for a map of so many bytes of heap if one is wanted.
    /// Allocates.
    pub(crate) fn prepare(regions: usize, tables: usize, map_of_bytes: Option<u64>) -> Self {
        let kept = KEPT.try_lock().ok().and_then(|mut kept| kept.take());
        let mut walker = kept.map_or_else(Walker::new, Ok);
        let prepared = walker.as_mut().map_err(|error| *error).and_then(|walker| walker.prepare(regions, tables));
        let mut mapped = Ok(());
        if let Ok(walker) = &mut walker {
            match map_of_bytes {
                Some(bytes) => mapped = walker.prepare_map(bytes),
                None => walker.forget_map(),
            }
        }
        Self { walker, prepared, walked: prepared, mapped }
    }

    /// Whether the walk writes a map.
    pub(crate) fn is_mapping(&self) -> bool {
        self.walker.as_ref().is_ok_and(Walker::is_mapping)
    }

    /// Looks at every page, if the buffers have room for what it finds. Allocates nothing on the heap.
    pub(crate) fn walk(&mut self, tables: &[(usize, usize)]) {
        if let (Ok(walker), Ok(())) = (&mut self.walker, self.prepared) {
            self.walked = walker.walk(&OwnerMap, tables);
        }
    }

    /// The map that the last walk wrote, or why there is none.
    pub(crate) fn take_map(&mut self) -> Reading<PageMap> {
        let walker = reading(self.walker.as_mut().map_err(|error| *error))?;
        reading(self.mapped)?;
        reading(self.walked)?;
        reading(walker.take_map())
    }

    /// Pages that the last walk found, anonymous ones and those of files and shared memory: at least and at most.
    /// Allocates nothing.
    pub(crate) fn found(&self) -> Option<[(u64, u64); 3]> {
        let walker = self.walker.as_ref().ok().filter(|_| self.walked.is_ok())?;
        let pages = walker.kernel_pages();
        Some([pages.anon, pages.file, pages.shmem].map(|kind| (kind.at_least_bytes, kind.at_most_bytes)))
    }

    /// What the last walk found. Allocates.
    pub(crate) fn reading(&self) -> Reading<WalkReading> {
        let walker = reading(self.walker.as_ref().map_err(|error| *error))?;
        reading(self.walked)?;
        Ok(convert::walk(&walker.result()))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let none = Err(ReadError::NotLinux);
        if let (Ok(walker), Ok(mut kept)) = (std::mem::replace(&mut self.walker, none), KEPT.try_lock()) {
            *kept = Some(walker);
        }
    }
}

/// The ledger's owner map.
struct OwnerMap;

impl Owners for OwnerMap {
    type Page = PageWord;

    #[inline]
    fn page(&self, address: usize) -> PageWord {
        page_word(address)
    }

    #[inline]
    fn fetch_page(&self, address: usize) {
        fetch_page_word(address);
    }

    #[inline]
    fn start_owner(&self, page: PageWord) -> PageOwner {
        if page.is_mixed() { PageOwner::Mixed } else { page.start_owner().map_or(PageOwner::Nobody, PageOwner::Region) }
    }

    fn last_owner(&self, page: PageWord) -> PageOwner {
        match page.owner() {
            heapledger_alloc::PageOwner::Unknown => PageOwner::Nobody,
            heapledger_alloc::PageOwner::Region(region) => PageOwner::Region(region),
            heapledger_alloc::PageOwner::Mixed => PageOwner::Mixed,
        }
    }

    fn slot_owner(&self, page: PageWord, class: usize, offset: usize) -> Option<usize> {
        page.slot_owner(class, offset)
    }

    #[inline]
    fn slot_owners(&self, address: usize, starts: Starts, out: &mut [u16]) -> bool {
        page_word(address).write_tags(starts.class, out)
    }

    #[inline]
    fn fetch_ahead(&self, page: PageWord) {
        page.fetch_ahead();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_room_for_what_is_wanted_no_walk_is_told() {
        let mut pages = Pages::prepare(usize::MAX / 2, 1, None);
        pages.walk(&[]);
        assert!(pages.reading().is_err_and(|why| why.reason.contains("no memory")), "a list that is too short");
        assert_eq!(pages.found(), None);
    }
}
