//! What the sweep asks for: bitmaps, and the first words of what is in no extent.

use crate::attribute::{Bitmap, Classes, Extent, GapKind, World};
use crate::read::emap::{Cursor, Emap, readable};
use crate::read::maps::Vma;
use crate::read::memory::{peek, prefetch};

/// glibc's heaps for threads are aligned to this, and no larger.
const GLIBC_ARENA_BYTES: usize = 64 << 20;

/// Base blocks are aligned to this, and a multiple of it.
const BASE_ALIGN: usize = 2 << 20;

/// Flags in the size of a block of glibc's.
const CHUNK_FLAGS: usize = 7;
const CHUNK_IS_MMAPPED: usize = 2;

/// The process, as far as the sweep asks.
pub(super) struct Told<'a> {
    pub(super) classes: &'a Classes,
    pub(super) vmas: &'a [Vma],
    pub(super) emap: Option<Emap>,
    pub(super) cursor: Option<&'a Cursor<'a>>,
}

impl World for Told<'_> {
    fn classes(&self) -> &Classes {
        self.classes
    }

    fn bitmap(&self, slab: &Extent) -> Option<Bitmap> {
        self.cursor?.bitmap(slab)
    }

    #[inline]
    fn fetch_ahead(&self, slab: &Extent) {
        if let Some(emap) = self.emap.filter(|_| slab.free_slots > 0) {
            prefetch(slab.record + emap.layout.edata_slab_offset);
        }
    }

    fn header(&self, address: usize) -> Option<(GapKind, usize)> {
        if !address.is_multiple_of(self.classes.page_bytes) {
            return None;
        }
        // The largest of the headers; all are read by the kernel, for what is not jemalloc's can go at any moment.
        let words = peek::<5>(address)?.map(|word| word as usize);
        if address.is_multiple_of(BASE_ALIGN)
            && let Some(bytes) = self.base_block(address, &words)
        {
            return Some((GapKind::Base, bytes));
        }
        if address.is_multiple_of(GLIBC_ARENA_BYTES)
            && let Some(bytes) = self.glibc_arena(address, &words)
        {
            return Some((GapKind::GlibcArena, bytes));
        }
        self.glibc_chunk(address, &words).map(|bytes| (GapKind::GlibcChunk, bytes))
    }

    fn mapping_end(&self, address: usize) -> usize {
        let vma = self.vmas.get(self.vmas.partition_point(|vma| vma.end <= address));
        vma.filter(|vma| vma.start <= address).map_or(address, |vma| vma.end)
    }
}

impl Told<'_> {
    /// A block of jemalloc's metadata begins with its size, and with where its unused rest begins and how long that is.
    fn base_block(&self, address: usize, words: &[usize; 5]) -> Option<usize> {
        let layout = self.emap?.layout;
        let word = |offset: usize| words.get(offset / 8).copied();
        let bytes = word(layout.block_size_offset).filter(|bytes| *bytes > 0 && bytes.is_multiple_of(BASE_ALIGN))?;
        let end = address.checked_add(bytes)?;
        let rest = word(layout.block_addr_offset)?;
        let reaches = rest.checked_add(word(layout.block_rest_offset)?)?;
        let inside = (address..=end).contains(&rest) && reaches == end;
        readable(self.vmas, address, end).filter(|_| inside).map(|_| bytes)
    }

    /// A heap of glibc's for a thread begins with a pointer to its arena, one to the heap before it, and how much of it
    /// is in use and how much may be written; what is left up to 64 MiB is closed.
    fn glibc_arena(&self, address: usize, words: &[usize; 5]) -> Option<usize> {
        let [arena, previous, size, open, ..] = *words;
        let page_bytes = self.classes.page_bytes;
        let sizes = size > 0 && size <= open && open <= GLIBC_ARENA_BYTES && open.is_multiple_of(page_bytes);
        let first = previous == 0 && arena.checked_sub(address).is_some_and(|offset| offset < page_bytes);
        if !sizes || !(first || self.is_later_heap(arena, previous)) {
            return None;
        }
        let end = address + open;
        if self.mapping_end(address) < end {
            return None;
        }
        let full = open == GLIBC_ARENA_BYTES;
        (full || self.is_closed(end, address + GLIBC_ARENA_BYTES)).then_some(open)
    }

    /// Whether the heap before, and the first one, in which the arena lies, say that they are heaps of the same arena.
    /// Where they lie says nothing: the kernel puts a third heap above or below the others.
    fn is_later_heap(&self, arena: usize, previous: usize) -> bool {
        let heads = |heap: usize| peek::<2>(heap).map(|words| words.map(|word| word as usize));
        let first = arena - arena % GLIBC_ARENA_BYTES;
        previous != 0
            && previous.is_multiple_of(GLIBC_ARENA_BYTES)
            && arena - first < self.classes.page_bytes
            && heads(first) == Some([arena, 0])
            && heads(previous).is_some_and(|[its, _]| its == arena)
    }

    /// Whether a mapping that nobody may touch lies exactly there.
    fn is_closed(&self, start: usize, end: usize) -> bool {
        let vma = self.vmas.get(self.vmas.partition_point(|vma| vma.end <= start));
        vma.is_some_and(|vma| {
            vma.start == start && vma.end == end && !vma.readable && !vma.writable && vma.is_anonymous()
        })
    }

    /// A block of glibc's with a mapping of its own begins with a word that is 0, unless it was aligned, and its size.
    fn glibc_chunk(&self, address: usize, words: &[usize; 5]) -> Option<usize> {
        let bytes = words[1] & !CHUNK_FLAGS;
        let flags = words[1] & CHUNK_FLAGS;
        let good = words[0] == 0 && flags == CHUNK_IS_MMAPPED && bytes > 0;
        let end = address.checked_add(bytes)?;
        (good && bytes.is_multiple_of(self.classes.page_bytes) && end <= self.mapping_end(address)).then_some(bytes)
    }
}
