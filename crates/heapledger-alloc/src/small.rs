//! Blocks of up to a page that the fast paths leave: mixed pages, pages of another region, resizing.
//!
//! Each function is out of line and takes few arguments, so that the fast paths stay small where they are inlined.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::Ordering::Relaxed;

use heapledger_core::thread::{COUNTER_STRIDE_BYTES, MIXED_BIT, ThreadRecord, with_record};
use tikv_jemallocator::Jemalloc;

use crate::any::{dealloc_any, realloc_any};
use crate::counters::{ALLOCATED, FREED, count_small};
use crate::marks::{enter_small, offset_of};
use crate::pages;
use crate::protocol::{self, Rows};
use crate::rows::Heap;
use crate::slots::{charge_slot, credit_slot, pair_of, slots_of};
use crate::words::Word;

/// Charges a small block that did not find its page pure and the thread's own, but the page word `word`.
///
/// First the mixed page that already has a row of this class: by far the most frequent of these cases, and the only one
/// that needs no atomic read-modify-write. Only a registered thread finds that, so no `flip` runs beside it (see
/// there).
///
/// # Safety
/// * `size` is at most a page, and `block` is null or what jemalloc returned for it.
#[inline(never)]
pub(crate) unsafe fn charge_small(block: *mut u8, size: usize, word: Word) {
    // SAFETY: by the caller.
    let pair = unsafe { pair_of(size) };
    // SAFETY: by the caller, and the class is that of the size.
    unsafe { charge_slot(block, pair, size, word) }
}

/// Frees a small block whose page is not pure and the thread's own, but has the word `word`.
///
/// # Safety
/// * As for `GlobalAlloc::dealloc`, with a layout of `size` bytes (at most a page) and an alignment that needs no flag.
#[inline(never)]
pub(crate) unsafe fn free_small(block: *mut u8, size: usize, word: Word) {
    let base = with_record(ThreadRecord::base);
    if base.is_null() || word.low() == 0 {
        // SAFETY: by the caller.
        return unsafe { free_cold(block, size) };
    }
    // SAFETY: by the caller.
    let pair = unsafe { pair_of(size) };
    // SAFETY: by the caller; the base is this thread's.
    unsafe { credit_slot(block, base, pair, size, word) };
    // SAFETY: by the caller.
    unsafe { Jemalloc.dealloc(block, unflagged(size)) }
}

/// # Safety
/// * As for `free_small`.
#[cold]
#[inline(never)]
unsafe fn free_cold(block: *mut u8, size: usize) {
    // SAFETY: by the caller.
    unsafe { dealloc_any(block, unflagged(size)) }
}

/// The layout of a small block, as far as jemalloc can tell: alignment 1 needs no flag, and neither did the real one.
/// So the compiler need not work the flag out.
#[inline(always)]
pub(crate) fn unflagged(size: usize) -> Layout {
    // SAFETY: the size is that of a live block, so it does not overflow when rounded up to 1.
    unsafe { Layout::from_size_align_unchecked(size, 1) }
}

/// `realloc_any` for sizes that both belong to the fast path, which is what growing vectors mostly do.
///
/// # Safety
/// * As for `GlobalAlloc::realloc`; both sizes are at most a page, and the alignment needs no flag for either.
#[inline(never)]
pub(crate) unsafe fn realloc_small(block: *mut u8, size: usize, new_size: usize) -> *mut u8 {
    let base = with_record(ThreadRecord::base);
    let word = pages::peek(block as usize);
    if base.is_null() || word.low() == 0 {
        // SAFETY: by the caller.
        return unsafe { realloc_any(block, unflagged(size), new_size) };
    }
    // SAFETY: by the caller.
    let pair = unsafe { pair_of(size) };
    // SAFETY: `pair` is from `pair_of`.
    let slots = unsafe { slots_of(pair) };
    // Before the call: afterwards the slot may be somebody else's.
    let tag = protocol::owner(word, &Heap, slots.slot_of(offset_of(block as usize)));
    // SAFETY: by the caller.
    let moved = unsafe { Jemalloc.realloc(block, unflagged(size), new_size) };
    if moved.is_null() {
        return moved;
    }
    // SAFETY: by the caller.
    let new_pair = unsafe { pair_of(new_size) };
    let mut new_tag = tag;
    // A block that stayed in its slot is still marked.
    if moved != block {
        let word = pages::peek(moved as usize);
        if word.low() == MIXED_BIT | u16::from(new_pair) {
            // SAFETY: `new_pair` is from `pair_of`.
            let slots = unsafe { slots_of(new_pair) };
            // As in `charge_small`: the thread is registered.
            Heap.entry(word.row_unchecked(), slots.slot_of(offset_of(moved as usize))).store(tag, Relaxed);
        } else if word.low() != tag {
            new_tag = enter_small(moved as usize, usize::from(new_pair) / 2, tag);
        }
    }
    let set_of = |tag: u16| base.wrapping_add(usize::from(tag) * COUNTER_STRIDE_BYTES);
    // SAFETY: the base is this thread's set, and tags are below their number.
    unsafe { count_small(set_of(new_tag), new_pair, ALLOCATED, new_size) };
    // Last, as in `realloc_any`.
    // SAFETY: as above.
    unsafe { count_small(set_of(tag), pair, FREED, size) };
    moved
}
