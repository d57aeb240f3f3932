//! A page map that a walk wrote, kept beside the heap.

use super::Walker;
use crate::ReadError;
use crate::attribute::Classes;
use crate::attribute::pagemap::{MapFault, Pieces};
use crate::read::held::{HELD_MAX, Held};
use crate::read::mapbuf::MapBuf;

/// What a map can take at most for each page: pages of blocks of 8 bytes whose owners are as many as a map tells apart.
const MOST_BYTES_PER_PAGE: u64 = 24;

/// What it takes at most where few pages are mixed; so much is touched before the reading, so that nothing comes while
/// it is under way.
const USUAL_BYTES_PER_PAGE: u64 = 1;

const SPARE_BYTES: u64 = 64 << 10;

/// A map of the heap's resident pages, in a mapping of its own.
#[derive(Debug)]
pub struct PageMap {
    buffer: MapBuf<u8>,
    len: usize,
    classes: Classes,
    _held: Held,
}

impl PageMap {
    /// Its pieces, from low to high addresses.
    pub fn pieces(&self) -> Pieces<'_> {
        Pieces::new(self.buffer.get(..self.len).unwrap_or_default(), &self.classes)
    }

    /// Bytes that the map has; the mapping has whole pages.
    pub fn bytes(&self) -> usize {
        self.len
    }
}

/// A map that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) buffer: MapBuf<u8>,
    held: Held,
    pub(super) written: Result<usize, MapFault>,
}

impl Walker {
    /// Makes room for a map of so many bytes of resident heap, at most; the walks that follow write one. 24 bytes of
    /// address space for each page, of which one is touched. Allocates nothing on the heap.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRoom`]; [`ReadError::NoMap`] if too many maps are kept already.
    pub fn prepare_map(&mut self, heap_bytes: u64) -> Result<(), ReadError> {
        self.draft = None;
        let pages = heap_bytes / self.classes.page_bytes as u64 + 1;
        let bytes = |per_page: u64| usize::try_from(pages.saturating_mul(per_page) + SPARE_BYTES).unwrap_or(usize::MAX);
        let buffer = MapBuf::reserve(bytes(MOST_BYTES_PER_PAGE), bytes(USUAL_BYTES_PER_PAGE))?;
        let held = Held::list(buffer.range()).ok_or(ReadError::NoMap {
            why: "too many marks keep a page map already",
            remedy: "drop marks that are not needed any more",
        })?;
        const { assert!(HELD_MAX < super::SPARE) };
        self.draft = Some(Draft { buffer, held, written: Ok(0) });
        Ok(())
    }

    /// Whether the walks that follow write a map.
    pub fn is_mapping(&self) -> bool {
        self.draft.is_some()
    }

    /// The walks that follow write no map.
    pub fn forget_map(&mut self) {
        self.draft = None;
    }

    /// The map that the last walk wrote; what it did not need goes back.
    ///
    /// # Errors
    ///
    /// Why there is none: none was prepared, jemalloc's extents were not walked, or its pages were not clear.
    pub fn take_map(&mut self) -> Result<PageMap, ReadError> {
        let draft = self.draft.take().ok_or(ReadError::NoMap { why: "none was asked for", remedy: "take a mark" })?;
        self.jemalloc.as_ref().map_err(|error| *error)?;
        let len = draft.written.map_err(|fault| match fault {
            MapFault::NoRoom => ReadError::NoMap {
                why: "the page map did not fit",
                remedy: "take the mark again while fewer threads allocate",
            },
            MapFault::Disorder => ReadError::NoMap {
                why: "pages did not come by address",
                remedy: "take the mark again; if it stays, report it",
            },
            MapFault::Unclear => ReadError::NoMap {
                why: "pages of zeroes cannot be told from others here",
                remedy: "use Linux 6.7 or newer, where PAGEMAP_SCAN tells them apart",
            },
        })?;
        let mut buffer = draft.buffer;
        buffer.shrink(len);
        draft.held.set(buffer.range());
        Ok(PageMap { buffer, len, classes: self.classes, _held: draft.held })
    }
}
