//! Many small objects of random sizes, replaced in random order: the heap of a long-running service.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Barrier;

use crate::{Class, Info, Mix, Outcome, REGIONS, Random, Stopwatch, Tagger, Workload};

workloads![Ring, Ring2, RingBare, RingMixed, Ring2Mixed, RingBareMixed];

const OBJECTS: u32 = 100_000;
const SMALLEST_BYTES: u32 = 16;
const LARGEST_BYTES: u32 = 512;
/// One iteration replaces this many objects.
const BATCH: u64 = 100_000;
/// In the mixed workloads the region changes after this many allocations.
const SWITCH_EVERY: u64 = 100;

type Object = Box<[MaybeUninit<u8>]>;

/// How much of a new object the program writes.
#[derive(Clone, Copy)]
enum Written {
    /// All of it, as programs do that make an object to use it.
    Whole,
    /// Its first byte, so that its page is resident: next to nothing but the allocator is left to measure.
    FirstByte,
}

/// The objects of one thread.
struct Objects {
    slots: Vec<Object>,
    random: Random,
    written: Written,
}

impl Objects {
    /// A full ring, already as disordered as it stays. The slots themselves are allocated in the region that is
    /// current.
    fn new<T: Tagger>(tagger: T, mix: Mix, written: Written, thread: usize) -> Objects {
        let slots = Vec::with_capacity(OBJECTS as usize);
        let mut ring = Objects { slots, random: Random::new(thread as u64), written };
        ring.switching(tagger, mix, thread, u64::from(OBJECTS), |ring, count| {
            for _ in 0..count {
                let object = ring.object();
                ring.slots.push(object);
            }
        });
        ring.switching(tagger, mix, thread, 2 * u64::from(OBJECTS), Objects::replace);
        ring
    }

    /// A new object of random size.
    #[inline(always)]
    fn object(&mut self) -> Object {
        let mut object = Box::new_uninit_slice(self.random.between(SMALLEST_BYTES, LARGEST_BYTES));
        match self.written {
            Written::Whole => object.fill(MaybeUninit::new(1)),
            Written::FirstByte => object[0] = MaybeUninit::new(1),
        }
        black_box(object)
    }

    /// Replaces `count` random objects, one after the other, each by a new one that is there before the old one goes.
    #[inline(always)]
    fn replace(&mut self, count: u64) {
        for _ in 0..count {
            let slot = self.random.below(OBJECTS);
            self.slots[slot] = self.object();
        }
    }

    /// Does `total` operations in one region, or in one of four after the other where the workload mixes.
    #[inline(always)]
    fn switching<T: Tagger>(
        &mut self,
        tagger: T,
        mix: Mix,
        thread: usize,
        total: u64,
        mut operations: impl FnMut(&mut Objects, u64),
    ) {
        if mix == Mix::Pure {
            let _in = tagger.enter(0);
            return operations(self, total);
        }
        let mut region = thread % REGIONS;
        let mut left = total;
        while left > 0 {
            let count = left.min(SWITCH_EVERY);
            let _in = tagger.enter(region);
            operations(self, count);
            region = (region + 1) % REGIONS;
            left -= count;
        }
    }
}

/// The timed part, on this thread.
#[inline(always)]
fn one_thread<T: Tagger>(tagger: T, mix: Mix, written: Written, iterations: u64) -> Outcome {
    let mut ring = Objects::new(tagger, mix, written, 0);
    let outcome = Outcome::time(|| {
        let total = iterations * BATCH;
        ring.switching(tagger, mix, 0, total, Objects::replace);
        total
    });
    black_box(&ring.slots);
    outcome
}

/// The timed part on two threads with a ring each, from the moment when both are full until the slower one is done.
#[inline(always)]
fn two_threads<T: Tagger>(tagger: T, mix: Mix, written: Written, iterations: u64) -> Outcome {
    const THREADS: usize = 2;
    let total = iterations * BATCH;
    let line = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let line = &line;
            scope.spawn(move || {
                let mut ring = Objects::new(tagger, mix, written, thread);
                line.wait();
                ring.switching(tagger, mix, thread, total, Objects::replace);
                line.wait();
                black_box(&ring.slots);
            });
        }
        line.wait();
        let watch = Stopwatch::start();
        line.wait();
        watch.stop(total * THREADS as u64)
    })
}

macro_rules! ring_workload {
    ($(#[$doc:meta])* $name:ident, $run:ident, $written:ident, $info:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Workload for $name {
            const INFO: Info = $info;

            fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
                $run(tagger, Self::INFO.mix, Written::$written, iterations)
            }
        }
    };
}

ring_workload!(
    /// 100,000 objects of 16 to 512 bytes, replaced at random.
    Ring,
    one_thread,
    Whole,
    Info {
        id: "ring",
        about: "100k objects of 16-512 B, replaced at random, each filled",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 20,
    }
);

ring_workload!(
    /// The same on two threads, each with a ring of its own.
    Ring2,
    two_threads,
    Whole,
    Info {
        id: "ring2",
        about: "the same on two threads, a ring each",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 20,
    }
);

ring_workload!(
    /// `ring`, with the region switched every 100 allocations.
    RingMixed,
    one_thread,
    Whole,
    Info {
        id: "ring_mixed",
        about: "ring, four regions switched every 100 allocations",
        operation: "pair",
        mix: Mix::FourRegions,
        class: Class::Pattern,
        iterations: 20,
    }
);

ring_workload!(
    /// `ring2`, with the region switched every 100 allocations.
    Ring2Mixed,
    two_threads,
    Whole,
    Info {
        id: "ring2_mixed",
        about: "ring2, four regions switched every 100 allocations",
        operation: "pair",
        mix: Mix::FourRegions,
        class: Class::Pattern,
        iterations: 20,
    }
);

ring_workload!(
    /// `ring`, with only the first byte of each object written.
    RingBare,
    one_thread,
    FirstByte,
    Info {
        id: "ring_bare",
        about: "ring, of each object only the first byte written",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 40,
    }
);

ring_workload!(
    /// `ring_mixed`, with only the first byte of each object written.
    RingBareMixed,
    one_thread,
    FirstByte,
    Info {
        id: "ring_bare_mixed",
        about: "ring_mixed, of each object only the first byte written",
        operation: "pair",
        mix: Mix::FourRegions,
        class: Class::Pattern,
        iterations: 40,
    }
);
