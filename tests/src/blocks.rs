//! Heap blocks by address: what tests of an allocator hold instead of collections.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::NonNull;

use tikv_jemallocator::Jemalloc;

/// Who a block came from, and will go back to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// The program's global allocator.
    Program,
    /// jemalloc itself, so that the ledger sees nothing of it.
    Jemalloc,
}

/// A heap block that nobody looks into; freed when dropped.
#[derive(Debug)]
pub struct Block {
    at: NonNull<u8>,
    layout: Layout,
    source: Source,
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}

/// A layout that the test knows to be valid.
pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a test asks for valid layouts only")
}

impl Block {
    /// Asks the program's allocator; `None` when it returns null. A layout of 0 bytes is asked for as such.
    pub fn try_new(layout: Layout) -> Option<Block> {
        // SAFETY: the allocators under test serve a size of 0 too, which the trait leaves undefined.
        let at = unsafe { std::alloc::alloc(layout) };
        Self::keep(at, layout, Source::Program)
    }

    /// As `try_new`, zeroed.
    pub fn try_zeroed(layout: Layout) -> Option<Block> {
        // SAFETY: as in `try_new`.
        let at = unsafe { std::alloc::alloc_zeroed(layout) };
        Self::keep(at, layout, Source::Program)
    }

    /// Asks the program's allocator for a block that there must be memory for.
    pub fn new(size: usize) -> Block {
        Self::aligned(size, 1)
    }

    /// As `new`, at an alignment.
    pub fn aligned(size: usize, align: usize) -> Block {
        Self::try_new(layout(size, align)).expect("there is memory for a test's blocks")
    }

    /// As `new`, zeroed.
    pub fn zeroed(size: usize) -> Block {
        Self::try_zeroed(layout(size, 1)).expect("there is memory for a test's blocks")
    }

    /// Asks jemalloc, behind the back of the program's allocator.
    pub fn behind_the_ledger(layout: Layout) -> Option<Block> {
        // SAFETY: no caller asks for 0 bytes.
        let at = unsafe { Jemalloc.alloc(layout) };
        Self::keep(at, layout, Source::Jemalloc)
    }

    /// Resizes the block; `false` when the allocator returned null, and then nothing has changed.
    pub fn try_resize(&mut self, new_size: usize) -> bool {
        // SAFETY: the block lives and has this layout.
        let at = unsafe { std::alloc::realloc(self.at.as_ptr(), self.layout, new_size) };
        let Some(at) = NonNull::new(at) else { return false };
        self.at = at;
        self.layout = layout(new_size, self.layout.align());
        true
    }

    /// Resizes the block, and tells whether it moved.
    pub fn resize(&mut self, new_size: usize) -> bool {
        let before = self.at;
        assert!(self.try_resize(new_size), "there is memory for a test's blocks");
        before != self.at
    }

    /// Where it lies.
    pub fn address(&self) -> usize {
        self.at.as_ptr() as usize
    }

    /// Its first byte.
    pub fn pointer(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    /// What was asked for.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Writes `value` into all of it.
    pub fn fill(&mut self, value: u8) {
        // SAFETY: the block is this many writable bytes, and this is its only owner.
        unsafe { self.at.as_ptr().write_bytes(value, self.layout.size()) }
    }

    /// Whether each byte of it is `value`; it was filled or zeroed before.
    pub fn is_filled_with(&self, value: u8) -> bool {
        // SAFETY: the block is this many bytes, and the caller wrote them.
        let bytes = unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.layout.size()) };
        bytes.iter().all(|&byte| byte == value)
    }

    /// Gives the block up without freeing it; [`from_parts`](Block::from_parts) takes it up again.
    pub fn into_pointer(self) -> *mut u8 {
        let at = self.at.as_ptr();
        std::mem::forget(self);
        at
    }

    /// Takes up a block of the program's allocator.
    ///
    /// # Safety
    /// * `at` came from `into_pointer` of a block with this layout, and was not taken up since.
    pub unsafe fn from_parts(at: *mut u8, layout: Layout) -> Option<Block> {
        Self::keep(at, layout, Source::Program)
    }

    fn keep(at: *mut u8, layout: Layout, source: Source) -> Option<Block> {
        // Otherwise the compiler may leave out an allocation that nobody looks into.
        Some(Block { at: NonNull::new(std::hint::black_box(at))?, layout, source })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match self.source {
            // SAFETY: the block lives, has this layout and came from there.
            Source::Program => unsafe { std::alloc::dealloc(self.at.as_ptr(), self.layout) },
            // SAFETY: as above.
            Source::Jemalloc => unsafe { Jemalloc.dealloc(self.at.as_ptr(), self.layout) },
        }
    }
}
