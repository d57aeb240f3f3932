//! The random run: rounds of worker threads, with a quiescent point after each stretch of work.
//!
//! In a round the workers live for several stretches, while the main thread shows something beside them (`shows.rs`).
//! Between rounds all threads end, and the main thread, alone, goes on with their blocks: pages of several regions
//! become one region's again, which the ledger does only while one thread is registered.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::thread;
use std::time::Duration;

use heapledger_alloc::{RegionTotals, read_totals, table_use};
use heapledger_core::region_count;

use crate::args::Args;
use crate::failure::fail;
use crate::ghosts::Ghosts;
use crate::oracle::{self, Tally};
use crate::random::Random;
use crate::reader::Watch;
use crate::regions::Scopes;
use crate::shows::Shows;
use crate::worker::{Pace, Worker, World};

/// Stretches of a round; one more is the main thread's.
const STRETCHES: u64 = 9;

/// How often the region changes in a stretch: in turn.
const PACES: [usize; 3] = [8, 64, 1024];

/// How often the main thread sums while the workers work. A sum costs about as much as a thousand operations.
const BETWEEN_READS: Duration = Duration::from_millis(5);

/// Threads without counters of their own that work beside the main thread when it is alone.
const GHOSTS: usize = 2;

struct Conductor {
    world: &'static World,
    /// What the main thread does alone.
    solo: Worker,
    totals: Vec<RegionTotals>,
    watch: Watch,
    shows: Shows,
    random: Random,
    points: u64,
    rows_bytes_max: u64,
}

/// Runs to the end, or not at all; returns what happened, in lines.
pub fn run(args: &Args) -> String {
    // It lives as long as the process: tasks, and threads that end late, hold on to it.
    let world: &'static World = Box::leak(Box::new(World::new(args.threads + 1)));
    let (first, regions) = world.regions.indices();
    let mut conductor = Conductor {
        world,
        solo: Worker::new(args.threads, args.seed),
        totals: vec![RegionTotals::default(); regions],
        watch: Watch::new(regions),
        shows: Shows::new(world, args),
        random: Random::new(args.seed, u64::MAX),
        points: 0,
        rows_bytes_max: 0,
    };
    let mut workers: Vec<Worker> = (0..args.threads).map(|number| Worker::new(number, args.seed)).collect();
    let per_point = args.ops.div_ceil(args.points);
    while conductor.points < args.points {
        let stretches = STRETCHES.min(args.points - conductor.points);
        workers = conductor.round(workers, stretches, per_point.div_ceil(args.threads as u64));
        if conductor.points < args.points {
            conductor.alone(&mut workers, per_point);
        }
    }
    conductor.shows.finish();
    for worker in workers.iter_mut().chain([&mut conductor.solo]) {
        worker.clear(world);
    }
    conductor.compare();
    conductor.nothing_is_left();
    let operations = workers.iter().map(|worker| worker.operations).sum::<u64>() + conductor.solo.operations;
    format!(
        "operations = {operations}\nquiescent points = {}\nregions = {} of {} ids\n{}\
         reads beside the writers = {}\nmost bytes of rows = {}\n",
        conductor.points,
        regions - first,
        region_count(),
        conductor.shows.report(),
        conductor.watch.reads,
        conductor.rows_bytes_max,
    )
}

impl Conductor {
    fn round(&mut self, workers: Vec<Worker>, stretches: u64, steps: u64) -> Vec<Worker> {
        let barrier = Barrier::new(workers.len() + 1);
        let working = AtomicUsize::new(0);
        let (world, first) = (self.world, self.points);
        let done = thread::scope(|scope| {
            let (barrier, working) = (&barrier, &working);
            let stretch = move |worker: &mut Worker, scopes: &mut Scopes, stretch: u64| {
                barrier.wait();
                let pace = Pace { steps_per_change: PACES[((first + stretch) % PACES.len() as u64) as usize] };
                worker.run(steps, pace, world, scopes);
                working.fetch_sub(1, AcqRel);
                barrier.wait();
                // Here the main thread compares.
                barrier.wait();
            };
            let history = move |mut worker: Worker| {
                let mut scopes = Scopes::new();
                (0..stretches).for_each(|number| stretch(&mut worker, &mut scopes, number));
                scopes.leave_all();
                worker
            };
            let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || history(worker))).collect();
            for _ in 0..stretches {
                working.store(threads.len(), Release);
                barrier.wait();
                self.shows.next(self.points);
                while working.load(Acquire) > 0 {
                    self.watch.read();
                    thread::sleep(BETWEEN_READS);
                }
                barrier.wait();
                self.points += 1;
                self.compare();
                barrier.wait();
            }
            let join = |thread: thread::ScopedJoinHandle<'_, Worker>| thread.join();
            threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        });
        done.unwrap_or_else(|_| fail(format_args!("a worker panicked")))
    }

    /// The main thread is the only one with counters of its own: what was mixed becomes pure again, while threads in
    /// teardown go on in the same regions.
    fn alone(&mut self, workers: &mut [Worker], steps: u64) {
        let threads = table_use().threads;
        if threads != 1 {
            fail(format_args!("{threads} threads are registered when all but one have ended"));
        }
        self.rows_bytes_max = self.rows_bytes_max.max(table_use().rows_used_bytes);
        let ghosts = Ghosts::start(GHOSTS, self.random.next(), self.world);
        let mut scopes = Scopes::new();
        let mut done = 0;
        for worker in workers.iter_mut() {
            let before = worker.operations;
            let region = self.world.regions.pick(&mut self.random);
            scopes.enter(region);
            // Twice: the second time the slots that were somebody else's are ours, and a page can be seen to be.
            worker.refill(2, region.index(), self.world);
            worker.refill(3, region.index(), self.world);
            scopes.leave_all();
            done += worker.operations - before;
        }
        self.solo.run(steps.saturating_sub(done), Pace { steps_per_change: 256 }, self.world, &mut scopes);
        scopes.leave_all();
        ghosts.join();
        self.points += 1;
        self.compare();
    }

    fn compare(&mut self) {
        let (first, regions) = self.world.regions.indices();
        read_totals(&mut self.totals);
        let tallies: Vec<_> = self.world.tallies().collect();
        let tallies: Vec<&Tally> = tallies.iter().map(|tally| &**tally).collect();
        if let Err(wrong) = oracle::compare(first, regions, &tallies, &self.totals) {
            fail(format_args!("at point {}:\n{wrong}", self.points));
        }
    }

    /// Every block was freed, so by the oracle's own books nothing is live, in any region under test.
    fn nothing_is_left(&mut self) {
        let (first, regions) = self.world.regions.indices();
        for (region, totals) in self.totals[first..regions].iter().enumerate() {
            if totals.requested_bytes.live() != 0 || totals.blocks().live() != 0 {
                fail(format_args!("region {}: {totals:?} when everything is freed", first + region));
            }
        }
    }
}
