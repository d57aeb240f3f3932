//! Blocks that the allocator zeroes.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Zeroed];

/// So many tables live at a time.
const HELD: u32 = 256;
const SMALLEST_BYTES: u32 = 64;
const LARGEST_BYTES: u32 = 256 << 10;
/// One iteration replaces this many tables.
const BATCH: u64 = 1_000;
/// A table is used sparsely: one entry of each so many bytes is written.
const WRITTEN_EVERY: usize = 16 << 10;

/// 256 tables made by `vec![0; n]` and used sparsely, replaced at random: an allocator that does not forward
/// `alloc_zeroed` writes every byte of them.
pub struct Zeroed;

impl Workload for Zeroed {
    const INFO: Info = Info {
        id: "zeroed",
        about: "256 zeroed tables of 64 B to 256 KiB, used sparsely, replaced at random",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 48,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        let mut random = Random::new(8);
        let mut tables: Vec<Vec<u8>> = (0..HELD).map(|_| table(&mut random)).collect();
        let outcome = Outcome::time(|| {
            for _ in 0..iterations * BATCH {
                let slot = random.below(HELD);
                tables[slot] = table(&mut random);
            }
            iterations * BATCH
        });
        black_box(tables);
        outcome
    }
}

fn table(random: &mut Random) -> Vec<u8> {
    // Each power of two is as likely as another, as sizes of hash tables are.
    let bits = random.between(SMALLEST_BYTES.ilog2(), LARGEST_BYTES.ilog2());
    let mut table = black_box(vec![0_u8; 1 << bits]);
    for entry in table.iter_mut().step_by(WRITTEN_EVERY) {
        *entry = 1;
    }
    table
}
