//! Whose each page of a block is, while it lives and once it is freed.
//!
//! Prints a list of `{what, size, pages, wrong}`: how many pages were looked at, and how many were not the expected
//! region's.

use heapledger_alloc::{PageOwner, page_owner};
use heapledger_core::{Region, RegionId};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::os::jemalloc;
use crate::os::memory::PAGE_BYTES;

static A: Region = Region::new("a");
static B: Region = Region::new("b");

/// Small classes whose blocks reach beyond a page.
const WIDE_CLASSES: [usize; 7] = [5_120, 6_144, 7_168, 8_192, 10_240, 12_288, 14_336];
/// Sizes that get pages of their own: the smallest, one that is not a whole class, one beyond the ordinary arenas.
const LARGE_SIZES: [usize; 4] = [14_337, 100_000, (1 << 20) + 1, 9 << 20];
const BLOCKS: usize = 200;

/// The pages that lie wholly inside `bytes` from an address.
fn inner_pages(address: usize, bytes: usize) -> impl Iterator<Item = usize> {
    (address.div_ceil(PAGE_BYTES)..(address + bytes) / PAGE_BYTES).map(|page| page * PAGE_BYTES)
}

/// The pages that `bytes` from an address touch.
fn all_pages(address: usize, bytes: usize) -> impl Iterator<Item = usize> {
    (address / PAGE_BYTES..(address + bytes).div_ceil(PAGE_BYTES)).map(|page| page * PAGE_BYTES)
}

/// What is printed in the end: until then nothing may allocate, or it would take pages that are asked about.
struct Case {
    what: &'static str,
    size: usize,
    pages: u64,
    wrong: u64,
}

fn case(what: &'static str, size: usize, pages: impl Iterator<Item = usize>, owner: RegionId) -> Case {
    let mut case = Case { what, size, pages: 0, wrong: 0 };
    for page in pages {
        case.pages += 1;
        case.wrong += u64::from(page_owner(page) != PageOwner::Region(owner.index()));
    }
    case
}

/// Runs of neighbouring blocks, as address and bytes.
fn runs(blocks: &[Block]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<_> = blocks.iter().map(|block| (block.address(), block.layout().size())).collect();
    ranges.sort_unstable();
    ranges.dedup_by(|next, run| {
        let touches = run.0 + run.1 == next.0;
        run.1 += if touches { next.1 } else { 0 };
        touches
    });
    ranges
}

/// Blocks of one region fill their slabs: every page that they cover is the region's, also where two of them share one.
/// A page of which part is no block's yet may still name, for that part, who had it before.
fn one_region(size: usize, cases: &mut Vec<Case>) {
    let blocks: Vec<Block> = A.scope(|| (0..BLOCKS).map(|_| Block::new(size)).collect());
    let runs = runs(&blocks);
    let pages = || runs.iter().flat_map(|&(address, bytes)| inner_pages(address, bytes));
    cases.push(case("live", size, pages(), *A));
    drop(blocks);
    cases.push(case("freed", size, pages(), *A));
    jemalloc::flush_thread_cache();
    cases.push(case("flushed", size, pages(), *A));
}

/// Blocks of two regions lie side by side, and those of `b` are freed by a thread that is in neither.
fn two_regions(size: usize, cases: &mut Vec<Case>) {
    let blocks: Vec<(Block, RegionId)> = (0..BLOCKS)
        .map(|number| {
            let region = if number % 2 == 0 { *A } else { *B };
            (region.scope(|| Block::new(size)), region)
        })
        .collect();
    let places: Vec<(usize, RegionId)> = blocks.iter().map(|(block, region)| (block.address(), *region)).collect();
    drop(blocks);
    for owner in [*A, *B] {
        let owned = places.iter().filter(|(_, region)| *region == owner);
        let pages = owned.flat_map(|&(address, _)| inner_pages(address, size));
        cases.push(case("beside another region's", size, pages, owner));
    }
    jemalloc::flush_thread_cache();
}

fn large(size: usize, cases: &mut Vec<Case>) {
    let block = A.scope(|| Block::new(size));
    let address = block.address();
    drop(block);
    cases.push(case("large, freed", size, all_pages(address, size), *A));
    jemalloc::flush_thread_cache();
    let block = B.scope(|| Block::new(size));
    let address = block.address();
    A.scope(|| drop(block));
    cases.push(case("large, of b, freed in a", size, all_pages(address, size), *B));
    jemalloc::flush_thread_cache();
}

/// A large block that shrinks leaves pages behind; one that grows takes some.
fn resized(cases: &mut Vec<Case>) {
    const BIG: usize = 4 << 20;
    const LITTLE: usize = 64 << 10;
    let mut block = A.scope(|| Block::new(BIG));
    let before = block.address();
    B.scope(|| block.resize(LITTLE));
    cases.push(case("cut off", BIG, inner_pages(before + LITTLE, BIG - LITTLE), *A));
    B.scope(|| block.resize(BIG));
    let after = block.address();
    cases.push(case("left by growing", LITTLE, all_pages(before, LITTLE), *A));
    drop(block);
    cases.push(case("grown and freed", BIG, all_pages(after, BIG), *A));
    jemalloc::flush_thread_cache();
}

/// A slab's pages are given back and become slabs of another class in another region. Runs first: in a heap without
/// other free pages these are the ones that jemalloc takes.
fn reused(cases: &mut Vec<Case>) {
    const LITTLE: usize = 48;
    let count = BLOCKS * 14_336 / LITTLE;
    // All room that this function needs, so that it takes none of the pages it looks at.
    let mut first: Vec<Block> = Vec::with_capacity(BLOCKS);
    let mut second: Vec<Block> = Vec::with_capacity(count);
    let mut pages: Vec<usize> = Vec::with_capacity(5 * BLOCKS);
    let mut taken: Vec<usize> = Vec::with_capacity(count);
    A.scope(|| first.extend((0..BLOCKS).map(|_| Block::new(14_336))));
    for (address, bytes) in runs(&first) {
        pages.extend(inner_pages(address, bytes));
    }
    first.clear();
    jemalloc::flush_thread_cache();
    B.scope(|| second.extend((0..count).map(|_| Block::new(LITTLE))));
    taken.extend(second.iter().map(|block| block.address() / PAGE_BYTES * PAGE_BYTES));
    taken.sort_unstable();
    let taken = &taken;
    let of = |again: bool| pages.iter().copied().filter(move |page| taken.binary_search(page).is_ok() == again);
    cases.push(case("used again by b", LITTLE, of(true), *B));
    cases.push(case("not used again", 14_336, of(false), *A));
}

pub(super) fn run(_: &Options) -> Value {
    let mut cases = Vec::with_capacity(64);
    reused(&mut cases);
    for size in WIDE_CLASSES {
        one_region(size, &mut cases);
        two_regions(size, &mut cases);
    }
    for size in LARGE_SIZES {
        large(size, &mut cases);
    }
    resized(&mut cases);
    let print = |case: &Case| json!({ "what": case.what, "size": case.size, "pages": case.pages, "wrong": case.wrong });
    cases.iter().map(print).collect()
}
