//! The global allocator: four methods, the first two with a fast path, of which that of `alloc` is inlined into the program.

use core::alloc::{GlobalAlloc, Layout};

use heapledger_core::thread::with_record;
use tikv_jemallocator::Jemalloc;

use crate::any;
use crate::classes::{PAGE_BYTES, QUANTUM_BYTES, SMALL_MAX_BYTES};
use crate::counters::count_small;
use crate::pages;
use crate::places::{ALLOCATED, FREED};
use crate::slots::place_of;
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
/// Each method asks jemalloc for what `tikv_jemallocator::Jemalloc` would ask for: the same class, from the same place, and
/// nothing else. Blocks of up to a page that are aligned, zeroed, or move when they are resized are asked for by jemalloc's
/// shortest calls, which do the same (`docs/decisions/0013-calls-that-jemalloc-answers-alike.md`); for all others the call
/// is the same too. A null result is passed on, and nothing is counted. No method panics, locks, formats or allocates
/// anything else. A layout of size 0, which `GlobalAlloc` leaves undefined, is served as one byte and counted as a block of
/// 0 bytes.
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

/// Whether the fast paths take a size and an alignment: at most a page, and no other block than the size alone would get.
///
/// In this order, and with what is rare marked, because where the two are no constants all these tests are executed.
#[inline(always)]
fn is_fast(size: usize, align: usize) -> bool {
    // The subtraction wraps for 0.
    if size.wrapping_sub(1) >= PAGE_BYTES {
        return false;
    }
    if align < QUANTUM_BYTES {
        return true;
    }
    pages::unlikely();
    align == QUANTUM_BYTES && size >= QUANTUM_BYTES
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
                let place = unsafe { place_of(size) };
                // SAFETY: a tag that a page carries means that the thread is registered and in that region.
                unsafe { count_small(record.counters(), place, ALLOCATED, size) };
            }
            // SAFETY: by the caller.
            other => unsafe { charge_small(block, size, other.unwrap_or(Word::VIRGIN), tag) },
        }
    });
}

/// Frees a block and credits its region.
///
/// Out of line, because a program has many more places that free than that allocate
/// (`docs/decisions/0008-one-path-inlined.md`). One function for each kind of alignment: a third argument would be as many
/// instructions as there are places.
///
/// # Safety
/// * `block` was allocated here with a layout of this size, and at `ALIGN`; or at another alignment below
///   [`QUANTUM_BYTES`] if `ALIGN` is: every class is a multiple of those, so they round no size to another class.
#[inline(never)]
unsafe fn free<const ALIGN: usize>(block: *mut u8, size: usize) {
    if !is_fast(size, ALIGN) {
        pages::unlikely();
        // SAFETY: by the caller it is the layout that the block was allocated with, or one at a smaller alignment.
        let layout = unsafe { Layout::from_size_align_unchecked(size, ALIGN) };
        // PERF: at the quantum this question would cost the fast path two instructions; `dealloc_any` asks it too.
        if ALIGN < QUANTUM_BYTES && size > SMALL_MAX_BYTES {
            // SAFETY: by the caller, and as was just seen.
            return unsafe { any::free_large(block, layout) };
        }
        // SAFETY: by the caller.
        return unsafe { any::dealloc_any(block, layout) };
    }
    with_record(|record| {
        // SAFETY: by the caller it was charged, and whoever handed it over ordered that before.
        let word = unsafe { pages::value_of_charged(block as usize) };
        if word.low() == record.tag() {
            // SAFETY: `is_fast` admits sizes up to a page.
            let place = unsafe { place_of(size) };
            // SAFETY: a tag that a page carries means that the thread is registered and in that region.
            unsafe { count_small(record.counters(), place, FREED, size) };
            // SAFETY: by the caller; `is_fast` implies that the alignment makes no difference.
            unsafe { Jemalloc.dealloc(block, unflagged(size)) }
        } else {
            // SAFETY: by the caller, and the layout is fast.
            unsafe { free_small(block, size, word) }
        }
    });
}

// SAFETY: every block comes from jemalloc's own GlobalAlloc and goes back to it with the same layout; the ledger around
// it neither unwinds nor touches the blocks' memory.
unsafe impl GlobalAlloc for Ledger {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_fast(layout.size(), layout.align()) {
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
        if layout.align() < QUANTUM_BYTES {
            // SAFETY: by the caller; 1 stands for all alignments below the quantum.
            unsafe { free::<1>(block, layout.size()) }
        } else if layout.align() == QUANTUM_BYTES {
            // SAFETY: by the caller.
            unsafe { free::<QUANTUM_BYTES>(block, layout.size()) }
        } else {
            // SAFETY: by the caller.
            unsafe { any::dealloc_any(block, layout) }
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_fast(layout.size(), layout.align()) {
            // SAFETY: by the caller.
            return unsafe { any::alloc_zeroed_any(layout) };
        }
        // SAFETY: as in `alloc`.
        let block = unsafe { Jemalloc.alloc(unflagged(layout.size())) };
        if !block.is_null() {
            // Slabs are never known to be zeroed, so jemalloc does the same, after a longer way.
            // SAFETY: the block has so many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        // SAFETY: jemalloc returned the block for this layout, which is fast.
        unsafe { charge(block, layout.size()) };
        block
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if is_fast(layout.size(), layout.align()) && is_fast(new_size, layout.align()) {
            // SAFETY: by the caller.
            unsafe { realloc_small(block, layout.size(), new_size) }
        } else {
            // SAFETY: by the caller.
            unsafe { any::realloc_any(block, layout, new_size) }
        }
    }
}
