//! `phase` while a second thread of the program runs.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use super::phase::Phase;
use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Phase2];

/// What the second thread holds: it allocates and frees all the time, in a region of its own.
const HELD: u32 = 1_000;

/// What `phase` does, with a second thread that replaces small blocks from the beginning to the end.
pub struct Phase2;

impl Workload for Phase2 {
    const INFO: Info = Info {
        id: "phase2",
        about: "phase, while a second thread allocates and frees in a third region",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: Phase::INFO.iterations,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _in = tagger.enter(2);
                let mut random = Random::new(10);
                let mut held: Vec<Vec<u8>> = (0..HELD).map(|_| Vec::new()).collect();
                // Relaxed: the flag carries nothing but itself.
                while !ended.load(Ordering::Relaxed) {
                    let bytes = random.between(16, 512);
                    held[random.below(HELD)] = black_box(Vec::with_capacity(bytes));
                }
            });
            let outcome = Phase::run(tagger, iterations);
            ended.store(true, Ordering::Relaxed);
            outcome
        })
    }
}
