//! Threads that come and go: their counters stay, their slots are used again, and what they do last is counted.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use heapledger_alloc::table_use;
use heapledger_core::{OwnedRegion, Region, RegionId, current};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::books::Balance;
use crate::os::threads::{Key, Thread};

const SIZE: usize = 100;
static LATE: Region = Region::new("late");
static KEPT: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Allocates when its thread ends: one block that it frees, one that outlives the thread, and its own.
struct Leaver {
    own: Block,
}

impl Drop for Leaver {
    fn drop(&mut self) {
        let _late = LATE.enter();
        drop(Block::new(SIZE));
        let kept = Block::new(self.own.layout().size());
        RegionId::LEDGER.scope(|| KEPT.lock().expect("nobody panics with it").push(kept));
    }
}

std::thread_local! {
    static LEAVER: RefCell<Option<Leaver>> = const { RefCell::new(None) };
}

/// Three blocks in the thread's region, one of them handed to whoever joins it, and one that the thread's end frees.
fn live_shortly(region: RegionId) -> Block {
    region.scope(|| {
        LEAVER.with_borrow_mut(|leaver| *leaver = Some(Leaver { own: Block::new(SIZE) }));
        drop(Block::new(SIZE));
        Block::new(SIZE)
    })
}

/// Options `threads`, `at_once`: so many threads, so many of them at a time, in 64 regions by turns.
pub(super) fn short(options: &Options) -> Value {
    let (threads, at_once) = (options.count("threads"), options.count("at_once"));
    let regions: Vec<OwnedRegion> = (0..64).map(|number| OwnedRegion::new(format!("short/{number}"))).collect();
    RegionId::LEDGER.scope(|| KEPT.lock().expect("nobody panics with it").reserve(threads));
    let mut running = std::collections::VecDeque::with_capacity(at_once);
    for number in 0..threads {
        if running.len() == at_once {
            let oldest: std::thread::JoinHandle<Block> = running.pop_front().expect("one is running");
            drop(oldest.join().expect("the thread ends well"));
        }
        let region = *regions[number % regions.len()];
        running.push_back(std::thread::spawn(move || live_shortly(region)));
    }
    for thread in running {
        drop(thread.join().expect("the thread ends well"));
    }
    let late_held = Balance::of(*LATE);
    KEPT.lock().expect("nobody panics with it").clear();
    let sum = regions.iter().fold(Balance::default(), |sum, region| sum.and(Balance::of(**region)));
    json!({
        "slots": table_use().thread_slots, "threads_now": table_use().threads, "sum": sum.json(),
        "late_held": late_held.json(), "late": Balance::of(*LATE).json(),
    })
}

/// How often a destructor sets its key again, which the C library answers by calling it again, four times in all.
const ROUNDS: usize = 4;

static KEY: AtomicU32 = AtomicU32::new(0);
static CALLED: AtomicU64 = AtomicU64::new(0);
static WRONG_REGION: AtomicU64 = AtomicU64::new(0);

/// Allocates in each round of destructors; the value counts them.
unsafe extern "C" fn rearm(value: *mut libc::c_void) {
    let round = value as usize;
    CALLED.fetch_add(1, Relaxed);
    LATE.scope(|| {
        WRONG_REGION.fetch_add(u64::from(current() != *LATE), Relaxed);
        let mut block = Block::new(SIZE);
        block.resize(50 * SIZE);
        block.resize(SIZE);
    });
    if round < ROUNDS {
        Key::from_number(KEY.load(Relaxed)).set(round + 1);
    }
}

extern "C" fn only_set_the_key(first_round: *mut libc::c_void) -> *mut libc::c_void {
    Key::from_number(KEY.load(Relaxed)).set(first_round as usize);
    std::ptr::null_mut()
}

extern "C" fn allocate_and_set_the_key(first_round: *mut libc::c_void) -> *mut libc::c_void {
    LATE.scope(|| drop(Block::new(SIZE)));
    only_set_the_key(first_round)
}

/// Threads, one at a time, whose last blocks come from destructors of a key: `known` to the ledger before, or not.
///
/// Option `threads`: so many of each kind.
pub(super) fn keys(options: &Options) -> Value {
    let key = Key::new(rearm);
    KEY.store(key.number(), Relaxed);
    let _ = LATE.index();
    let threads = options.count("threads");
    let slots = table_use().thread_slots;
    for _ in 0..threads {
        Thread::start(allocate_and_set_the_key, 1).join();
    }
    let known = (Balance::of(*LATE), CALLED.load(Relaxed), table_use().thread_slots - slots);
    for _ in 0..threads {
        // The ledger hears of such a thread only when it ends.
        Thread::start(only_set_the_key, 1).join();
    }
    let all = (Balance::of(*LATE), CALLED.load(Relaxed), table_use().thread_slots - slots);
    let part = |(late, called, more_slots): (Balance, u64, usize)| {
        let late = late.json();
        json!({ "late": late, "called": called, "more_slots": more_slots })
    };
    json!({
        "known": part(known), "all": part(all), "wrong_region": WRONG_REGION.load(Relaxed),
        "threads_now": table_use().threads,
    })
}
