//! Layouts that are wrong, at random: refused, or walked by, and never a fault. In a process of its own, which a fault
//! would end.
#![allow(unsafe_code, reason = "blocks that jemalloc gave are written")]

use heapledger_harness::{again, skipped};

use super::Roots;
use super::admission::admit_layout;
use super::arenas::classes;
use super::layouts::{LAYOUTS, Layout};
use super::maps::Maps;
use super::memory::emap_symbol;
use super::samples::Sample;
use crate::attribute::{Owners, PageOwner};
use crate::{ReadError, Walker};

const SEED: &str = "HEAPLEDGER_TEST_SEED";

/// Each costs jemalloc some samples, and each that is admitted a walk.
const LAYOUTS_TRIED: usize = 4_000;

/// Nobody owns a page.
struct Nobody;

impl Owners for Nobody {
    type Page = ();

    fn page(&self, _: usize) {}

    fn start_owner(&self, (): ()) -> PageOwner {
        PageOwner::Nobody
    }

    fn last_owner(&self, (): ()) -> PageOwner {
        PageOwner::Nobody
    }

    fn slot_owner(&self, (): (), _: usize, _: usize) -> Option<usize> {
        None
    }
}

/// A layout with a few fields changed, each to what it could be somewhere.
fn changed(random: &mut impl FnMut(usize) -> usize) -> Layout {
    let mut layout = LAYOUTS[random(LAYOUTS.len())];
    for _ in 0..1 + random(3) {
        match random(29) {
            0 => layout.root_offset = 8 * random(1 << 12),
            1 => layout.level_bits = [10 + random(12) as u32, 10 + random(10) as u32, random(12) as u32],
            2 => layout.height = 2 + random(2),
            3 => layout.compact = !layout.compact,
            4 => layout.leaf_bytes = 8 << random(3),
            5 => layout.lg_vaddr = 40 + random(20) as u32,
            6 => layout.leaf_state_shift = random(50) as u32,
            7 => layout.edata_align = 8 << random(8),
            8 => layout.edata_bits_offset = 8 * random(64),
            9 => layout.edata_addr_offset = 8 * random(64),
            10 => layout.edata_size_offset = 8 * random(64),
            11 => layout.edata_slab_offset = 8 * random(64),
            12 => layout.page_shift = 9 + random(13) as u32,
            13 => layout.debug = !layout.debug,
            14 => layout.node_bytes = 8 << random(3),
            15 => layout.leaf_edata_offset = 8 * random(4),
            16 => layout.leaf_metadata_offset = 8 * random(4),
            17 => layout.leaf_state_bits = 1 + random(8) as u32,
            18 => layout.edata_bytes = 8 << random(8),
            19 => layout.arena_bits = 1 + random(20) as u32,
            20 => layout.pai_shift = random(64) as u32,
            21 => layout.guarded_shift = random(64) as u32,
            22 => layout.szind_shift = random(56) as u32,
            23 => layout.szind_bits = 1 + random(8) as u32,
            24 => layout.nfree_shift = random(54) as u32,
            25 => layout.nfree_bits = 1 + random(10) as u32,
            26 => layout.bitmap_words = 1 + random(16),
            27 => layout.block_size_offset = 8 * random(16),
            _ => {
                layout.block_addr_offset = 8 * random(16);
                layout.block_rest_offset = 8 * random(16);
            }
        }
    }
    layout
}

/// Small blocks and large ones, written; every third one goes again.
fn heap() -> Vec<Sample> {
    let size = |number: usize| if number.is_multiple_of(50) { 20_000 + 700 * number } else { 8 + number % 3_000 };
    let mut blocks: Vec<Sample> = (0..2_000).filter_map(|number| Sample::new(size(number), 0)).collect();
    for block in &blocks {
        // SAFETY: the block has so many bytes, and nobody else knows of it.
        unsafe { std::ptr::write_bytes(block.address as *mut u8, 1, block.usable_bytes) };
    }
    let mut number = 0;
    blocks.retain(|_| {
        number += 1;
        number % 3 != 0
    });
    blocks
}

#[test]
fn wrong_layouts_are_refused_or_walked_by_and_nothing_faults() {
    let test = "read::wrong_layouts::a_process_with_wrong_layouts";
    // The same every time, and others.
    let now = std::time::UNIX_EPOCH.elapsed().map_or(2, |since| since.as_nanos() as u64);
    for seed in [1, now] {
        println!("seed {seed}");
        println!("{}", again::run(test, &[(SEED, &seed.to_string())]));
    }
}

#[test]
#[ignore = "a process of its own, which the other test starts"]
fn a_process_with_wrong_layouts() {
    let Some(mut state) = std::env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok()) else {
        return skipped("a_process_with_wrong_layouts", "it is started with a seed by another test");
    };
    let mut random = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let _blocks = heap();
    let mut maps = Maps::new().expect("buffers");
    let classes = classes().expect("size classes");
    let (mut refused, mut admitted, mut withdrawn) = (0, 0, 0);
    let mut walker = Walker::new().expect("buffers");
    for _ in 0..LAYOUTS_TRIED {
        let layouts: &'static [Layout] = vec![changed(&mut random)].leak();
        match admit_layout(Roots::system(), &mut maps, &classes, layouts, emap_symbol()) {
            Err(ReadError::NotAdmitted { step: "known answers", .. }) => refused += 1,
            Err(error) => panic!("{error}"),
            Ok(emap) => {
                admitted += 1;
                walker.prepare(1, 0).expect("buffers");
                walker.believe(emap);
                walker.walk(&Nobody, &[]).unwrap_or_else(|error| panic!("{error}: {:?}", emap.layout));
                withdrawn += usize::from(walker.result().heap.is_err());
            }
        }
    }
    println!("{refused} refused, {admitted} admitted and walked by, of which {withdrawn} were withdrawn by the walk");
    assert!(refused > LAYOUTS_TRIED / 4 && admitted > LAYOUTS_TRIED / 20, "each of the two is tried");
}
