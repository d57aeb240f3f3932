//! One part of a program fills the heap and leaves it; another one then lives on the pages that the first one freed.

use std::hint::black_box;
use std::mem::MaybeUninit;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Phase];

/// Together about 200 MB at the mean size of 264 bytes.
const OBJECTS: u64 = 760_000;
const SMALLEST_BYTES: u32 = 16;
const LARGEST_BYTES: u32 = 512;

/// Region A fills 200 MB with small objects of mixed sizes and frees all; then region B does the same, four times,
/// timed.
pub struct Phase;

impl Workload for Phase {
    const INFO: Info = Info {
        id: "phase",
        about: "A fills 200 MB of small blocks and frees all, then B fills and frees 4 times (timed)",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 4,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        // Allocated before any region is entered, so that the blocks of the phases are all that A and B own.
        let mut objects = Vec::with_capacity(OBJECTS as usize);
        let mut random = Random::new(4);
        {
            let _in = tagger.enter(0);
            fill_and_free(&mut objects, &mut random);
        }
        let _in = tagger.enter(1);
        Outcome::time(|| {
            for _ in 0..iterations {
                fill_and_free(&mut objects, &mut random);
            }
            iterations * OBJECTS
        })
    }
}

fn fill_and_free(objects: &mut Vec<Box<[MaybeUninit<u8>]>>, random: &mut Random) {
    for _ in 0..OBJECTS {
        let mut object = Box::new_uninit_slice(random.between(SMALLEST_BYTES, LARGEST_BYTES));
        object[0].write(1);
        objects.push(object);
    }
    black_box(&mut *objects).clear();
}
