//! Counters: one set per thread slot, with one writer; and one shared set, with atomic additions, for everybody else.
//!
//! A set has [`COUNTER_STRIDE_BYTES`] per tag: pairs of words, first what was allocated, then what was freed. Words
//! only grow, and wrap; the next thread of a slot goes on from their values. Who reads them is `totals.rs`.

use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};

use heapledger_core::MAX_REGIONS;
use heapledger_core::thread::{COUNTER_STRIDE_BYTES, ThreadRecord};

use crate::classes::{PAGE_BYTES, SMALL_CLASSES, Shape};
use crate::maps::Fresh;

/// Index of a pair of words within a region's counters.
pub(crate) const REQUESTED_BYTES: usize = 0;
pub(crate) const LARGE_BLOCKS: usize = 2;
pub(crate) const LARGE_USABLE_BYTES: usize = 4;
/// Not a pair: set by operations that request no bytes, so that a reader can skip what was never used.
pub(crate) const USED_WITHOUT_BYTES: usize = 6;
/// The pair of class `c` is at `SMALL_BLOCKS + 2 * c`.
pub(crate) const SMALL_BLOCKS: usize = 8;
/// Which word of a pair.
pub(crate) const ALLOCATED: usize = 0;
pub(crate) const FREED: usize = 1;
pub(crate) const WORDS: usize = SMALL_BLOCKS + 2 * SMALL_CLASSES;
const _: () = assert!(WORDS * size_of::<AtomicU64>() == COUNTER_STRIDE_BYTES);

/// Tags are indices plus one; the entry of tag 0 of a slot holds its header.
pub(crate) const TAGS: usize = MAX_REGIONS + 1;
const SET_BYTES: usize = (TAGS * COUNTER_STRIDE_BYTES).next_multiple_of(PAGE_BYTES);

/// The counters of one region in one set.
pub(crate) type Words = [AtomicU64; WORDS];

/// Used by threads that have no slot: unregistered, in teardown, or refused one. Every writer adds atomically.
static SHARED: [Words; TAGS] = [const { [const { AtomicU64::new(0) }; WORDS] }; TAGS];

/// The head of a thread's set.
#[repr(C)]
pub(crate) struct Slot {
    next: AtomicPtr<Slot>,
    taken: AtomicBool,
    /// The record of the thread that has the slot; null while it has none, or ends.
    record: AtomicPtr<ThreadRecord>,
    /// Somebody reads that record: it must not go.
    read: AtomicBool,
}
const _: () = assert!(size_of::<Slot>() <= COUNTER_STRIDE_BYTES);

/// A list that only grows at its head.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(null_mut());
static SLOT_COUNT: AtomicUsize = AtomicUsize::new(0);

/// The counters of one tag in a thread's set.
///
/// # Safety
/// * `base` came from `take_slot`, and `tag` is below [`TAGS`].
#[inline(always)]
unsafe fn words<'a>(base: *mut u8, tag: usize) -> &'a Words {
    debug_assert!(tag < TAGS);
    // SAFETY: by the caller, the offset lies inside the set.
    let place = unsafe { base.add(tag * COUNTER_STRIDE_BYTES) };
    // SAFETY: sets are mapped, zeroed, aligned to a page and never unmapped.
    unsafe { &*place.cast::<Words>() }
}

/// A counter of a region's set.
///
/// # Safety
/// * `set` is the start of the counters of one tag in a mapped set, and `word` is below [`WORDS`].
#[inline(always)]
unsafe fn of_region<'a>(set: *mut u8, word: usize) -> &'a AtomicU64 {
    // SAFETY: by the caller, the word lies inside the region's counters.
    let place = unsafe { set.cast::<AtomicU64>().add(word) };
    // SAFETY: sets are mapped, zeroed, aligned to a page and never unmapped.
    unsafe { &*place }
}

/// Adds to a word that only this thread writes; one unlocked addition to memory on x86.
#[inline(always)]
fn add_own(word: &AtomicU64, n: u64) {
    // Release: whoever sees a freed word's new value sees the allocation's, which this thread had seen or written. On
    // x86 it is the same instruction as Relaxed.
    word.store(word.load(Relaxed).wrapping_add(n), Release);
}

/// Counts one small block of this thread's current region.
///
/// # Safety
/// * `set` is the thread's own counters of the region; `pair` is twice a class; `side` is `ALLOCATED` or `FREED`.
#[inline(always)]
pub(crate) unsafe fn count_small(set: *mut u8, pair: u8, side: usize, size: usize) {
    // SAFETY: by the caller; `pair + side` is at most 71.
    let blocks = unsafe { of_region(set, SMALL_BLOCKS + usize::from(pair) + side) };
    add_own(blocks, 1);
    // SAFETY: by the caller.
    let bytes = unsafe { of_region(set, REQUESTED_BYTES + side) };
    add_own(bytes, size as u64);
}

/// Counts one large block.
///
/// # Safety
/// * `set` is the calling thread's own counters of a region; `side` is `ALLOCATED` or `FREED`.
#[inline(always)]
pub(crate) unsafe fn count_large(set: *mut u8, side: usize, size: usize, usable_bytes: usize) {
    // Requested bytes last: see `totals::read_totals`.
    for (pair, n) in [(LARGE_BLOCKS, 1), (LARGE_USABLE_BYTES, usable_bytes), (REQUESTED_BYTES, size)] {
        // SAFETY: by the caller; each is the number of a pair.
        add_own(unsafe { of_region(set, pair + side) }, n as u64);
    }
}

/// Where an operation of the slow path counts.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Null for the shared set.
    base: *mut u8,
}

impl Counts {
    /// # Safety
    /// * `base` is null, or the calling thread's own set.
    pub(crate) unsafe fn of(base: *mut u8) -> Counts {
        Counts { base }
    }

    /// Adds `n` to a word of the region with `tag`.
    #[inline(always)]
    pub(crate) fn add(self, tag: u16, word: usize, n: u64) {
        if self.base.is_null() {
            // Release, for the same reason as in `add_own`; atomic, because many threads share these words.
            SHARED[usize::from(tag)][word].fetch_add(n, Release);
        } else {
            // SAFETY: by `of`, the set is this thread's; tags are made by this crate, below the bound.
            let words = unsafe { words(self.base, usize::from(tag)) };
            add_own(&words[word], n);
        }
    }

    /// Adds one block to what `tag` allocated or freed. Bytes last: see `totals::read_totals`.
    #[inline(always)]
    pub(crate) fn count(self, tag: u16, shape: Shape, size: usize, side: usize) {
        if size == 0 {
            self.add(tag, USED_WITHOUT_BYTES, 1);
        }
        match shape {
            Shape::Small { class } => self.add(tag, SMALL_BLOCKS + 2 * class + side, 1),
            Shape::Large { usable_bytes } => {
                self.add(tag, LARGE_BLOCKS + side, 1);
                self.add(tag, LARGE_USABLE_BYTES + side, usable_bytes as u64);
            }
        }
        self.add(tag, REQUESTED_BYTES + side, size as u64);
    }
}

/// Lets others find the record of the thread that has a slot.
///
/// # Safety
/// * `base` came from `take_slot`, on this thread.
pub(crate) unsafe fn show_record(base: *mut u8, record: &ThreadRecord) {
    // SAFETY: slots are never unmapped.
    let slot = unsafe { &*base.cast::<Slot>() };
    slot.record.store(core::ptr::from_ref(record).cast_mut(), SeqCst);
}

/// Takes the record out of sight, and waits until nobody reads it: for some hundred loads at most, unless the reader is
/// not running. In a forked child nobody reads.
///
/// # Safety
/// * As for `show_record`.
pub(crate) unsafe fn hide_record(base: *mut u8) {
    // SAFETY: slots are never unmapped.
    let slot = unsafe { &*base.cast::<Slot>() };
    // SeqCst, as in `each_record`: it finds no record, or we find that it reads.
    slot.record.store(null_mut(), SeqCst);
    while slot.read.load(SeqCst) {
        std::thread::yield_now();
    }
}

/// Calls `each` with the record of every registered thread until it returns false. One caller at a time.
pub(crate) fn each_record(mut each: impl FnMut(&ThreadRecord) -> bool) -> bool {
    Slots::new().all(|slot| {
        slot.read.store(true, SeqCst);
        // SAFETY: the record is null, or that of a thread that does not end before `read` is false again.
        let record = unsafe { slot.record.load(SeqCst).as_ref() };
        let go_on = record.is_none_or(&mut each);
        slot.read.store(false, SeqCst);
        go_on
    })
}

/// Takes a free slot, or maps a new one; null when memory was refused. The result is the thread's until `release`.
pub(crate) fn take_slot() -> *mut u8 {
    for slot in Slots::new() {
        // Acquire pairs with `release`: the new owner goes on from the last one's values.
        if !slot.taken.load(Relaxed) && slot.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok() {
            return core::ptr::from_ref(slot).cast_mut().cast();
        }
    }
    let Some(fresh) = Fresh::map(SET_BYTES, PAGE_BYTES) else { return null_mut() };
    let raw = fresh.address() as *mut Slot;
    fresh.keep();
    SLOT_COUNT.fetch_add(1, Relaxed);
    // SAFETY: the set was mapped just now; zeroes are a valid header, and the set is never unmapped.
    let slot = unsafe { &*raw };
    slot.taken.store(true, Relaxed);
    let mut head = SLOTS.load(Relaxed);
    loop {
        slot.next.store(head, Relaxed);
        // Release: who finds the slot in the list sees its header.
        match SLOTS.compare_exchange_weak(head, raw, AcqRel, Relaxed) {
            Ok(_) => return raw.cast(),
            Err(now) => head = now,
        }
    }
}

/// Gives a slot back, with its values.
///
/// # Safety
/// * `base` came from `take_slot`, and the caller no longer counts there.
pub(crate) unsafe fn release_slot(base: *mut u8) {
    // SAFETY: slots are never unmapped.
    let slot = unsafe { &*base.cast::<Slot>() };
    slot.taken.store(false, Release);
}

/// In a forked child: gives back the slots of the threads that did not come along. Their values stay summed.
pub(crate) fn release_all_but(base: *mut u8) {
    for slot in Slots::new() {
        slot.read.store(false, Relaxed);
        if !core::ptr::eq(slot, base.cast::<Slot>()) {
            slot.record.store(null_mut(), Relaxed);
            slot.taken.store(false, Relaxed);
        }
    }
}

struct Slots(*const Slot);

impl Slots {
    fn new() -> Slots {
        // Acquire: who finds a slot sees its header.
        Slots(SLOTS.load(Acquire))
    }
}

impl Iterator for Slots {
    type Item = &'static Slot;

    fn next(&mut self) -> Option<&'static Slot> {
        // SAFETY: the pointer is null or a slot, and slots are never unmapped.
        let slot = unsafe { self.0.as_ref() }?;
        self.0 = slot.next.load(Relaxed);
        Some(slot)
    }
}

/// Calls `each` with the counters of these regions in every set.
#[inline]
pub(crate) fn for_each_set(regions: Range<usize>, mut each: impl FnMut(usize, &Words)) {
    for region in regions.clone() {
        each(region, &SHARED[region + 1]);
    }
    for slot in Slots::new() {
        let base: *mut u8 = core::ptr::from_ref(slot).cast_mut().cast();
        for region in regions.clone() {
            // SAFETY: a slot is the start of its set, and `region + 1` is a tag below TAGS.
            each(region, unsafe { words(base, region + 1) });
        }
    }
}

pub(crate) fn mapped_bytes() -> usize {
    slots() * SET_BYTES
}

pub(crate) fn slots() -> usize {
    SLOT_COUNT.load(Relaxed)
}

pub(crate) fn shared_range() -> (usize, usize) {
    (SHARED.as_ptr() as usize, size_of_val(&SHARED))
}
