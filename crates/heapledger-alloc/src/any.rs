//! Blocks of every layout: wide and large ones, those at wide alignments, in an arena of a region's own, on threads
//! without a slot.

use core::alloc::{GlobalAlloc, Layout};

use heapledger_core::thread::{COUNTER_STRIDE_BYTES, ISOLATED_BIT, ThreadRecord, with_record};
use tikv_jemallocator::Jemalloc;

use crate::classes::{CLASS_BYTES, PAGE_BYTES, SMALL_MAX_BYTES, Shape};
use crate::counters::{Counts, count_large, count_small};
use crate::isolated;
use crate::marks::{Owner, enter, is_left, isolate_pages, leave_large, owner, shape_of};
use crate::pages;
use crate::places::{ALLOCATED, FREED};
use crate::rounding::{is_rounded_to_pages, rounded_to_pages};
use crate::slots::{self, charge_slot, owner_of, pair_of, place_of, slots_of};
use crate::small::unflagged;
use crate::threads;
use crate::words::Word;

#[cold]
#[inline(never)]
fn allocate_in_arena(record: &ThreadRecord, counts: Counts, tag: u16, layout: Layout, zeroed: bool) -> Option<*mut u8> {
    let block = isolated::allocate(tag, layout, zeroed);
    if block.is_null() {
        return None;
    }
    charge_in_arena(record, counts, block, layout, tag);
    Some(block)
}

/// Charges a block that was asked of the arena of the region with this tag, wherever it came from.
fn charge_in_arena(record: &ThreadRecord, counts: Counts, block: *mut u8, layout: Layout, tag: u16) {
    let address = block as usize;
    let known = pages::peek(address).isolated_owner() == Some(tag);
    if !isolated::lies_in(tag, block, known) {
        return charge(record, counts, block, layout, Some(tag));
    }
    let shape = shape_of(layout);
    // All pages of a slab block; of a large one the first speaks for all while it lives.
    let bytes = if let Shape::Small { class } = shape { CLASS_BYTES[class] as usize } else { 1 };
    isolate_pages(address, bytes, tag);
    counts.count(tag, shape, layout.size(), ALLOCATED);
}

/// The size at which jemalloc needs no alignment to serve a layout from the same class, if it is at most a page.
#[inline(always)]
fn padded(layout: Layout) -> Option<usize> {
    let (size, align) = (layout.size(), layout.align());
    // With size and alignment at most a page, so is the size rounded up to the alignment. The subtraction wraps for 0.
    if size.wrapping_sub(1) >= PAGE_BYTES || align > PAGE_BYTES {
        return None;
    }
    Some(rounded_up(layout))
}

/// As jemalloc rounds a small size where it is told the alignment; where it is not, the class is the same (`classes.rs`,
/// tested).
#[inline(always)]
fn rounded_up(layout: Layout) -> usize {
    (layout.size() + layout.align() - 1) & !(layout.align() - 1)
}

/// Charges a block of any layout to `tag`; `None` is the current region.
#[inline(never)]
pub(crate) fn charge(record: &ThreadRecord, counts: Counts, block: *mut u8, layout: Layout, tag: Option<u16>) {
    let shape = shape_of(layout);
    let tag = enter(block as usize, shape, tag.unwrap_or_else(|| record.region_tag() & !ISOLATED_BIT));
    counts.count(tag, shape, layout.size(), ALLOCATED);
}

/// Credits the owner of a block of any layout, and returns it. Pages of its own keep that owner as their last one.
#[inline(never)]
pub(crate) fn credit(counts: Counts, block: *mut u8, layout: Layout) -> Owner {
    let shape = shape_of(layout);
    let owner = owner(block as usize, shape);
    if let Shape::Large { usable_bytes } = shape {
        leave_large(block as usize, usable_bytes, owner);
    }
    counts.count(owner.tag, shape, layout.size(), FREED);
    owner
}

/// The layout that jemalloc is asked for: as `GlobalAlloc` leaves a size of 0 undefined, it is served as 1 byte.
#[inline]
fn at_least_a_byte(layout: Layout) -> Layout {
    if layout.size() > 0 {
        return layout;
    }
    // SAFETY: the alignment is that of a valid layout, and one byte at it does not overflow.
    unsafe { Layout::from_size_align_unchecked(1, layout.align()) }
}

/// `GlobalAlloc::alloc` for every layout.
#[inline(never)]
pub(crate) unsafe fn alloc_any(layout: Layout) -> *mut u8 {
    let Some(bytes) = padded(layout) else {
        if layout.size() > SMALL_MAX_BYTES {
            // SAFETY: by the caller, and as was just seen.
            return unsafe { allocate_large::<false>(layout) };
        }
        // SAFETY: by the caller.
        return unsafe { alloc_rest(layout, false) };
    };
    with_record(|record| {
        // The bit is also in what a thread has that is not registered yet.
        if record.tag() & ISOLATED_BIT != 0 {
            // SAFETY: by the caller.
            return unsafe { alloc_rest(layout, false) };
        }
        // SAFETY: the size is not 0. Blocks of its class lie at multiples of the alignment, as it is one itself.
        let block = unsafe { Jemalloc.alloc(unflagged(bytes)) };
        let word = pages::peek(block as usize);
        if word.low() != record.tag() {
            // SAFETY: `padded` gives at most a page.
            let pair = unsafe { pair_of(bytes) };
            // SAFETY: jemalloc returned the block for this layout, whose class this is.
            return unsafe { charge_padded(block, pair, layout.size(), word) };
        }
        // SAFETY: `padded` gives at most a page.
        let place = unsafe { place_of(bytes) };
        // SAFETY: a tag that a page carries means that the thread is registered and in that region.
        unsafe { count_small(record.counters(), place, ALLOCATED, layout.size()) };
        block
    })
}

/// Charges a block whose page is not the current region's alone, and returns it, so that the call is the last one.
///
/// # Safety
/// * As for `charge_slot`.
#[inline(never)]
unsafe fn charge_padded(block: *mut u8, pair: u8, size: usize, word: Word) -> *mut u8 {
    // SAFETY: by the caller.
    with_record(|record| unsafe { charge_slot(block, pair, size, word, record.tag()) });
    block
}

/// `alloc_any` (or `alloc_zeroed_any`) for what is larger than a page or at a wider alignment, of size 0, isolated, or
/// on a new thread.
///
/// # Safety
/// * As for `allocate`.
#[inline(never)]
unsafe fn alloc_rest(layout: Layout, zeroed: bool) -> *mut u8 {
    // SAFETY: by the caller.
    with_record(|record| unsafe { allocate(record, layout, zeroed) })
}

/// A block of any layout, charged to the current region; in the region's own arena if it has one with memory left.
///
/// # Safety
/// * As for `GlobalAlloc::alloc`, but that the size may be 0.
#[inline(always)]
unsafe fn allocate(record: &ThreadRecord, layout: Layout, zeroed: bool) -> *mut u8 {
    let tag = record.region_tag();
    if tag & ISOLATED_BIT != 0
        && let Some(block) = allocate_in_arena(record, threads::counts(record), tag & !ISOLATED_BIT, layout, zeroed)
    {
        return block;
    }
    let asked = at_least_a_byte(layout);
    // SAFETY: by the caller, and the size is not 0.
    let block = if zeroed { unsafe { Jemalloc.alloc_zeroed(asked) } } else { unsafe { Jemalloc.alloc(asked) } };
    if !block.is_null() {
        charge(record, threads::counts(record), block, layout, None);
    }
    block
}

/// A large block, charged to the current region. Nothing is written but counters if its first page is that region's
/// already.
///
/// # Safety
/// * As for `GlobalAlloc::alloc`; the size is above [`SMALL_MAX_BYTES`].
#[inline(never)]
unsafe fn allocate_large<const ZEROED: bool>(layout: Layout) -> *mut u8 {
    // The bit is also in what a thread has that is not registered yet.
    if with_record(ThreadRecord::tag) & ISOLATED_BIT != 0 {
        // SAFETY: by the caller.
        return unsafe { alloc_rest(layout, ZEROED) };
    }
    // SAFETY: by the caller.
    let block = if ZEROED { unsafe { Jemalloc.alloc_zeroed(layout) } } else { unsafe { Jemalloc.alloc(layout) } };
    let counted = with_record(|record| {
        // The first page of a large block speaks for all while it lives. Null has no word, so it needs no test before.
        if pages::peek(block as usize).is_alone(record.tag()) && is_rounded_to_pages(layout.align()) {
            // SAFETY: the tag is a region's, so the thread is registered and has counters of its own.
            unsafe { count_large(record.counters(), ALLOCATED, layout.size(), rounded_to_pages(layout.size())) };
            return true;
        }
        false
    });
    if counted { block } else { charge_large(block, layout) }
}

/// Charges a large block, or null, whose first page is not known as the current region's, and returns it, so that the
/// call is the last one.
#[inline(never)]
fn charge_large(block: *mut u8, layout: Layout) -> *mut u8 {
    if !block.is_null() {
        with_record(|record| charge(record, threads::counts_as_is(record), block, layout, None));
    }
    block
}

/// Frees a large block and credits its owner, whom the word of its first page names. Nothing is written but counters if
/// all its pages are known to be that region's.
///
/// # Safety
/// * As for `GlobalAlloc::dealloc`; the size is above [`SMALL_MAX_BYTES`].
#[inline(never)]
pub(crate) unsafe fn free_large(block: *mut u8, layout: Layout) {
    let base = with_record(ThreadRecord::base);
    let Some((word, entry)) = pages::value_and_entry(block as usize) else {
        // SAFETY: by the caller.
        return unsafe { free_rest(block, layout) };
    };
    let tag = word.low();
    let usable_bytes = rounded_to_pages(layout.size());
    if base.is_null()
        || tag == 0
        || !word.is_alone(tag)
        || !is_rounded_to_pages(layout.align())
        || !is_left(entry, block as usize, usable_bytes, tag)
    {
        // SAFETY: by the caller.
        return unsafe { free_rest(block, layout) };
    }
    let region = base.wrapping_add(usize::from(tag) * COUNTER_STRIDE_BYTES);
    // SAFETY: the base is this thread's set, and tags are below their number.
    unsafe { count_large(region, FREED, layout.size(), usable_bytes) };
    // SAFETY: by the caller.
    unsafe { Jemalloc.dealloc(block, layout) }
}

/// `GlobalAlloc::alloc_zeroed` for every layout.
#[inline(never)]
pub(crate) unsafe fn alloc_zeroed_any(layout: Layout) -> *mut u8 {
    if layout.size() > SMALL_MAX_BYTES {
        // SAFETY: by the caller, and as was just seen.
        unsafe { allocate_large::<true>(layout) }
    } else {
        // SAFETY: by the caller.
        unsafe { alloc_rest(layout, true) }
    }
}

/// `GlobalAlloc::dealloc` for every layout.
#[inline(never)]
pub(crate) unsafe fn dealloc_any(block: *mut u8, layout: Layout) {
    let Some(bytes) = padded(layout) else {
        if layout.size() > SMALL_MAX_BYTES {
            // SAFETY: by the caller, and as was just seen.
            return unsafe { free_large(block, layout) };
        }
        // SAFETY: by the caller.
        return unsafe { free_rest(block, layout) };
    };
    let word = pages::peek(block as usize);
    with_record(|record| {
        if word.low() != record.tag() {
            // SAFETY: `padded` gives at most a page.
            let pair = unsafe { pair_of(bytes) };
            // SAFETY: by the caller, and for the class of the layout.
            return unsafe { free_padded(block, layout, pair, word) };
        }
        // SAFETY: `padded` gives at most a page.
        let place = unsafe { place_of(bytes) };
        // SAFETY: a tag that a page carries means that the thread is registered and in that region.
        unsafe { count_small(record.counters(), place, FREED, layout.size()) };
        // SAFETY: by the caller; it is of the class of this size, which is not 0.
        unsafe { Jemalloc.dealloc(block, unflagged(bytes)) }
    });
}

/// `dealloc_any` for a block whose page is not the current region's alone.
///
/// # Safety
/// * As for `GlobalAlloc::dealloc`; `pair` is twice the block's class, and `word` its page's.
#[inline(never)]
unsafe fn free_padded(block: *mut u8, layout: Layout, pair: u8, word: Word) {
    let base = with_record(ThreadRecord::base);
    if base.is_null() || word.low() == 0 {
        // SAFETY: by the caller.
        return unsafe { free_rest(block, layout) };
    }
    // SAFETY: by the caller.
    let tag = unsafe { owner_of(block, pair, word) };
    // SAFETY: by the caller, it is a class's.
    let place = unsafe { slots_of(pair) }.place;
    // SAFETY: the base is this thread's.
    unsafe { slots::credit(base, usize::from(tag), place, layout.size()) };
    // SAFETY: as in `dealloc_any`.
    unsafe { Jemalloc.dealloc(block, unflagged(rounded_up(layout))) }
}

/// Frees a block of any layout, on any thread, whatever its page says.
///
/// # Safety
/// * As for `GlobalAlloc::dealloc`.
#[inline(never)]
pub(crate) unsafe fn free_rest(block: *mut u8, layout: Layout) {
    let owner = with_record(|record| credit(threads::counts(record), block, layout));
    if owner.isolated {
        // SAFETY: by the caller; its page says that it lies in an arena of its own.
        return unsafe { isolated::free(block, layout) };
    }
    // SAFETY: by the caller; the layout is the one that the block was asked for with.
    unsafe { Jemalloc.dealloc(block, at_least_a_byte(layout)) }
}

/// `GlobalAlloc::realloc`: the block stays charged to its owner, whoever calls; a failure changes nothing.
#[inline(never)]
pub(crate) unsafe fn realloc_any(block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    let old_shape = shape_of(layout);
    // Before the call: afterwards the slot, or the pages, may be somebody else's.
    let owner = owner(block as usize, old_shape);
    let tag = owner.tag;
    if let Shape::Large { usable_bytes } = old_shape {
        leave_large(block as usize, usable_bytes, owner);
    }
    let moved = if owner.isolated {
        // SAFETY: by the caller; its page says that it lies in the arena of this region.
        unsafe { isolated::resize(tag, block, new_size, layout.align()) }
    } else {
        // SAFETY: by the caller, and neither size is 0.
        unsafe { Jemalloc.realloc(block, at_least_a_byte(layout), new_size.max(1)) }
    };
    if moved.is_null() {
        return moved;
    }
    with_record(|record| {
        let counts = threads::counts(record);
        // SAFETY: by the caller, `new_size` at this alignment is a valid layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if owner.isolated {
            charge_in_arena(record, counts, moved, new_layout, tag);
        } else {
            charge(record, counts, moved, new_layout, Some(tag));
        }
        // Last: a region whose only block this is has one all the time.
        counts.count(tag, old_shape, layout.size(), FREED);
    });
    moved
}
