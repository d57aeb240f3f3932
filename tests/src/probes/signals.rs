//! A profiler's signal, a thousand times a second, whose handler uses the ledger.
//!
//! Options: `signals`, how many must have been handled; `threads`, how many threads are interrupted. The handler enters
//! and leaves regions, and charges and credits blocks that were prepared before; it allocates nothing, because malloc
//! in a handler is undefined. Meanwhile each thread allocates, frees and switches regions.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use heapledger_alloc::{on_alloc, on_free};
use heapledger_core::{Region, RegionId, current};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::books::Balance;
use crate::os::signals::{Timer, handle};
use crate::os::threads::Thread;
use crate::random::Random;

/// 1 kHz.
const PERIOD_NS: i64 = 1_000_000;

/// For threads that live shortly: long enough that handling the signals is not all that they do.
const SHORT_PERIOD_NS: i64 = 40_000;

/// The handler's regions are those of the threads, so that both add to the same words.
static REGIONS: [Region; 4] =
    [Region::new("signal/0"), Region::new("signal/1"), Region::new("signal/2"), Region::new("signal/3")];

/// What was done in a region, by the count of those who did it: blocks and requested bytes.
#[derive(Default)]
struct Done {
    blocks: AtomicU64,
    bytes: AtomicU64,
}

impl Done {
    const fn new() -> Done {
        Done { blocks: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    fn count(&self, size: usize) {
        self.blocks.fetch_add(1, SeqCst);
        self.bytes.fetch_add(size as u64, SeqCst);
    }
}

static ALLOCATED: [Done; REGIONS.len()] = [const { Done::new() }; REGIONS.len()];
static FREED: [Done; REGIONS.len()] = [const { Done::new() }; REGIONS.len()];
static SIGNALS: AtomicU64 = AtomicU64::new(0);
static WRONG_REGION: AtomicU64 = AtomicU64::new(0);

/// Blocks that the ledger has not seen, among those of the thread: of a class that shares pages, of one that reaches
/// beyond a page, and large ones.
const SIZES: [usize; 4] = [48, 1_000, 5_000, 20_000];
const PREPARED: usize = 64;
const LARGEST: u64 = 20_000;

/// What a thread's handler works with; charged blocks have the number of their region and one more.
struct Prepared {
    blocks: [(Block, Cell<usize>); PREPARED],
    handled: Cell<usize>,
    first_ns: i64,
}

std::thread_local! {
    static PREPARED_HERE: Cell<*const Prepared> = const { Cell::new(std::ptr::null()) };
}

extern "C" fn handler(_: libc::c_int) {
    // SAFETY: the thread sets the pointer before its timer starts, and keeps what it points to until the timer has
    // stopped.
    let Some(prepared) = (unsafe { PREPARED_HERE.get().as_ref() }) else { return };
    let before = current();
    let number = prepared.handled.get();
    prepared.handled.set(number + 1);
    let outer = REGIONS[number % REGIONS.len()].enter();
    let region = number / REGIONS.len() % REGIONS.len();
    let inner = REGIONS[region].enter();
    let (block, charged) = &prepared.blocks[number % PREPARED];
    let size = block.layout().size();
    if charged.get() == 0 {
        charged.set(region + 1);
        // SAFETY: the block is jemalloc's, of this layout, lives, and is not charged.
        unsafe { on_alloc(block.pointer(), block.layout()) };
        ALLOCATED[region].count(size);
    } else {
        FREED[charged.replace(0) - 1].count(size);
        // SAFETY: the block lives and was charged by the line above, a round earlier.
        unsafe { on_free(block.pointer(), block.layout()) };
    }
    // In the one order and in the other.
    if number % 2 == 0 {
        drop(inner);
        drop(outer);
    } else {
        drop(outer);
        drop(inner);
    }
    WRONG_REGION.fetch_add(u64::from(current() != before), Relaxed);
    SIGNALS.fetch_add(1, SeqCst);
}

fn prepare(first_ns: i64) -> Prepared {
    let block = |number: usize| {
        let size = SIZES[number % SIZES.len()];
        let block = Block::behind_the_ledger(layout(size, 8)).expect("there is memory");
        (block, Cell::new(0))
    };
    Prepared { blocks: std::array::from_fn(block), handled: Cell::new(0), first_ns }
}

/// Credits what the handler has left charged.
fn credit(prepared: &Prepared) {
    for (block, charged) in prepared.blocks.iter().filter(|(_, charged)| charged.get() > 0) {
        FREED[charged.get() - 1].count(block.layout().size());
        // SAFETY: the block lives and the handler has charged it.
        unsafe { on_free(block.pointer(), block.layout()) };
    }
}

/// Allocates, frees and switches regions until enough signals were handled.
fn work(seed: u64, signals: u64) {
    let prepared = prepare(PERIOD_NS);
    PREPARED_HERE.set(&raw const prepared);
    let mut random = Random::new(seed);
    let mut held: Vec<Option<(Block, usize)>> = (0..256).map(|_| None).collect();
    let timer = Timer::on_this_thread(libc::SIGPROF, prepared.first_ns, PERIOD_NS);
    while SIGNALS.load(Relaxed) < signals {
        let region = random.below(REGIONS.len());
        let _in = REGIONS[region].enter();
        for _ in 0..8 {
            let place = random.below(held.len());
            let size = SIZES[random.below(SIZES.len())];
            if let Some((block, owner)) = held[place].take() {
                FREED[owner].count(block.layout().size());
                drop(block);
            } else {
                held[place] = Some((Block::new(size), region));
                ALLOCATED[region].count(size);
            }
        }
        WRONG_REGION.fetch_add(u64::from(current() != *REGIONS[region]), Relaxed);
    }
    drop(timer);
    // A signal that was on its way has been handled by now: it is delivered before the call returns.
    PREPARED_HERE.set(std::ptr::null());
    WRONG_REGION.fetch_add(u64::from(current() != RegionId::UNTAGGED), Relaxed);
    for (block, owner) in held.into_iter().flatten() {
        FREED[owner].count(block.layout().size());
        drop(block);
    }
    credit(&prepared);
}

/// How far the ledger is from what was done, in all regions together: blocks, and bytes.
fn off() -> (u64, u64) {
    let (mut blocks, mut bytes) = (0, 0);
    for (number, region) in REGIONS.iter().enumerate() {
        let book = Balance::of(**region);
        for (done, book_blocks, book_bytes) in [
            (&ALLOCATED[number], book.blocks.allocated, book.requested.allocated),
            (&FREED[number], book.blocks.freed, book.requested.freed),
        ] {
            blocks += done.blocks.load(SeqCst).abs_diff(book_blocks);
            bytes += done.bytes.load(SeqCst).abs_diff(book_bytes);
        }
    }
    (blocks, bytes)
}

pub(super) fn run(options: &Options) -> Value {
    let signals = options.get("signals");
    for region in &REGIONS {
        let _ = region.index();
    }
    handle(libc::SIGPROF, handler);
    std::thread::scope(|scope| {
        for thread in 1..options.get("threads") {
            scope.spawn(move || work(thread, signals));
        }
        work(0, signals);
    });
    told()
}

fn told() -> Value {
    let (off_blocks, off_bytes) = off();
    json!({
        "signals": SIGNALS.load(SeqCst), "wrong_region": WRONG_REGION.load(Relaxed), "off_blocks": off_blocks,
        "off_bytes": off_bytes, "largest": LARGEST,
        "operations": ALLOCATED.iter().map(|done| done.blocks.load(SeqCst)).sum::<u64>(),
    })
}

/// Option `threads`: so many, one after the other, which signals hit before the ledger knows them and while it gets to.
pub(super) fn short_lived(options: &Options) -> Value {
    for region in &REGIONS {
        let _ = region.index();
    }
    handle(libc::SIGPROF, handler);
    for number in 0..options.get("threads") {
        // Another number of nanoseconds for each thread, so that the first signals hit other instructions.
        let prepared = prepare(500 + 61 * (number % 250).cast_signed());
        Thread::start(live_shortly, (&raw const prepared) as usize).join();
        credit(&prepared);
    }
    told()
}

/// The life of such a thread: its first allocation comes after the first signals.
extern "C" fn live_shortly(prepared: *mut libc::c_void) -> *mut libc::c_void {
    let prepared: *const Prepared = prepared.cast_const().cast();
    PREPARED_HERE.set(prepared);
    // SAFETY: whoever started the thread keeps it until the thread has ended.
    let first_ns = unsafe { (*prepared).first_ns };
    let timer = Timer::on_this_thread(libc::SIGPROF, first_ns, SHORT_PERIOD_NS);
    for _ in 0..300 {
        let block = REGIONS[1].scope(|| Block::new(SIZES[0]));
        ALLOCATED[1].count(SIZES[0]);
        drop(block);
        FREED[1].count(SIZES[0]);
    }
    drop(timer);
    PREPARED_HERE.set(std::ptr::null());
    std::ptr::null_mut()
}
