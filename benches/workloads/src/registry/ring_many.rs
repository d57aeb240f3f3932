//! The ring on more threads than there are processors, and with more regions than four.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Barrier;

use crate::{Class, Info, Mix, Outcome, Random, Stopwatch, Tagger, Workload};

workloads![Ring4, Ring8, Ring32, Regions1, Regions16, Regions255, RegionsMax];

/// As many objects as the two rings of `ring2` hold, divided among the threads.
const OBJECTS: u32 = 200_000;
const SMALLEST_BYTES: u32 = 16;
const LARGEST_BYTES: u32 = 512;
/// One iteration replaces this many objects, all threads together.
const BATCH: u64 = 160_000;
/// With several regions, the region changes after this many allocations.
const SWITCH_EVERY: u64 = 100;

/// The objects of one thread.
struct Objects {
    slots: Vec<Box<[MaybeUninit<u8>]>>,
    random: Random,
}

impl Objects {
    /// `count` objects, already as disordered as they stay.
    fn new(count: u32, thread: usize) -> Objects {
        let mut ring = Objects { slots: Vec::with_capacity(count as usize), random: Random::new(thread as u64) };
        for _ in 0..count {
            let object = ring.object();
            ring.slots.push(object);
        }
        ring.replace(u64::from(count));
        ring
    }

    fn object(&mut self) -> Box<[MaybeUninit<u8>]> {
        let mut object = Box::new_uninit_slice(self.random.between(SMALLEST_BYTES, LARGEST_BYTES));
        object.fill(MaybeUninit::new(1));
        black_box(object)
    }

    /// Replaces `count` random objects, each by a new one that is there before the old one goes.
    fn replace(&mut self, count: u64) {
        let slots = self.slots.len() as u32;
        for _ in 0..count {
            let slot = self.random.below(slots);
            self.slots[slot] = self.object();
        }
    }
}

/// The timed part on `threads` threads, each with its part of the objects, from the moment when all are full until the
/// slowest is done.
fn on_threads<T: Tagger>(tagger: T, threads: u32, iterations: u64) -> Outcome {
    let each = iterations * BATCH / u64::from(threads);
    let line = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for thread in 0..threads as usize {
            let line = &line;
            scope.spawn(move || {
                let _in = tagger.enter(0);
                let mut ring = Objects::new(OBJECTS / threads, thread);
                line.wait();
                ring.replace(each);
                line.wait();
                black_box(&ring.slots);
            });
        }
        line.wait();
        let watch = Stopwatch::start();
        line.wait();
        watch.stop(each * u64::from(threads))
    })
}

/// The timed part on this thread, which takes the next of `regions` after every 100 allocations.
fn in_regions<T: Tagger>(tagger: T, regions: usize, iterations: u64) -> Outcome {
    let made: Vec<T::Made> = (0..regions).map(|number| tagger.make(number)).collect();
    let mut ring = Objects::new(OBJECTS / 2, 0);
    let mut region = 0;
    let mut switching = |ring: &mut Objects, total: u64| {
        for _ in 0..total / SWITCH_EVERY {
            let _in = T::enter_made(&made[region]);
            ring.replace(SWITCH_EVERY);
            region = (region + 1) % regions;
        }
    };
    switching(&mut ring, u64::from(OBJECTS));
    let outcome = Outcome::time(|| {
        let total = iterations * BATCH;
        switching(&mut ring, total);
        total
    });
    black_box(&ring.slots);
    outcome
}

macro_rules! ring_on_threads {
    ($(#[$doc:meta])* $name:ident, $id:literal, $threads:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl Workload for $name {
            const INFO: Info = Info {
                id: $id,
                about: concat!("200k objects as in ring, divided among ", $threads, " threads"),
                operation: "pair",
                mix: Mix::Pure,
                class: Class::Pattern,
                iterations: 20,
            };

            fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
                on_threads(tagger, $threads, iterations)
            }
        }
    };
}

macro_rules! ring_in_regions {
    ($(#[$doc:meta])* $name:ident, $id:literal, $regions:literal, $mix:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl Workload for $name {
            const INFO: Info = Info {
                id: $id,
                about: concat!("ring, the next of ", $regions, " regions after every 100 allocations"),
                operation: "pair",
                mix: Mix::$mix,
                class: Class::Pattern,
                iterations: 10,
            };

            fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
                in_regions(tagger, $regions, iterations)
            }
        }
    };
}

ring_on_threads!(
    /// Four threads.
    Ring4,
    "ring4",
    4
);

ring_on_threads!(
    /// Eight threads.
    Ring8,
    "ring8",
    8
);

ring_on_threads!(
    /// Thirty-two threads.
    Ring32,
    "ring32",
    32
);

ring_in_regions!(
    /// One region, entered again and again.
    Regions1,
    "regions1",
    1,
    Pure
);

ring_in_regions!(
    /// Sixteen regions.
    Regions16,
    "regions16",
    16,
    ManyRegions
);

ring_in_regions!(
    /// As many regions as a peer's table of one byte would hold.
    Regions255,
    "regions255",
    255,
    ManyRegions
);

ring_in_regions!(
    /// As many regions as a process may have beside those of the ledger itself and of the workloads.
    RegionsMax,
    "regions_max",
    4600,
    ManyRegions
);
