//! Charging and crediting a block that has a slot in its page, when its class and the page's word are known.

use core::sync::atomic::Ordering::{Relaxed, Release};

use heapledger_core::thread::{COUNTER_STRIDE_BYTES, ISOLATED_BIT, ThreadRecord, with_record};

use crate::classes::{PAIR_OF_EIGHTH, PLACE_OF_EIGHTH, SLOTS, Shape, Slots, eighth, slots_in_page};
use crate::counters::count_small;
use crate::marks::{enter_small, offset_of};
use crate::pages;
use crate::places::{ALLOCATED, FREED, Place};
use crate::protocol::{self, Rows};
use crate::rows::Heap;
use crate::threads::{self, REGISTERED};
use crate::words::Word;

/// Twice the size class of a size up to 4 KiB.
///
/// # Safety
/// * `size` is at most a page.
#[inline(always)]
pub(crate) unsafe fn pair_of(size: usize) -> u8 {
    // SAFETY: by the caller; the table has an entry for each eighth of a page.
    unsafe { *PAIR_OF_EIGHTH.get_unchecked(eighth(size)) }
}

/// Where blocks of a size up to 4 KiB are counted.
///
/// # Safety
/// * `size` is at most a page.
#[inline(always)]
pub(crate) unsafe fn place_of(size: usize) -> Place {
    // SAFETY: by the caller; the table has an entry for each eighth of a page.
    Place::unpacked(unsafe { *PLACE_OF_EIGHTH.get_unchecked(eighth(size)) })
}

/// What the mixed path needs of a class, by twice its number.
///
/// # Safety
/// * `pair` came from [`pair_of`].
#[inline(always)]
pub(crate) unsafe fn slots_of(pair: u8) -> &'static Slots {
    // PERF: a pair is even, so this is `pair / 2` entries; the compiler does not know that and would mask a bit.
    let place = SLOTS.as_ptr().cast::<u8>().wrapping_add(usize::from(pair) * (size_of::<Slots>() / 2));
    // SAFETY: by the caller `pair` is twice a class, so the place is that of the class's entry.
    unsafe { &*place.cast::<Slots>() }
}

/// As `charge_small`, for a block whose class may be larger than its size needs.
///
/// # Safety
/// * `pair` came from [`pair_of`], and `block` is null or what jemalloc returned, in a slab of that class, for `size` bytes.
/// * `tag` is the one in this thread's record.
#[inline(always)]
pub(crate) unsafe fn charge_slot(block: *mut u8, pair: u8, size: usize, word: Word, tag: u16) {
    let (region, mixed) = with_record(|record| (record.counters(), record.mixed()));
    if word.low() != mixed | u16::from(pair) {
        return charge_cold(block, pair, size);
    }
    // SAFETY: `pair` is from `pair_of`.
    let slots = unsafe { slots_of(pair) };
    // PERF: counted first, or there is a register too few.
    // SAFETY: the thread is registered, so these are its own counters of the current region.
    unsafe { count_small(region, slots.place, ALLOCATED, size) };
    let offset = offset_of(block as usize) as u32;
    let (row, slot) = (word.mixed_row(), slots.slot_of(offset));
    // Release, as in `protocol::own`.
    Heap.entry(row, slot).store(tag, Release);
    // The last slot of a page is the last to be handed out of a fresh slab: a good moment to look whether the whole
    // page has become ours. Its neighbour tells most pages that have not.
    if offset >= slots.last_offset && (slot == 0 || Heap.entry(row, slot - 1).load(Relaxed) == tag) {
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
            counts.count(tag, Shape::Small { class }, size, ALLOCATED);
        });
    }
}

/// The tag of the region that a small block is charged to, as the word of its page says.
///
/// # Safety
/// * `pair` came from [`pair_of`]; the block lives in a slab of that class.
#[inline(always)]
pub(crate) unsafe fn owner_of(block: *mut u8, pair: u8, word: Word) -> u16 {
    // SAFETY: `pair` is from `pair_of`.
    let slots = unsafe { slots_of(pair) };
    protocol::owner(word, &Heap, slots.slot_of(offset_of(block as usize) as u32))
}

/// Credits a region with a small block.
///
/// # Safety
/// * `base` is the thread's own set, and `tag` a region's.
#[inline(always)]
pub(crate) unsafe fn credit(base: *mut u8, tag: usize, place: Place, size: usize) {
    let region = base.wrapping_add(tag * COUNTER_STRIDE_BYTES);
    // SAFETY: by the caller.
    unsafe { count_small(region, place, FREED, size) };
}
