//! Blocks with a larger alignment than the allocator gives by itself.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, Random, Tagger, Workload};

workloads![Aligned];

const HELD: u32 = 10_000;
/// One iteration replaces this many blocks.
const BATCH: u64 = 100_000;
/// One block of so many is a page of a buffer pool, the others are cache lines.
const PAGE_EVERY: u32 = 32;

/// A value that has a cache line of its own, as queues and counters have.
#[repr(align(64))]
#[expect(dead_code, reason = "it is there to be allocated")]
struct Line([u8; 64]);

/// A page that is read into by direct I/O.
#[repr(align(4096))]
#[expect(dead_code, reason = "it is there to be allocated")]
struct Page([u8; 4096]);

#[expect(dead_code, reason = "it is there to be freed")]
enum Block {
    Line(Box<Line>),
    Page(Box<Page>),
}

/// 10,000 blocks aligned to 64 bytes or to a page, replaced at random.
pub struct Aligned;

impl Workload for Aligned {
    const INFO: Info = Info {
        id: "aligned",
        about: "10k blocks aligned to 64 B, each 32nd to 4 KiB, replaced at random",
        operation: "pair",
        mix: Mix::Pure,
        class: Class::Pattern,
        iterations: 40,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let _in = tagger.enter(0);
        let mut random = Random::new(9);
        let mut blocks: Vec<Block> = (0..HELD).map(|_| block(&mut random)).collect();
        let outcome = Outcome::time(|| {
            for _ in 0..iterations * BATCH {
                let slot = random.below(HELD);
                blocks[slot] = block(&mut random);
            }
            iterations * BATCH
        });
        black_box(blocks);
        outcome
    }
}

fn block(random: &mut Random) -> Block {
    if random.below(PAGE_EVERY) == 0 {
        Block::Page(black_box(Box::new(Page([1; 4096]))))
    } else {
        Block::Line(black_box(Box::new(Line([1; 64]))))
    }
}
