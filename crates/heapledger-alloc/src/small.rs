//! Blocks of up to a page that the fast paths leave: mixed pages, pages of another region, resizing.
//!
//! Each function is out of line and takes few arguments, so that the fast paths stay small where they are inlined.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::Ordering::Relaxed;

use heapledger_core::thread::{COUNTER_STRIDE_BYTES, MIXED_BIT, ThreadRecord, with_record};
use tikv_jemallocator::Jemalloc;

use crate::any::{free_rest, realloc_any};
use crate::counters::count_small;
use crate::marks::{enter_small, offset_of};
use crate::pages;
use crate::places::ALLOCATED;
use crate::protocol::Rows;
use crate::rows::Heap;
use crate::slots::{charge_slot, credit, owner_of, pair_of, place_of, slots_of};
use crate::words::Word;

/// Charges a small block that did not find its page pure and of the thread's own `tag`, but the page word `word`.
///
/// First the mixed page that already has a row of this class: by far the most frequent of these cases, and the only one
/// that needs no atomic read-modify-write. Only a registered thread finds that, so no `flip` runs beside it (see
/// there).
///
/// # Safety
/// * `size` is at most a page, and `block` is null or what jemalloc returned for it.
/// * `tag` is the one in this thread's record.
#[inline(never)]
pub(crate) unsafe fn charge_small(block: *mut u8, size: usize, word: Word, tag: u16) {
    // SAFETY: by the caller.
    let pair = unsafe { pair_of(size) };
    // SAFETY: by the caller, and the class is that of the size.
    unsafe { charge_slot(block, pair, size, word, tag) }
}

/// Frees a small block whose page is not pure and the thread's own, but has the word `word`.
///
/// # Safety
/// * As for `GlobalAlloc::dealloc`, with a layout of `size` bytes (at most a page) and an alignment that needs no flag.
#[inline(never)]
pub(crate) unsafe fn free_small(block: *mut u8, size: usize, word: Word) {
    let base = with_record(ThreadRecord::base);
    if base.is_null() {
        // SAFETY: by the caller.
        return unsafe { free_cold(block, size) };
    }
    // PERF: a mixed page first, and widened in each branch: joined as 16 bits the tag is widened twice.
    let (tag, place) = if word.is_mixed() {
        // SAFETY: by the caller.
        let pair = unsafe { pair_of(size) };
        // SAFETY: it is from `pair_of`.
        let place = unsafe { slots_of(pair) }.place;
        // SAFETY: by the caller.
        (usize::from(unsafe { owner_of(block, pair, word) }), place)
    } else if word.low() != 0 {
        // SAFETY: by the caller.
        (usize::from(word.tag()), unsafe { place_of(size) })
    } else {
        // SAFETY: by the caller.
        return unsafe { free_cold(block, size) };
    };
    // SAFETY: the base is this thread's.
    unsafe { credit(base, tag, place, size) };
    // SAFETY: by the caller.
    unsafe { Jemalloc.dealloc(block, unflagged(size)) }
}

/// # Safety
/// * As for `free_small`.
#[cold]
#[inline(never)]
unsafe fn free_cold(block: *mut u8, size: usize) {
    // SAFETY: by the caller.
    unsafe { free_rest(block, unflagged(size)) }
}

/// A layout for which jemalloc is told no alignment, where it makes no difference: the size is of the class that the real
/// layout has. So the compiler need not work the flag out, and jemalloc takes its fast path.
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
    // SAFETY: by the caller.
    let tag = unsafe { owner_of(block, pair, word) };
    // SAFETY: by the caller.
    let new_pair = unsafe { pair_of(new_size) };
    // jemalloc leaves a block where it is if the new size is of its class; else it takes another one, copies and frees. The
    // latter is made of its calls for those, because its `realloc` first looks where the old block lies, in memory that is
    // mostly cold.
    let stays = new_pair == pair;
    let moved = if stays {
        // SAFETY: by the caller.
        unsafe { Jemalloc.realloc(block, unflagged(size), new_size) }
    } else {
        // SAFETY: by the caller, the new size is not 0.
        unsafe { Jemalloc.alloc(unflagged(new_size)) }
    };
    if moved.is_null() {
        return moved;
    }
    let mut new_tag = tag;
    // A block that stayed in its slot is still marked.
    if !stays {
        // SAFETY: both are live and different blocks of at least so many bytes.
        unsafe { moved.copy_from_nonoverlapping(block, size.min(new_size)) };
        let word = pages::peek(moved as usize);
        if word.low() == MIXED_BIT | u16::from(new_pair) {
            // SAFETY: `new_pair` is from `pair_of`.
            let slots = unsafe { slots_of(new_pair) };
            // As in `charge_small`: the thread is registered.
            Heap.entry(word.mixed_row(), slots.slot_of(offset_of(moved as usize) as u32)).store(tag, Relaxed);
        } else if word.low() != tag {
            new_tag = enter_small(moved as usize, usize::from(new_pair) / 2, tag);
        }
    }
    let region = base.wrapping_add(usize::from(new_tag) * COUNTER_STRIDE_BYTES);
    // SAFETY: by the caller.
    let place = unsafe { place_of(size) };
    // SAFETY: by the caller.
    let new_place = unsafe { place_of(new_size) };
    // SAFETY: the base is this thread's set, and tags are below their number.
    unsafe { count_small(region, new_place, ALLOCATED, new_size) };
    // After the new one, as in `realloc_any`, and before the slot is somebody else's.
    // SAFETY: as above.
    unsafe { credit(base, usize::from(tag), place, size) };
    if !stays {
        // SAFETY: by the caller.
        unsafe { Jemalloc.dealloc(block, unflagged(size)) }
    }
    moved
}
