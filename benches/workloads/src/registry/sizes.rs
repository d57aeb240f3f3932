//! Blocks of the sizes that real programs ask for.

use std::hint::black_box;
use std::mem::MaybeUninit;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Sizes];

const HELD: u32 = 50_000;
/// One iteration replaces this many blocks.
const BATCH: u64 = 100_000;

/// Sizes and how many allocations of a thousand are at most so large and larger than the line before: the mean of the
/// shares measured in json, btree and syn of this registry, each program counting alike, and one of a thousand for each
/// of the last three, which are rare there but not in programs with buffers.
const SHARES: &[(u32, u32)] = &[
    (8, 435),
    (16, 55),
    (24, 31),
    (32, 91),
    (48, 61),
    (64, 74),
    (96, 121),
    (128, 37),
    (192, 19),
    (256, 9),
    (384, 29),
    (512, 4),
    (1024, 29),
    (2048, 2),
    (4096, 1),
    (16384, 1),
    (65536, 1),
];

/// 50,000 blocks of 1 B to 64 KiB, replaced at random.
pub struct Sizes;

impl Workload for Sizes {
    const INFO: Info = Info {
        id: "sizes",
        about: "50k blocks of 1 B to 64 KiB, in the shares that real programs ask for, replaced at random",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 60,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        let mut random = Random::new(16);
        let ranges = ranges();
        let mut blocks: Vec<Box<[MaybeUninit<u8>]>> = (0..HELD).map(|_| block(&ranges, &mut random)).collect();
        let outcome = Outcome::time(|| {
            for _ in 0..iterations * BATCH {
                let slot = random.below(HELD);
                blocks[slot] = block(&ranges, &mut random);
            }
            iterations * BATCH
        });
        black_box(blocks);
        outcome
    }
}

/// The range of sizes for each of a thousand draws.
fn ranges() -> Vec<(u32, u32)> {
    let mut low = 1;
    let mut ranges = Vec::new();
    for &(high, share) in SHARES {
        ranges.extend((0..share).map(|_| (low, high)));
        low = high + 1;
    }
    ranges
}

fn block(ranges: &[(u32, u32)], random: &mut Random) -> Box<[MaybeUninit<u8>]> {
    let (low, high) = ranges[random.below(ranges.len() as u32)];
    let mut block = Box::new_uninit_slice(random.between(low, high));
    block[0].write(1);
    black_box(block)
}

#[cfg(test)]
mod tests {
    use super::SHARES;

    #[test]
    fn the_shares_are_those_of_a_thousand_and_the_sizes_rise() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u32>(), 1_000);
        assert!(SHARES.is_sorted_by(|low, high| low.0 < high.0));
    }
}
