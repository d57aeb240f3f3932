//! A producer allocates, a consumer frees: no block is freed on the thread that allocated it.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Barrier, Mutex, mpsc};

use crate::{Class, Info, Mix, Outcome, REGIONS, Random, Stopwatch, Tagger, Workload};

workloads![ProdCons, HandOver, ProdConsMixed];

const SMALLEST_BYTES: u32 = 16;
const LARGEST_BYTES: u32 = 512;
/// Blocks go over in batches, as a queue of messages does, so that the channel does not hide the allocator.
const BATCH: usize = 256;
/// So many batches may wait.
const WAITING: usize = 16;
/// One iteration hands over this many batches.
const BATCHES: u64 = 400;
/// In the mixed workload the region changes after this many allocations.
const SWITCH_EVERY: usize = 100;

type Batch = Vec<Box<[MaybeUninit<u8>]>>;

fn run<T: Tagger>(tagger: T, mix: Mix, iterations: u64) -> Outcome {
    let (full, arriving) = mpsc::sync_channel::<Batch>(WAITING);
    // The vectors of the batches go back and forth, so that the blocks are all that is allocated.
    let (empty, returning) = mpsc::sync_channel::<Batch>(2 * WAITING);
    for _ in 0..2 * WAITING {
        empty.send(Vec::with_capacity(BATCH)).expect("the receiver is in this function");
    }
    let consumer = std::thread::spawn(move || {
        for mut batch in arriving {
            batch.clear();
            // The producer has ended once it takes no more of them.
            let _ = empty.send(batch);
        }
    });
    let mut producer = Producer { random: Random::new(6), region: 0, until_switch: SWITCH_EVERY };
    let mut hand_over = |batches: u64| {
        for _ in 0..batches {
            let mut batch = returning.recv().expect("the consumer outlives the producer");
            producer.fill(tagger, mix, &mut batch);
            full.send(batch).expect("the consumer outlives the producer");
        }
    };
    // Both sides have their pages before the clock starts.
    hand_over(BATCHES);
    let watch = Stopwatch::start();
    let batches = iterations * BATCHES;
    hand_over(batches);
    drop(full);
    consumer.join().expect("the consumer does nothing that can fail");
    watch.stop(batches * BATCH as u64)
}

struct Producer {
    random: Random,
    region: usize,
    until_switch: usize,
}

impl Producer {
    fn fill<T: Tagger>(&mut self, tagger: T, mix: Mix, batch: &mut Batch) {
        if mix == Mix::Pure {
            let _in = tagger.enter(0);
            return self.allocate(BATCH, batch);
        }
        let mut left = BATCH;
        while left > 0 {
            let count = left.min(self.until_switch);
            {
                let _in = tagger.enter(self.region);
                self.allocate(count, batch);
            }
            left -= count;
            self.until_switch -= count;
            if self.until_switch == 0 {
                self.until_switch = SWITCH_EVERY;
                self.region = (self.region + 1) % REGIONS;
            }
        }
    }

    #[inline]
    fn allocate(&mut self, count: usize, batch: &mut Batch) {
        for _ in 0..count {
            let mut object = Box::new_uninit_slice(self.random.between(SMALLEST_BYTES, LARGEST_BYTES));
            object.fill(MaybeUninit::new(1));
            batch.push(black_box(object));
        }
    }
}

/// One region.
pub struct ProdCons;

impl Workload for ProdCons {
    const INFO: Info = Info {
        id: "prodcons",
        about: "blocks of 16-512 B made by one thread, freed by another, in batches of 256",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 64,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        run(tagger, Self::INFO.mix, iterations)
    }
}

/// Four regions.
pub struct ProdConsMixed;

impl Workload for ProdConsMixed {
    const INFO: Info = Info {
        id: "prodcons_mixed",
        about: "prodcons, four regions switched every 100 allocations",
        operation: "pair",
        mix: Mix::FourRegions,
        class: Class::Pattern,
        iterations: 64,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        run(tagger, Self::INFO.mix, iterations)
    }
}

/// In turn: one thread makes 25,600 blocks, then another frees them all.
///
/// The two never run at the same time, so that its instructions can be counted: waiting is not among them.
/// One block of each page stays throughout.
pub struct HandOver;

impl Workload for HandOver {
    const INFO: Info = Info {
        id: "handover",
        about: "in turn: one thread makes 25600 blocks of 16-512 B, another one frees them",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 60,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        const BLOCKS: usize = 100 * BATCH;
        /// So many blocks are made first, and one of each page stays to the end: the blocks of a turn fit between them,
        /// and no slab is made or returned any more. jemalloc does that in the order of addresses, which differs from
        /// run to run.
        const STANDING: usize = 2 * BLOCKS;
        const PAGE_BYTES: usize = 4096;
        // Waiting here allocates nothing: a block of the threads' own, now and then, would make pages of two regions.
        let (turn, batch, last) = (Barrier::new(2), Mutex::new(Batch::with_capacity(BLOCKS)), AtomicBool::new(false));
        let held = || batch.lock().expect("nobody fails while holding it");
        let mut producer = Producer { random: Random::new(17), region: 0, until_switch: SWITCH_EVERY };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                // Nothing of this thread's start lies among the producer's blocks.
                turn.wait();
                loop {
                    turn.wait();
                    // Relaxed: the barrier orders it.
                    if last.load(Relaxed) {
                        break;
                    }
                    held().clear();
                    turn.wait();
                }
            });
            turn.wait();
            let kept = {
                let _in = tagger.enter(0);
                let mut first = Batch::with_capacity(STANDING);
                producer.allocate(STANDING, &mut first);
                first.sort_unstable_by_key(|block| block.as_ptr().addr());
                first.dedup_by_key(|block| block.as_ptr().addr() / PAGE_BYTES);
                first
            };
            let mut in_turn = |times: u64| {
                for _ in 0..times {
                    {
                        let _in = tagger.enter(0);
                        producer.allocate(BLOCKS, &mut held());
                    }
                    turn.wait();
                    turn.wait();
                }
            };
            in_turn(2);
            let outcome = Outcome::time(|| {
                in_turn(iterations);
                iterations * BLOCKS as u64
            });
            last.store(true, Relaxed);
            turn.wait();
            drop(kept);
            outcome
        })
    }
}
