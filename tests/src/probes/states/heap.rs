//! States of the heap.

use std::hint::black_box;

use heapledger_core::Region;
use serde_json::{Value, json};

use super::{Facts, one, two};
use crate::os::jemalloc;
use crate::probes::Options;
use crate::random::Random;

static A: Region = Region::new("a");
static B: Region = Region::new("b");
static C: Region = Region::new("c");
static D: Region = Region::new("d");
static E: Region = Region::new("e");
static REGIONS: [&Region; 5] = [&A, &B, &C, &D, &E];

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// Blocks of 1 MiB, all of them written.
fn mebibytes(count: usize) -> Vec<Vec<u8>> {
    A.scope(|| (0..count).map(|_| vec![1_u8; MIB]).collect())
}

/// Option `mib`: so many blocks of 1 MiB.
pub(in crate::probes) fn large(options: &Options) -> Value {
    let blocks = mebibytes(options.count("mib"));
    let done = two(&Facts::new());
    drop(blocks);
    done
}

/// The same, freed and given back.
pub(in crate::probes) fn purged(options: &Options) -> Value {
    drop(mebibytes(options.count("mib")));
    jemalloc::purge();
    two(&Facts::new())
}

/// `count` blocks of 16 to 512 bytes in five regions: the first half in long stretches of one region, so that pages are
/// pure, the second half in any order, so that they are mixed. Each is written.
fn small_blocks(count: usize) -> Vec<Box<[u8]>> {
    let mut random = Random::new(7);
    let mut blocks = Vec::with_capacity(count);
    for index in 0..count {
        let region = if index < count / 2 { index / 1000 % REGIONS.len() } else { random.below(REGIONS.len()) };
        let size = 16 + random.below(497);
        blocks.push(REGIONS[region].scope(|| vec![1_u8; size].into_boxed_slice()));
    }
    blocks
}

/// Option `blocks`: so many small blocks.
pub(in crate::probes) fn small(options: &Options) -> Value {
    let blocks = small_blocks(options.count("blocks"));
    let done = two(&Facts::new());
    drop(blocks);
    done
}

/// The same, of which one in 20 is left, chosen at random.
pub(in crate::probes) fn thinned(options: &Options) -> Value {
    let mut blocks = small_blocks(options.count("blocks"));
    let mut random = Random::new(95);
    for block in &mut blocks {
        if random.below(20) != 0 {
            *block = Box::default();
        }
    }
    let done = two(&Facts::new());
    drop(blocks);
    done
}

/// A GiB of zeroes that nobody looks at.
pub(in crate::probes) fn untouched(_: &Options) -> Value {
    let zeroes = A.scope(|| vec![0_u8; GIB]);
    let done = two(&Facts::new());
    black_box(&zeroes);
    done
}

/// The same, of which the first half is read.
pub(in crate::probes) fn half_read(_: &Options) -> Value {
    let zeroes = A.scope(|| vec![0_u8; GIB]);
    black_box(zeroes[..GIB / 2].iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
    let done = two(&Facts::new());
    black_box(&zeroes);
    done
}

/// About 100 MiB of all sizes in two regions, and then a tenth of it.
fn some_of_everything() -> Vec<Vec<u8>> {
    let mut random = Random::new(3);
    let mut blocks = Vec::new();
    for index in 0..40_000_usize {
        let region = if index.is_multiple_of(3) { &A } else { &B };
        blocks.push(region.scope(|| vec![1_u8; 1 + random.below(3_000)]));
    }
    blocks.extend((1..40).map(|size| A.scope(|| vec![1_u8; size * 100_000])));
    blocks
}

fn keep_one_in_ten(blocks: &mut Vec<Vec<u8>>) {
    let mut index = 0;
    blocks.retain(|_| {
        index += 1;
        index % 10 == 0
    });
}

/// Some of everything, of which one in ten is left.
pub(in crate::probes) fn mixed(_: &Options) -> Value {
    let mut blocks = some_of_everything();
    keep_one_in_ten(&mut blocks);
    let done = two(&Facts::new());
    drop(blocks);
    done
}

/// The same, once everything that is due by the decay times is done; they are short and `-1`.
pub(in crate::probes) fn muzzy(_: &Options) -> Value {
    let mut blocks = some_of_everything();
    keep_one_in_ten(&mut blocks);
    while jemalloc::statistic(c"stats.arenas.4096.pdirty") > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
        jemalloc::decay();
    }
    let done = two(&Facts::new());
    drop(blocks);
    done
}

/// Some of everything, a tenth of it, nothing: two statements at each.
pub(in crate::probes) fn mixed_to_the_end(_: &Options) -> Value {
    let facts = Facts::new();
    let mut blocks = some_of_everything();
    one(&facts);
    one(&facts);
    keep_one_in_ten(&mut blocks);
    one(&facts);
    one(&facts);
    drop(blocks);
    one(&facts);
    one(&facts);
    json!({ "done": true })
}
