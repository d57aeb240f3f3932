//! Threads that come, allocate a little and go.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Churn];

/// One iteration starts and joins this many threads, two at a time.
const THREADS: u64 = 100;
const TOGETHER: u64 = 2;
/// What each thread allocates: a few vectors and strings, as a worker does that takes one job.
const BLOCKS: usize = 64;

/// Threads started two at a time; each makes 64 blocks of 16 to 1,024 bytes, frees half of them and hands the others to
/// the thread that joins it.
pub struct Churn;

impl Workload for Churn {
    const INFO: Info = Info {
        id: "churn",
        about: "threads that start, make 64 blocks, hand half of them on and end",
        operation: "thread",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 20,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let work = |threads: u64| {
            for first in (0..threads).step_by(TOGETHER as usize) {
                let started = [first, first + 1].map(|thread| std::thread::spawn(move || job(tagger, thread)));
                for thread in started {
                    black_box(thread.join().expect("the job does nothing that can fail"));
                }
            }
        };
        // The first threads find no cached stacks and no used slots.
        work(THREADS);
        Outcome::time(|| {
            work(iterations * THREADS);
            iterations * THREADS
        })
    }
}

fn job<T: Tagger>(tagger: T, thread: u64) -> Vec<Vec<u8>> {
    let _in = tagger.enter(0);
    let mut random = Random::new(thread);
    let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| black_box(vec![1; random.between(16, 1_024)])).collect();
    blocks.truncate(BLOCKS / 2);
    blocks
}
