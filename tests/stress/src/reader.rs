//! Sums that are read while others write: never negative, never going back.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;

use crossbeam::queue::ArrayQueue;
use heapledger_alloc::{Flow, RegionTotals, read_requested, read_totals};
use heapledger_core::RegionId;

use crate::args::Args;
use crate::blocks::{Block, Make, Request, allocate};
use crate::failure::fail;
use crate::oracle::{self, Tally};
use crate::random::Random;
use crate::regions::Regions;

/// A reader that remembers what it read before.
pub struct Watch {
    requested: Vec<Flow>,
    before: Vec<Flow>,
    totals: Vec<RegionTotals>,
    /// How often it read.
    pub reads: u64,
}

impl Watch {
    /// For so many regions. Allocates; reading does not.
    pub fn new(regions: usize) -> Watch {
        let zero = vec![Flow::default(); regions];
        Watch { requested: zero.clone(), before: zero, totals: vec![RegionTotals::default(); regions], reads: 0 }
    }

    /// Reads once, by one of the two ways.
    pub fn read(&mut self) {
        self.reads += 1;
        if self.reads.is_multiple_of(4) {
            read_totals(&mut self.totals);
            for (region, totals) in self.totals.iter().enumerate() {
                for flow in totals.small_blocks.iter().chain([&totals.large_blocks, &totals.large_usable_bytes]) {
                    not_negative(region, *flow);
                }
                self.requested[region] = totals.requested_bytes;
            }
        } else {
            read_requested(&mut self.requested);
        }
        for (region, (now, before)) in self.requested.iter().zip(&mut self.before).enumerate() {
            not_negative(region, *now);
            if now.allocated < before.allocated || now.freed < before.freed {
                fail(format_args!("region {region} went back from {before:?} to {now:?}"));
            }
            *before = *now;
        }
    }
}

fn not_negative(region: usize, flow: Flow) {
    if flow.freed > flow.allocated {
        fail(format_args!("region {region} has freed more than it allocated: {flow:?}"));
    }
}

/// Regions, each with a pair of threads: one allocates, the other frees, and hardly anything lives in between.
const PAIRS: usize = 3;
/// Blocks on their way between two threads.
const ON_THE_WAY: usize = 2;

/// Runs until `args.ops` operations are done, reading all the time.
pub fn run(args: &Args) -> String {
    let regions = Regions::new();
    let (first, count) = regions.indices();
    let mut watch = Watch::new(count);
    let queues: [ArrayQueue<Block>; PAIRS] = [(); PAIRS].map(|()| ArrayQueue::new(ON_THE_WAY));
    let blocks = args.ops / (2 * PAIRS as u64);
    let working = AtomicUsize::new(2 * PAIRS);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let (regions, working) = (&regions, &working);
        let mut threads = Vec::new();
        for (pair, queue) in queues.iter().enumerate() {
            let random = Random::new(args.seed, pair as u64);
            threads.push(scope.spawn(move || {
                let tally = hand_out(regions.get(pair), random, blocks, queue);
                working.fetch_sub(1, Release);
                tally
            }));
            threads.push(scope.spawn(move || {
                let tally = take_in(blocks, queue);
                working.fetch_sub(1, Release);
                tally
            }));
        }
        while working.load(Acquire) > 0 {
            watch.read();
        }
        let join = |thread: thread::ScopedJoinHandle<'_, Tally>| thread.join();
        threads
            .into_iter()
            .map(join)
            .collect::<Result<_, _>>()
            .unwrap_or_else(|_| fail(format_args!("a thread panicked")))
    });
    let mut totals = vec![RegionTotals::default(); count];
    read_totals(&mut totals);
    if let Err(wrong) = oracle::compare(first, count, &tallies.iter().collect::<Vec<_>>(), &totals) {
        fail(format_args!("when all is done:\n{wrong}"));
    }
    format!("operations = {}\nreads beside the writers = {}\n", 2 * blocks * PAIRS as u64, watch.reads)
}

/// Allocates blocks of many classes, large ones now and then, and hands each to another thread.
fn hand_out(region: RegionId, mut random: Random, blocks: u64, queue: &ArrayQueue<Block>) -> Tally {
    let mut tally = Tally::new();
    let _in_region = region.enter();
    for _ in 0..blocks {
        let size = if random.one_in(64) { 20_000 + random.below(40_000) } else { 1 + random.below(4096) };
        let mut block = allocate(Make::Plain, Request::bytes(size), region.index(), &mut tally);
        while let Err(back) = queue.push(block) {
            block = back;
            thread::yield_now();
        }
    }
    tally
}

/// Frees what it gets, in no region.
fn take_in(blocks: u64, queue: &ArrayQueue<Block>) -> Tally {
    let mut tally = Tally::new();
    for _ in 0..blocks {
        loop {
            match queue.pop() {
                Some(block) => break block.free(&mut tally),
                None => thread::yield_now(),
            }
        }
    }
    tally
}
