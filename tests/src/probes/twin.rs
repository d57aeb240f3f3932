//! One program for two allocators: blocks of all sizes come, are resized and go, in a course that never varies.
//!
//! Option `regions`: 1 = it runs through named regions. Option `extra`: so many blocks more at the end, for the test of
//! the test. Prints jemalloc's statistics and how many resized blocks moved.

use std::alloc::Layout;
use std::hint::black_box;

use heapledger_core::{Region, is_installed};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::os::jemalloc;
use crate::random::Random;

const STEPS: usize = 120_000;
/// Places for blocks; about half of them are taken at any time.
const PLACES: usize = 3_000;
/// Steps between two changes of region.
const STRETCH: usize = 24;

static REGIONS: [Region; 4] =
    [Region::new("weights"), Region::new("tokens"), Region::new("cache"), Region::new("cache/a")];

/// What the ledger allocates of its own for the first regions: a page each for their names, for what it knows of them, and
/// for their ids.
const PAGES: usize = 3;
const PAGE_BYTES: usize = 4096;

/// Names the regions, or does to the heap what naming them does: this is the whole difference between the twins.
fn name_regions() {
    if is_installed() {
        for region in &REGIONS {
            black_box(region.index());
        }
        // What a program without a ledger does to find that out.
        drop(black_box(Box::new(0_u8)));
        return;
    }
    for _ in 0..PAGES {
        black_box(Box::leak(Box::new([0_u64; PAGE_BYTES / 8])));
    }
}

/// The next request: mostly small, some up to 10 MiB, which is beyond what jemalloc serves from its ordinary arenas.
fn request(random: &mut Random) -> Layout {
    let size = match random.below(100) {
        0..70 => 1 + random.below(512),
        70..90 => 1 + random.below(16 << 10),
        90..98 => 1 + random.below(256 << 10),
        _ => 1 + random.below(10 << 20),
    };
    let align = match random.below(64) {
        0 => 2 << 20,
        1 => 4096,
        2..8 => 32 << random.below(6),
        _ => 1 << random.below(5),
    };
    layout(size, align)
}

/// One step at one place; returns whether a resized block moved.
fn step(place: &mut Option<Block>, random: &mut Random) -> bool {
    match place {
        None => {
            let wanted = request(random);
            let zeroed = random.below(4) == 0;
            *place = if zeroed { Block::try_zeroed(wanted) } else { Block::try_new(wanted) };
            assert!(place.is_some(), "there is memory for the twins");
            false
        }
        Some(block) if random.below(3) == 0 => {
            // Half of the resizes stay near, so that some of them need not move.
            let near = block.layout().size() * (50 + random.below(100)) / 100;
            let new_size = if random.below(2) == 0 { near.max(1) } else { request(random).size() };
            block.resize(new_size)
        }
        Some(_) => {
            *place = None;
            false
        }
    }
}

pub(super) fn run(options: &Options) -> Value {
    let with_regions = options.get("regions") == 1;
    if with_regions {
        name_regions();
    }
    let mut random = Random::new(7);
    let mut places: Vec<Option<Block>> = (0..PLACES).map(|_| None).collect();
    let mut moved = 0;
    for stretch in 0..STEPS / STRETCH {
        let mut go = || {
            for _ in 0..STRETCH {
                let place = random.below(PLACES);
                moved += u64::from(step(&mut places[place], &mut random));
            }
        };
        if with_regions { REGIONS[stretch % REGIONS.len()].scope(go) } else { go() }
    }
    let extra: Vec<Block> = (0..options.count("extra")).map(|_| Block::new(100)).collect();
    let statistics = jemalloc::statistics();
    drop(extra);
    let statistics: Value = serde_json::from_str(statistics).expect("jemalloc writes JSON");
    json!({ "moved": moved, "jemalloc": statistics["jemalloc"] })
}
