//! One block at a time: the shortest path of an allocator and nothing else.

use std::hint::black_box;

use crate::{Info, Mix, Outcome, Tagger, Workload};

const PAGE_BYTES: usize = 4096;
/// More blocks of 64 bytes than a thread caches.
const HELD_BLOCKS: usize = 1000;
const LARGE_BYTES: usize = 1 << 20;

/// 64 bytes allocated and freed in a tight loop; nothing is written to them.
///
/// It goes through `Vec`, as most programs do, so it measures what the compiler inlines as much as the allocator.
pub struct Loop64;

impl Workload for Loop64 {
    const INFO: Info = Info {
        id: "loop64",
        about: "64 B allocated and freed in a tight loop",
        operation: "pair",
        mix: Mix::Pure,
        iterations: 20_000_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        // Held meanwhile, so that the loop's block lies on a page of this region and not on one that start-up used.
        let held: Vec<Vec<u8>> = (0..HELD_BLOCKS).map(|_| Vec::with_capacity(black_box(64))).collect();
        let outcome = Outcome::time(|| {
            for _ in 0..iterations {
                black_box(Vec::<u8>::with_capacity(black_box(64)));
            }
            iterations
        });
        black_box(held);
        outcome
    }
}

/// 1 MiB allocated, one byte of each of its pages written, freed.
pub struct Loop1M;

impl Workload for Loop1M {
    const INFO: Info = Info {
        id: "loop1m",
        about: "1 MiB allocated, every page written, freed",
        operation: "pair",
        mix: Mix::Pure,
        iterations: 50_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                let mut block = Vec::<u8>::with_capacity(black_box(LARGE_BYTES));
                for byte in block.spare_capacity_mut().iter_mut().step_by(PAGE_BYTES) {
                    byte.write(1);
                }
                black_box(block);
            }
            iterations
        })
    }
}
