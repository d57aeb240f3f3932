//! Everything but the two fast paths: mixed pages, foreign owners, wide and large blocks, threads without a slot.
//!
//! Each function is out of line and takes few arguments, so that the fast paths stay small where they are inlined.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::Ordering::Relaxed;

use heapledger_core::hooks::Outcome;
use heapledger_core::region_root;
use heapledger_core::thread::{COUNTER_STRIDE_BYTES, ISOLATED_BIT, MIXED_BIT, ThreadRecord, with_record};
use tikv_jemallocator::Jemalloc;

use crate::classes::{
    CLASS_BYTES, PAGE_BYTES, PAIR_OF_EIGHTH, SLOTS, Shape, Slots, eighth, needs_no_flag, slots_in_page,
};
use crate::counters::{
    Counts, LARGE_BLOCKS, LARGE_USABLE_BYTES, REQUESTED_BYTES, SMALL_BLOCKS, USED_WITHOUT_BYTES, count_small,
};
use crate::isolated;
use crate::marks::{Owner, enter, enter_small, isolate_pages, leave_large, offset_of, owner, shape_of};
use crate::pages;
use crate::protocol::{self, Rows};
use crate::rows::Heap;
use crate::threads::{self, REGISTERED};
use crate::words::Word;

/// Which word of a pair.
const ALLOCATED: usize = 0;
const FREED: usize = 1;

/// Twice the size class of a size up to 4 KiB.
///
/// # Safety
/// * `size` is at most a page.
#[inline(always)]
pub(crate) unsafe fn pair_of(size: usize) -> u8 {
    // SAFETY: by the caller; the table has an entry for each eighth of a page.
    unsafe { *PAIR_OF_EIGHTH.get_unchecked(eighth(size)) }
}

/// What the mixed path needs of a class, by twice its number.
///
/// # Safety
/// * `pair` came from [`pair_of`].
#[inline(always)]
unsafe fn slots_of(pair: u8) -> &'static Slots {
    // SAFETY: by the caller, `pair / 2` is a class.
    unsafe { SLOTS.get_unchecked(usize::from(pair) / 2) }
}

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

/// As `charge_small`, for a block whose class may be larger than its size needs.
///
/// # Safety
/// * `pair` came from [`pair_of`], and `block` is null or what jemalloc returned, in a slab of that class, for `size` bytes.
#[inline(always)]
unsafe fn charge_slot(block: *mut u8, pair: u8, size: usize, word: Word) {
    let (tag, set, mixed) = with_record(|record| (record.tag(), record.counters(), record.mixed()));
    if word.low() != mixed | u16::from(pair) {
        return charge_cold(block, pair, size);
    }
    // SAFETY: `pair` is from `pair_of`.
    let slots = unsafe { slots_of(pair) };
    let offset = offset_of(block as usize);
    let (row, slot) = (word.row_unchecked(), slots.slot_of(offset));
    Heap.entry(row, slot).store(tag, Relaxed);
    // SAFETY: the thread is registered, so these are its own counters of the current region.
    unsafe { count_small(set, pair, ALLOCATED, size) };
    // The last slot of a page is the last to be handed out of a fresh slab: a good moment to look whether the whole
    // page has become ours. Its neighbour tells most pages that have not.
    if offset >= slots.last_offset as usize && (slot == 0 || Heap.entry(row, slot - 1).load(Relaxed) == tag) {
        unmix(block as usize, pair);
    }
}

#[cold]
#[inline(never)]
fn unmix(address: usize, pair: u8) {
    let class = usize::from(pair) / 2;
    if let Some(word) = pages::word(address) {
        let tag = with_record(ThreadRecord::tag);
        protocol::flip(word, &Heap, slots_in_page(class, offset_of(address)), tag, &REGISTERED);
    }
}

#[cold]
#[inline(never)]
fn charge_cold(block: *mut u8, pair: u8, size: usize) {
    if !block.is_null() {
        with_record(|record| {
            let class = usize::from(pair) / 2;
            let counts = threads::counts(record);
            let tag = enter_small(block as usize, class, record.region_tag() & !ISOLATED_BIT);
            count(counts, tag, Shape::Small { class }, size, ALLOCATED);
        });
    }
}

/// A block in the current region's own arena, charged; `None` if the region has none, or jemalloc had no memory there.
#[inline]
fn allocate_isolated(record: &ThreadRecord, counts: Counts, layout: Layout, zeroed: bool) -> Option<*mut u8> {
    let tag = record.region_tag();
    if tag & ISOLATED_BIT == 0 { None } else { allocate_in_arena(record, counts, tag & !ISOLATED_BIT, layout, zeroed) }
}

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
    count(counts, tag, shape, layout.size(), ALLOCATED);
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

/// Credits the owner of a small block, as the word of its page says.
///
/// # Safety
/// * `base` is the thread's own set; `pair` came from [`pair_of`]; the block lives in a slab of that class and was charged
///   with `size` bytes, and `word` is its page's.
#[inline(always)]
unsafe fn credit_slot(block: *mut u8, base: *mut u8, pair: u8, size: usize, word: Word) {
    // SAFETY: `pair` is from `pair_of`.
    let slots = unsafe { slots_of(pair) };
    let tag = protocol::owner(word, &Heap, slots.slot_of(offset_of(block as usize)));
    let set = base.wrapping_add(usize::from(tag) * COUNTER_STRIDE_BYTES);
    // SAFETY: the base is this thread's set, and the owner's tag is below the number of tags.
    unsafe { count_small(set, pair, FREED, size) };
}

/// The bytes by which jemalloc finds the class of a layout that is not fast, if they are at most a page.
#[inline(always)]
fn padded(layout: Layout) -> Option<usize> {
    let (size, align) = (layout.size(), layout.align());
    // With size and alignment at most a page, so is the size rounded up to the alignment. The subtraction wraps for 0.
    if size.wrapping_sub(1) >= PAGE_BYTES || align > PAGE_BYTES {
        return None;
    }
    Some(if needs_no_flag(size, align) { size } else { (size + align - 1) & !(align - 1) })
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

/// Charges a block of any layout to `tag`; `None` is the current region.
fn charge(record: &ThreadRecord, counts: Counts, block: *mut u8, layout: Layout, tag: Option<u16>) {
    let shape = shape_of(layout);
    let tag = enter(block as usize, shape, tag.unwrap_or_else(|| record.region_tag() & !ISOLATED_BIT));
    count(counts, tag, shape, layout.size(), ALLOCATED);
}

/// Credits the owner of a block of any layout, and returns it. Pages of its own keep that owner as their last one.
fn credit(counts: Counts, block: *mut u8, layout: Layout) -> Owner {
    let shape = shape_of(layout);
    let owner = owner(block as usize, shape);
    if let Shape::Large { usable_bytes } = shape {
        leave_large(block as usize, usable_bytes, owner);
    }
    count(counts, owner.tag, shape, layout.size(), FREED);
    owner
}

/// Adds one block to what `tag` allocated or freed. Bytes last: see `totals::read_totals`.
#[inline(always)]
fn count(counts: Counts, tag: u16, shape: Shape, size: usize, side: usize) {
    if size == 0 {
        counts.add(tag, USED_WITHOUT_BYTES, 1);
    }
    match shape {
        Shape::Small { class } => counts.add(tag, SMALL_BLOCKS + 2 * class + side, 1),
        Shape::Large { usable_bytes } => {
            counts.add(tag, LARGE_BLOCKS + side, 1);
            counts.add(tag, LARGE_USABLE_BYTES + side, usable_bytes as u64);
        }
    }
    counts.add(tag, REQUESTED_BYTES + side, size as u64);
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
    with_record(|record| {
        // The bit is also in what a thread has that is not registered yet.
        if let Some(bytes) = padded(layout)
            && record.tag() & ISOLATED_BIT == 0
        {
            // SAFETY: by the caller, and the size is not 0.
            let block = unsafe { Jemalloc.alloc(layout) };
            // SAFETY: `padded` gives at most a page.
            let pair = unsafe { pair_of(bytes) };
            let word = pages::peek(block as usize);
            if word.low() == record.tag() {
                // SAFETY: a tag that a page carries means that the thread is registered and in that region.
                unsafe { count_small(record.counters(), pair, ALLOCATED, layout.size()) };
            } else {
                // SAFETY: jemalloc returned the block for this layout, whose class this is.
                unsafe { charge_slot(block, pair, layout.size(), word) };
            }
            return block;
        }
        if let Some(block) = own_arena(record, layout, false) {
            return block;
        }
        // SAFETY: by the caller, and the size is not 0.
        let block = unsafe { Jemalloc.alloc(at_least_a_byte(layout)) };
        if !block.is_null() {
            charge(record, threads::counts(record), block, layout, None);
        }
        block
    })
}

/// As `allocate_isolated`, for a thread that may not be registered yet.
#[inline]
fn own_arena(record: &ThreadRecord, layout: Layout, zeroed: bool) -> Option<*mut u8> {
    if record.region_tag() & ISOLATED_BIT == 0 {
        return None;
    }
    allocate_isolated(record, threads::counts(record), layout, zeroed)
}

/// `GlobalAlloc::alloc_zeroed` for every layout.
#[inline(never)]
pub(crate) unsafe fn alloc_zeroed_any(layout: Layout) -> *mut u8 {
    with_record(|record| {
        if let Some(block) = own_arena(record, layout, true) {
            return block;
        }
        // SAFETY: by the caller, and the size is not 0.
        let block = unsafe { Jemalloc.alloc_zeroed(at_least_a_byte(layout)) };
        if !block.is_null() {
            charge(record, threads::counts(record), block, layout, None);
        }
        block
    })
}

/// `GlobalAlloc::dealloc` for every layout.
#[inline(never)]
pub(crate) unsafe fn dealloc_any(block: *mut u8, layout: Layout) {
    if let Some(bytes) = padded(layout) {
        let base = with_record(ThreadRecord::base);
        let word = pages::peek(block as usize);
        if !base.is_null() && word.low() != 0 {
            // SAFETY: `padded` gives at most a page.
            let pair = unsafe { pair_of(bytes) };
            // SAFETY: by the caller, the block lives and was charged with this layout; the base is this thread's.
            unsafe { credit_slot(block, base, pair, layout.size(), word) };
            // SAFETY: by the caller, and the size is not 0.
            return unsafe { Jemalloc.dealloc(block, layout) };
        }
    }
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
        count(counts, tag, old_shape, layout.size(), FREED);
    });
    moved
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

/// Charges a block to the current region as `Ledger::alloc` would, without allocating it.
///
/// For callers that get blocks from jemalloc by other ways, and for signal handlers. Allocates nothing, takes no lock.
/// On a thread whose allocations the ledger has not seen yet it uses counters that all threads share.
///
/// # Safety
/// * `block` is a live block that jemalloc returned for `layout`, is not charged yet, and stays the caller's until
///   [`on_free`] has been called for it.
pub unsafe fn on_alloc(block: *mut u8, layout: Layout) {
    with_record(|record| charge(record, threads::counts_as_is(record), block, layout, None));
}

/// Credits the region that a block is charged to as `Ledger::dealloc` would, without freeing it.
///
/// # Safety
/// * `block` is live and was charged with `layout`, by the `Ledger` or by [`on_alloc`], and not credited since.
pub unsafe fn on_free(block: *mut u8, layout: Layout) {
    with_record(|record| credit(threads::counts_as_is(record), block, layout));
}

/// Charges a live block to the current region, whoever it was charged to; counts as a free and an allocation.
///
/// # Safety
/// * As for `Hooks::adopt`.
pub(crate) unsafe fn adopt(block: *mut u8, layout: Layout) -> Outcome {
    let address = block as usize;
    // A block that was charged has left a tag in the word of its page.
    if pages::page_word(address).is_virgin() {
        return Outcome::NotCharged;
    }
    let shape = shape_of(layout);
    let Owner { tag: before, isolated } = owner(address, shape);
    with_record(|record| {
        let tag = record.region_tag() & !ISOLATED_BIT;
        let root = |tag: u16| region_root(usize::from(tag) - 1);
        if root(tag) == root(before) {
            return Outcome::Kept;
        }
        if isolated {
            return Outcome::Isolated;
        }
        let counts = threads::counts(record);
        let now = enter(address, shape, tag);
        if now == before {
            return Outcome::Refused;
        }
        // Allocated before freed: in between both regions have it, rather than nobody.
        count(counts, now, shape, layout.size(), ALLOCATED);
        count(counts, before, shape, layout.size(), FREED);
        Outcome::Moved
    })
}

/// The index of the region that a live block is charged to. A few loads.
///
/// For a block that was never charged the answer is that of `~other`, or whatever its page says.
pub fn block_owner(block: *const u8, layout: Layout) -> usize {
    region_root(usize::from(owner(block as usize, shape_of(layout)).tag) - 1)
}
