//! A process of its own: many small blocks of five regions, and what is left of them.
#![cfg(target_os = "linux")]

mod support;

use heapledger_alloc::{CLASS_BYTES, Ledger};
use heapledger_core::Region;
use heapledger_probe::Walker;
use support::{exact, heap};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static REGIONS: [Region; 5] =
    [Region::new("a"), Region::new("b"), Region::new("c"), Region::new("d"), Region::new("e")];

const BLOCKS: usize = 300_000;
const SIZES: [usize; 8] = [8, 24, 64, 200, 256, 700, 3000, 9000];
/// One block in so many stays.
const KEPT: u64 = 20;

/// Numbers that look random and are the same in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What each region has allocated by the walk is what it lives by the counters, and what threads cache: the sum was
/// compared with jemalloc's; for each region and class by itself, cached blocks are bounded by what the statistics say.
fn assert_regions(taken: &support::Taken) {
    let cached = taken.stats.tcache_bytes + taken.stats.tcache_stashed_bytes + taken.stats.internal_bytes;
    let mut beyond = 0;
    for (index, (pages, totals)) in heap(taken).regions.iter().zip(&taken.totals).enumerate() {
        for ((small, blocks), bytes) in pages.small.iter().zip(&totals.small_blocks).zip(CLASS_BYTES) {
            let (walked, live) = (small.allocated_slots, blocks.live());
            assert!(walked >= live, "region {index}, {bytes} bytes: {walked} slots and {live} live blocks");
            beyond += (walked - live) * u64::from(bytes);
        }
        assert!(pages.large.usable_bytes >= totals.large_usable_bytes.live(), "region {index}");
    }
    assert!(beyond <= cached, "{beyond} cached in regions, {cached} in all");
}

#[test]
fn small_blocks_of_five_regions_stand_with_their_regions() {
    let mut walker = Walker::new().expect("buffers");
    let mut state = 88_172_645_463_325_252;
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    for index in 0..BLOCKS {
        // Long stretches of one region, so that pages are pure, and short ones, so that they are mixed.
        let region = if index < BLOCKS / 2 { index / 1000 } else { next(&mut state) as usize } % REGIONS.len();
        let size = SIZES[next(&mut state) as usize % SIZES.len()];
        blocks.push(REGIONS[region].scope(|| vec![1; size]));
    }
    let taken = support::take(&mut walker);
    println!("{BLOCKS} blocks\n{}", support::describe(&taken));
    support::assert_quiet(&taken);
    assert_regions(&taken);

    for block in &mut blocks {
        if !next(&mut state).is_multiple_of(KEPT) {
            *block = Vec::new();
        }
    }
    for round in 0..2 {
        let taken = support::take(&mut walker);
        println!("1 in {KEPT} left, {round}\n{}", support::describe(&taken));
        support::assert_quiet(&taken);
        assert_regions(&taken);
        let slabs = heap(&taken).slabs;
        assert!(exact(slabs.free_resident) > exact(slabs.resident) / 2, "most slots are free");
        let alone: u64 = heap(&taken).regions.iter().map(|region| exact(region.free_pinned_alone)).sum();
        assert!(alone + exact(slabs.free_shared_resident) <= exact(slabs.free_resident));
    }
}
