//! The kernel refuses memory to the ledger while jemalloc still has some: nothing may fail, and the books must balance.
//!
//! The limit on address space is lowered to what the process has. jemalloc gets its memory before, by blocks that the
//! ledger does not see; it keeps their address space when they are freed.

use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Release};

use heapledger_alloc::{block_owner, table_use};
use heapledger_core::{Region, RegionId};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::books::Balance;
use crate::os::memory::{lift_address_space_limit, limit_address_space};
use crate::os::threads::Thread;

static A: Region = Region::new("a");
static B: Region = Region::new("b");
/// Has a block beside one of nobody's, once.
static C: Region = Region::new("c");

/// Gives jemalloc `COUNT` times `size` bytes of its own, behind the ledger. On the stack, because the ledger must not
/// see this thread allocate.
fn provide<const COUNT: usize>(size: usize) {
    let mut blocks = [const { None }; COUNT];
    for block in &mut blocks {
        *block = Some(Block::behind_the_ledger(layout(size, 16)).expect("there is memory before the limit"));
    }
}

/// The books of the regions that the probes use. Read first and printed last: while rows are refused, what printing
/// allocates may be charged to `a` or `b`.
#[derive(Clone, Copy)]
struct Books {
    a: Balance,
    b: Balance,
    other: Balance,
}

impl Books {
    fn read() -> Books {
        Books { a: Balance::of(*A), b: Balance::of(*B), other: Balance::of(RegionId::OTHER) }
    }

    fn json(self) -> Value {
        json!({ "a": self.a.json(), "b": self.b.json(), "other": self.other.json() })
    }
}

/// Everything that reading the books needs is in place once they were read, and there is one chunk of rows once a page
/// is of two regions.
fn prepare() -> u64 {
    let _ = (A.index(), B.index(), Books::read());
    drop([Block::new(8), C.scope(|| Block::new(8))]);
    table_use().refused_maps
}

/// Where the two threads of `new_thread` are; each waits for the other's next step.
static STEP: AtomicU32 = AtomicU32::new(0);

fn wait_for_step(step: u32) {
    while STEP.load(Acquire) != step {
        std::thread::yield_now();
    }
}

extern "C" fn hold_three_blocks(_: *mut libc::c_void) -> *mut libc::c_void {
    provide::<8>(1 << 20);
    provide::<1>(100);
    provide::<1>(5_000);
    STEP.store(1, Release);
    wait_for_step(2);
    let blocks = A.scope(|| [Block::new(100), Block::new(5_000), Block::new(100_000)]);
    STEP.store(3, Release);
    wait_for_step(4);
    drop(blocks);
    std::ptr::null_mut()
}

/// A thread's first block under the ledger comes when there is no memory for its counters.
pub(super) fn new_thread(_: &Options) -> Value {
    let refused_before = prepare();
    let thread = Thread::start(hold_three_blocks, 0);
    wait_for_step(1);
    limit_address_space(0);
    STEP.store(2, Release);
    wait_for_step(3);
    let held = Books::read();
    let refused_maps = table_use().refused_maps - refused_before;
    STEP.store(4, Release);
    thread.join();
    let passed = Books::read();
    lift_address_space_limit();
    let slots = table_use().thread_slots;
    std::thread::spawn(|| B.scope(|| drop(Block::new(100)))).join().expect("the thread ends well");
    let more_slots = table_use().thread_slots - slots;
    json!({
        "held": held.json(), "passed": passed.json(), "after": Books::read().json(),
        "refused_maps": refused_maps, "more_slots": more_slots,
    })
}

/// Blocks by turns in `a` and `b`, and whose each is.
struct Turns {
    blocks: Vec<Block>,
    owners: Vec<usize>,
}

/// How many blocks are whose, and how many are no longer whose they were.
#[derive(Clone, Copy)]
struct Owners {
    a: usize,
    b: usize,
    other: usize,
    changed: usize,
}

impl Owners {
    fn json(self) -> Value {
        json!({ "a": self.a, "b": self.b, "other": self.other, "changed": self.changed })
    }
}

fn owner_of(block: &Block) -> usize {
    block_owner(block.pointer(), block.layout())
}

impl Turns {
    fn with_capacity(count: usize) -> Turns {
        Turns { blocks: Vec::with_capacity(count), owners: Vec::with_capacity(count) }
    }

    fn add(&mut self, count: usize, size: usize) {
        for turn in 0..count {
            let region = if turn % 2 == 0 { *A } else { *B };
            let block = region.scope(|| Block::new(size));
            self.owners.push(owner_of(&block));
            self.blocks.push(block);
        }
    }

    fn count(&self) -> Owners {
        let of = |region: RegionId| self.owners.iter().filter(|&&owner| owner == region.index()).count();
        let changed = self.blocks.iter().zip(&self.owners).filter(|(block, owner)| owner_of(block) != **owner).count();
        Owners { a: of(*A), b: of(*B), other: of(RegionId::OTHER), changed }
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.owners.clear();
    }
}

/// Option `count`: so many blocks of 8 bytes, half of them in each region, until there is no memory for rows.
pub(super) fn rows(options: &Options) -> Value {
    let count = options.count("count");
    let mut turns = Turns::with_capacity(count);
    provide::<64>(1 << 20);
    let refused_before = prepare();
    limit_address_space(0);
    turns.add(count, 8);
    let (owners, held) = (turns.count(), Books::read());
    let refused_maps = table_use().refused_maps - refused_before;
    turns.clear();
    let passed = Books::read();
    lift_address_space_limit();
    let refused_so_far = table_use().refused_maps;
    turns.add(count, 8);
    let owners_after = turns.count();
    let refused_after = table_use().refused_maps - refused_so_far;
    turns.clear();
    json!({
        "owners": owners.json(), "held": held.json(), "passed": passed.json(), "refused_maps": refused_maps,
        "owners_after": owners_after.json(), "refused_after": refused_after, "end": Books::read().json(),
    })
}

/// Blocks lie in address space whose page words were refused.
pub(super) fn page_words(_: &Options) -> Value {
    const GIB: usize = 1 << 30;
    const SMALL: usize = 4_000;
    let mut turns = Turns::with_capacity(4 * SMALL);
    let refused_before = prepare();
    // At least two whole GiB that the ledger knows nothing of.
    provide::<1>(3 * GIB);
    // And what jemalloc needs to note where in there its blocks begin: a table for each GiB, and a record for each
    // block.
    provide::<48>(GIB / 16);
    provide::<8_000>(16 << 10);
    limit_address_space(0);
    let mut big = A.scope(|| Block::new(GIB));
    let big_owner = owner_of(&big);
    let held_big = Books::read();
    for size in [14_336, 48, 4_000] {
        turns.add(SMALL, size);
    }
    let (owners, held) = (turns.count(), Books::read());
    let refused_maps = table_use().refused_maps - refused_before;
    lift_address_space_limit();
    // There is memory again, but not for a GiB that was refused: its blocks' frees must find what their allocations
    // found.
    turns.add(SMALL, 48);
    let owners_after = turns.count();
    let moved = B.scope(|| big.resize(GIB / 2));
    let resized = Books::read();
    drop(big);
    turns.clear();
    json!({
        "big_is_others": big_owner == RegionId::OTHER.index(), "held_big": held_big.json(), "owners": owners.json(),
        "held": held.json(), "owners_after": owners_after.json(), "moved": moved, "resized": resized.json(),
        "refused_maps": refused_maps, "end": Books::read().json(),
    })
}

/// jemalloc itself gets no memory: the caller gets null, and nothing is counted.
pub(super) fn heap(_: &Options) -> Value {
    prepare();
    let mut block = A.scope(|| Block::new(1 << 20));
    block.fill(7);
    limit_address_space(0);
    let refused = A.scope(|| {
        let big = layout(1 << 30, 16);
        let resized = block.try_resize(1 << 30);
        Block::try_new(big).is_none() && Block::try_zeroed(big).is_none() && !resized
    });
    lift_address_space_limit();
    let held = Books::read();
    let intact = block.is_filled_with(7);
    drop(block);
    json!({ "refused": refused, "intact": intact, "held": held.json(), "passed": Books::read().json() })
}
