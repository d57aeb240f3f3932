//! Counters: one set per thread slot, with one writer; and one shared set, with atomic additions, for everybody else.
//!
//! Words only grow, and wrap; the next thread of a slot goes on from their values. Where each lies is said in `places.rs`;
//! who reads them is `totals.rs`.

use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};

use heapledger_core::thread::{COUNTER_STRIDE_BYTES, ThreadRecord};

use crate::classes::{PAGE_BYTES, SMALL_CLASSES, Shape};
use crate::maps::Fresh;
use crate::places::{
    LARGE_BLOCKS, LARGE_USABLE_BYTES, NEAR_CLASSES, Place, REQUESTED_BYTES, SET_WORDS, STRIDE_WORDS, TAGS,
    USED_WITHOUT_BYTES, small_blocks,
};

type Set = [AtomicU64; SET_WORDS];
const SET_BYTES: usize = size_of::<Set>().next_multiple_of(PAGE_BYTES);

/// Used by threads that have no slot: unregistered, in teardown, or refused one. Every writer adds atomically.
static SHARED: Set = [const { AtomicU64::new(0) }; SET_WORDS];

/// The counters of one tag in one set.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    set: &'a Set,
    first: usize,
}

impl Words<'_> {
    fn of(set: &Set, tag: usize) -> Words<'_> {
        debug_assert!(tag < TAGS);
        Words { set, first: tag * STRIDE_WORDS }
    }

    /// A word of `places.rs`.
    #[inline(always)]
    fn at(&self, word: usize) -> &AtomicU64 {
        &self.set[self.first + word]
    }

    /// The pairs that count blocks of small classes, of the near ones and of the others.
    #[inline(always)]
    pub(crate) fn small_blocks(&self) -> [&[[AtomicU64; 2]]; 2] {
        [0..NEAR_CLASSES, NEAR_CLASSES..SMALL_CLASSES].map(|classes| {
            let from = self.first + small_blocks(classes.start);
            self.set[from..from + 2 * classes.len()].as_chunks().0
        })
    }

    /// Its value now.
    #[inline(always)]
    pub(crate) fn read(&self, word: usize) -> u64 {
        // Relaxed: readers order their passes by fences (`totals.rs`).
        self.at(word).load(Relaxed)
    }
}

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
const WORD_BYTES: usize = size_of::<AtomicU64>();

/// A list that only grows at its head.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(null_mut());
static SLOT_COUNT: AtomicUsize = AtomicUsize::new(0);

/// A thread's set.
///
/// # Safety
/// * `base` came from `take_slot`.
#[inline(always)]
unsafe fn set_at<'a>(base: *mut u8) -> &'a Set {
    // SAFETY: sets are mapped, zeroed, aligned to a page and never unmapped.
    unsafe { &*base.cast::<Set>() }
}

/// A counter of one tag in a mapped set.
///
/// # Safety
/// * `region` is the start of the tag's near part in a mapped set, and `bytes` what `places.rs` has for the counter.
#[inline(always)]
unsafe fn of_region<'a>(region: *mut u8, bytes: usize) -> &'a AtomicU64 {
    // SAFETY: by the caller, the word lies inside the set.
    let place = unsafe { region.add(bytes) };
    // SAFETY: sets are mapped, zeroed, aligned to a page and never unmapped; all in `places.rs` are whole words.
    unsafe { &*place.cast::<AtomicU64>() }
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
/// * `region` is the thread's own counters of the region; `side` is `ALLOCATED` or `FREED`.
#[inline(always)]
pub(crate) unsafe fn count_small(region: *mut u8, place: Place, side: usize, size: usize) {
    // SAFETY: by the caller, and each `Place` is a pair's.
    let blocks = unsafe { of_region(region, place.bytes() + side * WORD_BYTES) };
    add_own(blocks, 1);
    // SAFETY: by the caller.
    let bytes = unsafe { of_region(region, (REQUESTED_BYTES + side) * WORD_BYTES) };
    add_own(bytes, size as u64);
}

/// Counts one large block.
///
/// # Safety
/// * `region` is the calling thread's own counters of a region; `side` is `ALLOCATED` or `FREED`.
#[inline(always)]
pub(crate) unsafe fn count_large(region: *mut u8, side: usize, size: usize, usable_bytes: usize) {
    // Requested bytes last: see `totals::read_totals`.
    for (pair, n) in [(LARGE_BLOCKS, 1), (LARGE_USABLE_BYTES, usable_bytes), (REQUESTED_BYTES, size)] {
        // SAFETY: by the caller; each is the number of a pair.
        add_own(unsafe { of_region(region, (pair + side) * WORD_BYTES) }, n as u64);
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
            Words::of(&SHARED, usize::from(tag)).at(word).fetch_add(n, Release);
        } else {
            // SAFETY: by `of`, the set is this thread's.
            let set = unsafe { set_at(self.base) };
            add_own(Words::of(set, usize::from(tag)).at(word), n);
        }
    }

    /// Adds one block to what `tag` allocated or freed. Bytes last: see `totals::read_totals`.
    #[inline(always)]
    pub(crate) fn count(self, tag: u16, shape: Shape, size: usize, side: usize) {
        if size == 0 {
            self.add(tag, USED_WITHOUT_BYTES, 1);
        }
        match shape {
            Shape::Small { class } => self.add(tag, small_blocks(class) + side, 1),
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
pub(crate) fn for_each_set(regions: Range<usize>, mut each: impl FnMut(usize, Words<'_>)) {
    for region in regions.clone() {
        each(region, Words::of(&SHARED, region + 1));
    }
    for slot in Slots::new() {
        // SAFETY: a slot is the start of its set.
        let set = unsafe { set_at(core::ptr::from_ref(slot).cast_mut().cast()) };
        for region in regions.clone() {
            each(region, Words::of(set, region + 1));
        }
    }
}

/// Calls `each` with the near parts of these regions in every set, one after the other.
#[inline]
pub(crate) fn for_each_near(regions: Range<usize>, mut each: impl FnMut(&[[AtomicU64; STRIDE_WORDS]])) {
    let words = (regions.start + 1) * STRIDE_WORDS..(regions.end + 1) * STRIDE_WORDS;
    each(SHARED[words.clone()].as_chunks().0);
    for slot in Slots::new() {
        // SAFETY: a slot is the start of its set.
        let set = unsafe { set_at(core::ptr::from_ref(slot).cast_mut().cast()) };
        each(set[words.clone()].as_chunks().0);
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
