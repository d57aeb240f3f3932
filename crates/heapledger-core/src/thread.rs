//! The one record per thread: what the allocator compares, and which counters it adds to.
//!
//! Written by guards (this crate) and by registration and teardown (`heapledger-alloc`); read on every allocation. Only
//! its own thread and that thread's signal handlers touch it, so every access is `Relaxed`: a thread always sees its
//! own writes in order, and a handler is ordered by the compiler fences in `guard.rs`.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

/// How many regions a process can name, the three of ours (`~untagged`, `~other`, `~ledger`) included.
///
/// Bounded by address space: each thread maps twice [`COUNTER_STRIDE_BYTES`] per region and touches only those it uses.
pub const MAX_REGIONS: usize = 4608;

/// From the counters of one region to those of the next, in each of the two parts of a thread's set.
pub const COUNTER_STRIDE_BYTES: usize = 368;

/// A tag that no page carries: while a thread has it, each of its operations takes the slow path.
pub const TAG_NEVER: u16 = 0x7fff;

/// Or-ed with twice a size class this is what the word of a mixed page with a row of that class looks like (its low 16
/// bits), while the thread is registered; otherwise the record holds a value that no word has.
pub const MIXED_BIT: u16 = 0x8000;
/// Or-ed into the tag of an isolated region on the guard stack, and so into the record's: no page carries it, so each
/// operation of the thread takes the slow path, and an allocator that isolates can see it before it allocates.
pub const ISOLATED_BIT: u16 = 0x2000;
const _: () = assert!(MAX_REGIONS < ISOLATED_BIT as usize - 1 && TAG_NEVER & ISOLATED_BIT != 0);

/// In place of [`MIXED_BIT`] while the thread is not registered, or in an isolated region. With bit 15 clear it is no
/// mixed page's, and with the others set no tag's, whatever bit 14 says of the page.
pub const MIXED_NEVER: u16 = 0x7f00;
const _: () = assert!(MAX_REGIONS < MIXED_NEVER as usize & 0x3fff);

/// Guards nested deeper than this keep their predecessor themselves (see `guard.rs`).
pub(crate) const STACK_ENTRIES: usize = 64;

/// An entry of the guard stack whose guard was dropped while others lay on top of it. With the bit of an isolated region,
/// so that one test tells leaving a guard that there is more to do.
pub(crate) const TOMBSTONE: u16 = ISOLATED_BIT;

/// The tag of `~untagged`, which is in force outside every guard.
pub(crate) const TAG_UNTAGGED: u16 = 1;

/// Whether the allocator knows this thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum State {
    /// No allocation of this thread has been seen.
    New = 0,
    /// The thread has counters of its own.
    Registered = 1,
    /// The thread is being torn down, or its counters could not be mapped: it uses the shared ones.
    Shared = 2,
}

/// What the record of a thread in an ordinary region has of it. In words of 32 bits, which need no widening.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    tag: u32,
    /// From a thread's counters of tag 0 to those of this one.
    counters_at_bytes: u32,
}

impl Plain {
    #[inline(always)]
    pub(crate) const fn of(index: u16) -> Plain {
        Plain::of_tag(index + 1)
    }

    #[inline(always)]
    pub(crate) const fn of_tag(tag: u16) -> Plain {
        Plain { tag: tag as u32, counters_at_bytes: tag as u32 * COUNTER_STRIDE_BYTES as u32 }
    }

    #[inline(always)]
    pub(crate) const fn tag(self) -> u16 {
        self.tag as u16
    }
}

/// How deep a thread is in guards, and in which epoch: those before a `reset_thread` are of another one. One word, so that
/// one compare tells whether a guard is on top.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place(u64);

impl Place {
    /// Depth in the lower half, the epoch in the 16 bits above it, and above those, in guards deeper than the stack
    /// only, a tag.
    const EPOCH_SHIFT: u32 = 32;
    const BELOW_SHIFT: u32 = 48;

    #[inline(always)]
    pub(crate) fn depth(self) -> usize {
        self.0 as u32 as usize
    }

    pub(crate) fn epoch(self) -> u16 {
        (self.0 >> Self::EPOCH_SHIFT) as u16
    }

    /// The tag that `over` was given.
    pub(crate) fn below(self) -> u16 {
        (self.0 >> Self::BELOW_SHIFT) as u16
    }

    /// One guard further. Depth has room for more guards than anybody can leak.
    #[inline(always)]
    pub(crate) fn above(self) -> Place {
        Place(self.0.wrapping_add(1))
    }

    /// Another depth in the same epoch.
    pub(crate) fn at(self, depth: usize) -> Place {
        Place((self.0 & !u64::from(u32::MAX)) | depth as u64)
    }

    /// The same place with a tag, which must not be 0.
    pub(crate) fn over(self, below: u16) -> Place {
        Place(self.0 | u64::from(below) << Self::BELOW_SHIFT)
    }

    /// Outside every guard, in an epoch of its own.
    pub(crate) fn next_epoch(self) -> Place {
        Place(u64::from(self.epoch().wrapping_add(1)) << Self::EPOCH_SHIFT)
    }
}

/// The record. `tag` and `counters` come first: they are what the fast path reads.
#[repr(C)]
pub struct ThreadRecord {
    tag: AtomicU16,
    /// 0 while the thread is registered and its region is not isolated; [`ISOLATED_BIT`] while it is, and [`TAG_NEVER`]
    /// while the thread is not registered. One test tells entering and leaving that there is more to do.
    gate: AtomicU16,
    mixed: AtomicU16,
    counters: AtomicPtr<u8>,
    base: AtomicPtr<u8>,
    place: AtomicU64,
    state: AtomicU8,
    pub(crate) deep_tag: AtomicU16,
    pub(crate) deep_live: AtomicU32,
    /// The tag in force at each depth; at depth 0 that of `~untagged`.
    pub(crate) stack: [AtomicU16; STACK_ENTRIES + 1],
}

impl ThreadRecord {
    const fn new() -> Self {
        let mut stack = [const { AtomicU16::new(TOMBSTONE) }; STACK_ENTRIES + 1];
        stack[0] = AtomicU16::new(TAG_UNTAGGED);
        ThreadRecord {
            tag: AtomicU16::new(TAG_NEVER),
            gate: AtomicU16::new(TAG_NEVER),
            mixed: AtomicU16::new(MIXED_NEVER),
            counters: AtomicPtr::new(core::ptr::null_mut()),
            base: AtomicPtr::new(core::ptr::null_mut()),
            place: AtomicU64::new(0),
            state: AtomicU8::new(State::New as u8),
            deep_tag: AtomicU16::new(TAG_UNTAGGED),
            deep_live: AtomicU32::new(0),
            stack,
        }
    }

    /// The tag that pages of the current region carry, or [`TAG_NEVER`].
    #[inline(always)]
    pub fn tag(&self) -> u16 {
        self.tag.load(Relaxed)
    }

    /// [`MIXED_BIT`] while the thread is registered.
    #[inline(always)]
    pub fn mixed(&self) -> u16 {
        self.mixed.load(Relaxed)
    }

    /// This thread's counters of the current region; meaningful only while `tag()` is not [`TAG_NEVER`].
    #[inline(always)]
    pub fn counters(&self) -> *mut u8 {
        self.counters.load(Relaxed)
    }

    /// This thread's counters of the region with tag 0; null while it has none of its own.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base.load(Relaxed)
    }

    /// Whether the allocator knows this thread.
    #[inline]
    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => State::New,
            1 => State::Registered,
            _ => State::Shared,
        }
    }

    /// The tag of the region in force, whether or not the thread is registered; with [`ISOLATED_BIT`] if it is
    /// isolated.
    #[inline]
    pub fn region_tag(&self) -> u16 {
        self.stack.get(self.place().depth()).unwrap_or(&self.deep_tag).load(Relaxed)
    }

    #[inline(always)]
    pub(crate) fn place(&self) -> Place {
        Place(self.place.load(Relaxed))
    }

    #[inline(always)]
    pub(crate) fn go_to(&self, place: Place) {
        self.place.store(place.0, Relaxed);
    }

    /// Whether the thread is registered, and in an ordinary region.
    #[inline(always)]
    pub(crate) fn is_ordinary(&self) -> bool {
        self.gate.load(Relaxed) == 0
    }

    /// Whether `tag` is an ordinary region's, and so is the one in force, of a registered thread.
    #[inline(always)]
    pub(crate) fn is_plain(&self, tag: u16) -> bool {
        (tag | self.gate.load(Relaxed)) & ISOLATED_BIT == 0
    }

    /// As `apply`, of a region and on a thread that `is_plain` or `is_ordinary` speaks for. Two stores: the allocator reads nothing else.
    #[inline(always)]
    pub(crate) fn apply_plain(&self, region: Plain) {
        let counters = self.base.load(Relaxed).wrapping_add(region.counters_at_bytes as usize);
        self.counters.store(counters, Relaxed);
        self.tag.store(region.tag(), Relaxed);
    }

    /// See `apply`.
    fn set_any(&self, tag: u16) {
        let plain = tag & !ISOLATED_BIT;
        let registered = self.gate.load(Relaxed) != TAG_NEVER;
        if registered {
            // So that whatever comes next comes here.
            self.gate.store(tag & ISOLATED_BIT, Relaxed);
        } else {
            // Nobody finds this thread's stack, so the id must never be another region's.
            crate::ids::keep(usize::from(plain) - 1);
        }
        // Mixed pages are left to the slow path too while the region is isolated.
        let mixed = if registered && plain == tag { MIXED_BIT } else { MIXED_NEVER };
        let counters = self.base.load(Relaxed).wrapping_add(plain as usize * COUNTER_STRIDE_BYTES);
        self.mixed.store(MIXED_NEVER, Relaxed);
        self.counters.store(counters, Relaxed);
        self.tag.store(if registered { tag } else { TAG_NEVER }, Relaxed);
        self.mixed.store(mixed, Relaxed);
    }

    /// Names every tag on the guard stack, and the one in force; `false` if deeper guards keep some to themselves. May
    /// be called by another thread, which has had a barrier run on this one.
    pub fn each_tag(&self, each: &mut dyn FnMut(u16)) -> bool {
        // Relaxed: the barrier makes what matters visible, and what comes later finds the id gone.
        let depth = self.place().depth();
        for entry in self.stack.iter().skip(1).take(depth) {
            match entry.load(Relaxed) {
                TOMBSTONE => {}
                tag => each(tag & !ISOLATED_BIT),
            }
        }
        let tag = self.tag.load(Relaxed);
        if tag != TAG_NEVER {
            each(tag & !ISOLATED_BIT);
        }
        depth <= STACK_ENTRIES
    }

    /// Gives the thread counters of its own. Called by the allocator, on the thread itself.
    pub fn attach(&self, base: *mut u8) {
        self.base.store(base, Relaxed);
        // Anything but `TAG_NEVER`; `set_any` sets it right.
        self.gate.store(ISOLATED_BIT, Relaxed);
        self.state.store(State::Registered as u8, Relaxed);
        self.set_any(self.region_tag());
    }

    /// Takes the thread's counters away; from now on every operation takes the slow path, which uses the shared ones if
    /// `state` is [`State::Shared`], or registers the thread if it is [`State::New`]. Called by the allocator.
    pub fn detach(&self, state: State) {
        self.tag.store(TAG_NEVER, Relaxed);
        self.gate.store(TAG_NEVER, Relaxed);
        self.mixed.store(MIXED_NEVER, Relaxed);
        self.state.store(state as u8, Relaxed);
        self.base.store(core::ptr::null_mut(), Relaxed);
    }
}

std::thread_local! {
    // A constant without Drop: access is one offset from the thread pointer, and works in every phase of teardown.
    static RECORD: ThreadRecord = const { ThreadRecord::new() };
}

/// Puts the region with `tag` in force on this thread, whatever region and thread it is.
#[cold]
#[inline(never)]
pub(crate) fn apply(tag: u16) {
    with_record(|record| record.set_any(tag));
}

/// Runs `f` on the calling thread's record.
#[inline(always)]
pub fn with_record<R>(f: impl FnOnce(&ThreadRecord) -> R) -> R {
    // PERF: `with` is not marked `inline`, so a program without link-time optimisation would call it for each block;
    // `try_with` is. It cannot fail: what has no Drop is never torn down, and nothing of the failure is compiled.
    RECORD.try_with(f).unwrap_or_else(|_| unreachable!())
}

const UNKNOWN: u8 = 0;
const ABSENT: u8 = 1;
const PRESENT: u8 = 2;

/// Monotonic but for ABSENT → PRESENT, and a guess of ABSENT only costs tags, never a wrong balance.
static INSTALLED: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Called by the allocator when it is first used as the program's allocator.
pub fn mark_installed() {
    if INSTALLED.load(Relaxed) != PRESENT {
        INSTALLED.store(PRESENT, Release);
    }
}

/// Whether a `heapledger::Ledger` is this program's global allocator.
///
/// The first call makes one allocation to find out; later calls are a load. `false` means that regions are no-ops and
/// that every figure of the ledger is unknown: declare `#[global_allocator] static LEDGER: heapledger::Ledger =
/// heapledger::Ledger::new();` in the program.
#[inline]
pub fn is_installed() -> bool {
    match INSTALLED.load(Acquire) {
        PRESENT => true,
        ABSENT => false,
        _ => probe(),
    }
}

#[cold]
fn probe() -> bool {
    drop(core::hint::black_box(Box::new(core::hint::black_box(0_u8))));
    // Only UNKNOWN gives way to ABSENT: if the probe, or another thread, reached a Ledger, PRESENT stays.
    INSTALLED.compare_exchange(UNKNOWN, ABSENT, Relaxed, Acquire).unwrap_or_else(|seen| seen) == PRESENT
}
