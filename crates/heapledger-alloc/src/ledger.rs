//! The global allocator: four methods, the first two with a fast path, of which that of `alloc` is inlined into the program.

use core::alloc::{GlobalAlloc, Layout};

use heapledger_core::thread::with_record;
use tikv_jemallocator::Jemalloc;

use crate::any;
use crate::classes::{PAGE_BYTES, QUANTUM_BYTES};
use crate::counters::{ALLOCATED, FREED, count_small};
use crate::pages;
use crate::slots::pair_of;
use crate::small::{charge_small, free_small, realloc_small, unflagged};
use crate::words::Word;

/// jemalloc, with every block charged to a region.
///
/// ```
/// #[global_allocator]
/// static LEDGER: heapledger_alloc::Ledger = heapledger_alloc::Ledger::new();
/// # fn main() {}
/// ```
///
/// Each method makes exactly the call that `tikv_jemallocator::Jemalloc` would make, and returns what it returns; a
/// null result is passed on, and nothing is counted. No method panics, locks, formats or allocates anything else. A
/// layout of size 0, which `GlobalAlloc` leaves undefined, is served as one byte and counted as a block of 0 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    _private: (),
}

impl Ledger {
    /// The allocator; all its state is global.
    pub const fn new() -> Ledger {
        Ledger { _private: () }
    }
}

/// Whether the fast paths take the layout: at most a page, and an alignment that jemalloc gives to every such block.
#[inline(always)]
fn is_fast(layout: Layout) -> bool {
    layout.align() <= QUANTUM_BYTES && fits(layout.size(), layout.align())
}

/// Whether a size is fast with an alignment of at most [`QUANTUM_BYTES`]. The subtraction wraps for sizes below the
/// alignment, so one compare rejects those too.
#[inline(always)]
fn fits(size: usize, align: usize) -> bool {
    size.wrapping_sub(align) <= PAGE_BYTES - align
}

/// Charges a block to the current region: in place if its page is the region's own, else out of line.
///
/// # Safety
/// * `block` is null, or what jemalloc returned for a fast layout of this size, not charged yet.
#[inline(always)]
unsafe fn charge(block: *mut u8, size: usize) {
    with_record(|record| {
        let tag = record.tag();
        // Null has no page word either, so it needs no test of its own here.
        match pages::value(block as usize) {
            Some(word) if word.low() == tag => {
                // SAFETY: `is_fast` admits sizes up to a page.
                let pair = unsafe { pair_of(size) };
                // SAFETY: a tag that a page carries means that the thread is registered and in that region.
                unsafe { count_small(record.counters(), pair, ALLOCATED, size) };
            }
            // SAFETY: by the caller.
            other => unsafe { charge_small(block, size, other.unwrap_or(Word::VIRGIN), tag) },
        }
    });
}

/// Frees a block and credits its region.
///
/// # Safety
/// * `block` was allocated here with a layout of this size and alignment.
/// * `align` is at most [`QUANTUM_BYTES`].
#[inline(always)]
unsafe fn free(block: *mut u8, size: usize, align: usize) {
    if !fits(size, align) {
        pages::unlikely();
        // SAFETY: by the caller it is the layout that the block was allocated with.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
        // SAFETY: by the caller.
        return unsafe { any::dealloc_any(block, layout) };
    }
    with_record(|record| {
        match pages::value(block as usize) {
            Some(word) if word.low() == record.tag() => {
                // SAFETY: `fits` admits sizes up to a page.
                let pair = unsafe { pair_of(size) };
                // SAFETY: a tag that a page carries means that the thread is registered and in that region.
                unsafe { count_small(record.counters(), pair, FREED, size) };
                // SAFETY: by the caller; `fits` implies that the alignment makes no difference.
                unsafe { Jemalloc.dealloc(block, unflagged(size)) }
            }
            // SAFETY: by the caller, and the layout is fast.
            other => unsafe { free_small(block, size, other.unwrap_or(Word::VIRGIN)) },
        }
    });
}

/// `free`, out of line, because a program has many more places that free than that allocate
/// (`docs/decisions/0008-one-path-inlined.md`). One for each of the usual alignments: a third argument would be as many
/// instructions as there are places.
///
/// # Safety
/// * As for `free`.
#[inline(never)]
unsafe fn free_at<const ALIGN: usize>(block: *mut u8, size: usize) {
    // SAFETY: by the caller.
    unsafe { free(block, size, ALIGN) }
}

/// `free`, out of line, for the other alignments.
///
/// # Safety
/// * As for `free`.
#[inline(never)]
unsafe fn free_at_any(block: *mut u8, size: usize, align: usize) {
    // SAFETY: by the caller.
    unsafe { free(block, size, align) }
}

// SAFETY: every block comes from jemalloc's own GlobalAlloc and goes back to it with the same layout; the ledger around
// it neither unwinds nor touches the blocks' memory.
unsafe impl GlobalAlloc for Ledger {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_fast(layout) {
            // SAFETY: by the caller.
            return unsafe { any::alloc_any(layout) };
        }
        // SAFETY: by the caller; `is_fast` implies a size above 0, and that the alignment makes no difference.
        let block = unsafe { Jemalloc.alloc(unflagged(layout.size())) };
        // SAFETY: jemalloc returned the block for this layout, which is fast.
        unsafe { charge(block, layout.size()) };
        block
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Mostly a constant, so that no test is left in the program.
        match layout.align() {
            // SAFETY: by the caller, and for the alignment that was just looked at.
            1 => unsafe { free_at::<1>(block, layout.size()) },
            // SAFETY: as above.
            8 => unsafe { free_at::<8>(block, layout.size()) },
            // SAFETY: as above.
            align if align <= QUANTUM_BYTES => unsafe { free_at_any(block, layout.size(), align) },
            // SAFETY: by the caller.
            _ => unsafe { any::dealloc_any(block, layout) },
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_fast(layout) {
            // SAFETY: by the caller.
            return unsafe { any::alloc_zeroed_any(layout) };
        }
        // SAFETY: as in `alloc`.
        let block = unsafe { Jemalloc.alloc_zeroed(unflagged(layout.size())) };
        // SAFETY: jemalloc returned the block for this layout, which is fast.
        unsafe { charge(block, layout.size()) };
        block
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // The alignment is a power of two, so a layout of it and the new size can be judged without making one.
        if is_fast(layout) && fits(new_size, layout.align()) {
            // SAFETY: by the caller.
            unsafe { realloc_small(block, layout.size(), new_size) }
        } else {
            // SAFETY: by the caller.
            unsafe { any::realloc_any(block, layout, new_size) }
        }
    }
}
