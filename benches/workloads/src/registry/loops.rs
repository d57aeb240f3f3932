//! One block at a time: the shortest path of an allocator and nothing else.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![Loop64, Box64, Loop1M, Loop64M, Loop1MBare, Loop64MBare];

const PAGE_BYTES: usize = 4096;
/// More blocks of 64 bytes than a thread caches.
const HELD_BLOCKS: usize = 1000;
const LARGE_BYTES: usize = 1 << 20;
const HUGE_BYTES: usize = 64 << 20;

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
        class: Class::Pattern,
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

/// A box of 64 bytes made and dropped in a tight loop. What `Box` does is small and inlined in every build, where of `Vec`
/// the compiler may inline one part or another: of all workloads this has least in it that is not the allocator's.
pub struct Box64;

impl Workload for Box64 {
    const INFO: Info = Info {
        id: "box64",
        about: "a box of 64 B made and dropped in a tight loop",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 20_000_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        // As in `loop64`.
        let held: Vec<Box<[u64; 8]>> = (0..HELD_BLOCKS).map(|_| Box::new(black_box([0; 8]))).collect();
        let outcome = Outcome::time(|| {
            for _ in 0..iterations {
                black_box(Box::new(black_box([0_u64; 8])));
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
        class: Class::Pattern,
        iterations: 50_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        pages_written(tagger, LARGE_BYTES, iterations)
    }
}

/// 64 MiB allocated, one byte of each of its pages written, freed: beyond jemalloc's `oversize_threshold`, so that the
/// pages go back to the kernel at each free and are faulted in again.
pub struct Loop64M;

impl Workload for Loop64M {
    const INFO: Info = Info {
        id: "loop64m",
        about: "64 MiB allocated, every page written, freed",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 4,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        pages_written(tagger, HUGE_BYTES, iterations)
    }
}

/// 1 MiB allocated and freed untouched: the block's own cost, which a program that uses it hardly sees.
pub struct Loop1MBare;

impl Workload for Loop1MBare {
    const INFO: Info = Info {
        id: "loop1m_bare",
        about: "1 MiB allocated and freed, nothing written",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 300_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        untouched(tagger, LARGE_BYTES, iterations)
    }
}

/// 64 MiB allocated and freed untouched.
pub struct Loop64MBare;

impl Workload for Loop64MBare {
    const INFO: Info = Info {
        id: "loop64m_bare",
        about: "64 MiB allocated and freed, nothing written",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 40_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        untouched(tagger, HUGE_BYTES, iterations)
    }
}

fn pages_written<T: Tagger>(tagger: T, bytes: usize, iterations: u64) -> Outcome {
    let _in = tagger.enter(0);
    Outcome::time(|| {
        for _ in 0..iterations {
            let mut block = Vec::<u8>::with_capacity(black_box(bytes));
            for byte in block.spare_capacity_mut().iter_mut().step_by(PAGE_BYTES) {
                byte.write(1);
            }
            black_box(block);
        }
        iterations
    })
}

fn untouched<T: Tagger>(tagger: T, bytes: usize, iterations: u64) -> Outcome {
    let _in = tagger.enter(0);
    Outcome::time(|| {
        for _ in 0..iterations {
            black_box(Vec::<u8>::with_capacity(black_box(bytes)));
        }
        iterations
    })
}
