//! Statements of a program under load, which keeps books of its own.
//!
//! Seven threads replace small blocks of four regions at random, one allocates, writes and frees 16 MiB every 100 ms,
//! and every 20 ms a thread is started that allocates a little and ends. Before and after each statement the probe
//! prints a line and waits for a byte, so that whoever looks on can read the kernel's count of faults.

use std::sync::Barrier;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use heapledger_alloc::CLASS_BYTES;
use heapledger_core::{Region, RegionId};
use heapledger_harness::fork::end_after_seconds;
use serde_json::{Value, json};

use super::Options;
use crate::os::memory::PAGE_BYTES;
use crate::os::{jemalloc, process};
use crate::random::Random;

static HELD: Region = Region::new("held");
static RING: [Region; 4] = [Region::new("ring/0"), Region::new("ring/1"), Region::new("ring/2"), Region::new("ring/3")];
static BIG: Region = Region::new("big");
static SHORT: Region = Region::new("short");

const MIB: usize = 1 << 20;
const WORKERS: usize = 7;
/// Blocks of each worker.
const BLOCKS: usize = 100_000;
/// Allocations between two changes of the region.
const STRETCH: usize = 100;
const BIG_BYTES: usize = 16 * MIB;
const BIG_EVERY: Duration = Duration::from_millis(100);
const SHORT_EVERY: Duration = Duration::from_millis(20);
const SHORT_BLOCKS: usize = 1_000;

/// A program whose watcher has gone ends itself.
const LONGEST_SECONDS: u32 = 900;

static STOP: AtomicBool = AtomicBool::new(false);

/// What the load has of one region in usable bytes. Each word only grows, and each operation is entered before it
/// begins and after it is done; so what lives at any moment between two readings is bounded by the four.
#[derive(Debug)]
struct Book {
    allocation_begun: AtomicU64,
    allocation_done: AtomicU64,
    free_begun: AtomicU64,
    free_done: AtomicU64,
}

/// The four words of a book at one moment.
type Words = [u64; 4];

impl Book {
    const fn new() -> Book {
        Book {
            allocation_begun: AtomicU64::new(0),
            allocation_done: AtomicU64::new(0),
            free_begun: AtomicU64::new(0),
            free_done: AtomicU64::new(0),
        }
    }

    fn words(&self) -> Words {
        [&self.allocation_begun, &self.allocation_done, &self.free_begun, &self.free_done].map(|word| word.load(SeqCst))
    }

    fn allocate<R>(&self, usable: u64, allocate: impl FnOnce() -> R) -> R {
        self.allocation_begun.fetch_add(usable, SeqCst);
        let result = allocate();
        self.allocation_done.fetch_add(usable, SeqCst);
        result
    }

    fn free(&self, usable: u64, free: impl FnOnce()) {
        self.free_begun.fetch_add(usable, SeqCst);
        free();
        self.free_done.fetch_add(usable, SeqCst);
    }
}

/// In the order of `NAMES`; ring by ring, then the others.
static BOOKS: [Book; 7] = [const { Book::new() }; 7];
const NAMES: [&str; 7] = ["ring/0", "ring/1", "ring/2", "ring/3", "big", "short", "held"];
const BIG_BOOK: usize = 4;
const SHORT_BOOK: usize = 5;
const HELD_BOOK: usize = 6;

fn usable(size: usize) -> u64 {
    let class = CLASS_BYTES.iter().find(|bytes| **bytes as usize >= size);
    u64::from(*class.expect("the ring has small blocks only"))
}

fn small(region: usize, random: &mut Random) -> Box<[u8]> {
    let size = 16 + random.below(497);
    BOOKS[region].allocate(usable(size), || RING[region].scope(|| vec![1_u8; size].into_boxed_slice()))
}

/// Fills a ring, then replaces its blocks at random until the end.
fn ring(seed: u64, full: &Barrier) {
    let mut random = Random::new(seed);
    let mut ring: Vec<(usize, Box<[u8]>)> = Vec::with_capacity(BLOCKS);
    for index in 0..BLOCKS {
        let region = index / STRETCH % RING.len();
        ring.push((region, small(region, &mut random)));
    }
    full.wait();
    for step in 0_usize.. {
        if STOP.load(SeqCst) {
            break;
        }
        let region = step / STRETCH % RING.len();
        let place = &mut ring[random.below(BLOCKS)];
        let new = (region, small(region, &mut random));
        let (region, block) = std::mem::replace(place, new);
        BOOKS[region].free(usable(block.len()), || drop(block));
    }
}

fn big() {
    while !STOP.load(SeqCst) {
        let began = Instant::now();
        let usable = BIG_BYTES as u64;
        let block = BOOKS[BIG_BOOK].allocate(usable, || BIG.scope(|| vec![1_u8; BIG_BYTES]));
        BOOKS[BIG_BOOK].free(usable, || drop(std::hint::black_box(block)));
        thread::sleep(BIG_EVERY.saturating_sub(began.elapsed()));
    }
}

fn short() {
    while !STOP.load(SeqCst) {
        let began = Instant::now();
        let work = || {
            let mut random = Random::new(5);
            let book = &BOOKS[SHORT_BOOK];
            for _ in 0..SHORT_BLOCKS {
                let size = 16 + random.below(497);
                let block = book.allocate(usable(size), || SHORT.scope(|| vec![1_u8; size].into_boxed_slice()));
                book.free(usable(size), || drop(std::hint::black_box(block)));
            }
        };
        thread::spawn(work).join().expect("the thread ends well");
        thread::sleep(SHORT_EVERY.saturating_sub(began.elapsed()));
    }
}

fn turn(what: &str) {
    process::print(what.as_bytes());
    process::wait_for_a_byte();
}

/// Bytes of address space that jemalloc ever gave back.
fn purged_bytes() -> u64 {
    let pages = [c"stats.arenas.4096.dirty_purged", c"stats.arenas.4096.muzzy_purged"].map(jemalloc::statistic);
    pages.into_iter().sum::<u64>() * PAGE_BYTES as u64
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).expect("a run takes less than centuries")
}

/// Options `mib`, held in blocks of 1 MiB beside the rings; `statements`.
pub(super) fn run(options: &Options) -> Value {
    end_after_seconds(LONGEST_SECONDS);
    // The list itself is nobody's.
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(options.count("mib"));
    let block = || BOOKS[HELD_BOOK].allocate(MIB as u64, || HELD.scope(|| vec![1_u8; MIB]));
    held.extend((0..held.capacity()).map(|_| block()));
    let full = Barrier::new(WORKERS + 1);
    let started = Instant::now();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let full = &full;
            scope.spawn(move || ring(worker as u64 + 1, full));
        }
        scope.spawn(big);
        scope.spawn(short);
        full.wait();
        // The first one finds out what stays, and touches its buffers.
        drop(heapledger::statement());
        for _ in 0..options.count("statements") {
            turn("{\"turn\":\"before\"}\n");
            let purged_before = purged_bytes();
            let before = BOOKS.each_ref().map(Book::words);
            let began = nanos(started);
            let statement = heapledger::statement().expect("the ledger is installed");
            let ended = nanos(started);
            let after = BOOKS.each_ref().map(Book::words);
            let purged = purged_bytes() - purged_before;
            turn("{\"turn\":\"after\"}\n");
            let line = RegionId::LEDGER.scope(|| {
                let books = NAMES.iter().zip(before).zip(after);
                let books: Value = books.map(|((name, before), after)| json!([name, before, after])).collect();
                let statement = statement.to_json();
                let object = json!({
                    "statement": statement, "books": books, "stamps": [began, ended], "purged": purged,
                });
                object.to_string() + "\n"
            });
            process::print(line.as_bytes());
        }
        STOP.store(true, SeqCst);
    });
    drop(held);
    json!({ "done": true })
}
