//! Live and total figures, in blocks, in requested and in usable bytes, against arithmetic.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use heapledger_alloc::{CLASS_BYTES, Flow, SMALL_CLASSES};
use heapledger_core::{OwnedRegion, RegionId};
use heapledger_tests::blocks::{Block, layout};
use heapledger_tests::books::{Balance, totals_of};

/// jemalloc's small size classes with 4 KiB pages, as its manual lists them.
const CLASSES: [u64; 36] = [
    8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792,
    2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336,
];
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn region(name: &str) -> OwnedRegion {
    OwnedRegion::new(format!("totals/{name}"))
}

/// Makes blocks in a region, and keeps the vector out of it.
fn blocks_in(region: RegionId, count: usize, each: impl Fn() -> Block) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(count);
    region.scope(|| blocks.extend((0..count).map(|_| each())));
    blocks
}

#[test]
fn the_classes_are_those_of_the_manual() {
    assert_eq!(SMALL_CLASSES, CLASSES.len());
    assert_eq!(CLASS_BYTES.map(u64::from), CLASSES);
}

#[test]
fn a_thousand_blocks_are_a_thousand_times_one_block() {
    let region = region("thousand");
    let mut blocks = blocks_in(*region, 1000, || Block::new(100));
    assert_eq!(Balance::of(*region), Balance::held(1000, 100, 112));
    blocks.truncate(600);
    assert_eq!(Balance::of(*region), Balance::held(600, 100, 112).and(Balance::passed(400, 100, 112)));
    drop(blocks);
    assert_eq!(Balance::of(*region), Balance::passed(1000, 100, 112));
}

#[test]
fn each_class_holds_sizes_from_one_more_than_the_class_below() {
    let region = region("classes");
    let mut expected = Balance::default();
    let mut below = 0;
    let mut blocks = Vec::with_capacity(2 * CLASSES.len());
    for class in CLASSES {
        for size in [below + 1, class] {
            blocks.push(region.scope(|| Block::new(usize::try_from(size).unwrap())));
            expected = expected.and(Balance::held(1, size, class));
        }
        below = class;
    }
    assert_eq!(Balance::of(*region), expected);
    let totals = totals_of(*region);
    assert!(totals.small_blocks.iter().all(|&flow| flow == Flow { allocated: 2, freed: 0 }));
    drop(blocks);
    let totals = totals_of(*region);
    assert!(totals.small_blocks.iter().all(|&flow| flow == Flow { allocated: 2, freed: 2 }));
}

#[test]
fn large_blocks_are_counted_apart_and_rounded_to_pages() {
    let region = region("large");
    // The first size beyond the small classes is served as 16 KiB; larger ones are rounded to 4 KiB.
    let sizes = [(14_337, 16 * KIB), (100_000, 25 * 4 * KIB), (MIB, MIB), (9 * MIB + 1, 9 * MIB + 4 * KIB)];
    let mut expected = Balance::default();
    let mut blocks = Vec::with_capacity(sizes.len());
    for (size, usable) in sizes {
        blocks.push(region.scope(|| Block::new(size)));
        expected = expected.and(Balance::held(1, size as u64, usable as u64));
    }
    assert_eq!(Balance::of(*region), expected);
    assert_eq!(totals_of(*region).large_blocks, Flow { allocated: 4, freed: 0 });
    drop(blocks);
    assert_eq!(totals_of(*region).large_blocks, Flow { allocated: 4, freed: 4 });
}

#[test]
fn alignment_rounds_the_usable_bytes_and_not_the_requested_ones() {
    let region = region("aligned");
    // (size, alignment, class): jemalloc rounds the size up to the alignment, and serves more than a page's from 16
    // KiB.
    let cases = [
        (24, 32, 32),
        (100, 64, 128),
        (1, 16, 16),
        (100, 4 * KIB, 4 * KIB),
        (5000, 4 * KIB, 8 * KIB),
        (1, 2 * MIB, 16 * KIB),
        (MIB, 2 * MIB, MIB),
    ];
    for (size, align, usable) in cases {
        let before = Balance::of(*region);
        let block = region.scope(|| Block::aligned(size, align));
        assert_eq!(block.address() % align, 0, "{size} at {align}");
        let held = Balance::held(1, size as u64, usable as u64);
        assert_eq!(Balance::of(*region), before.and(held), "{size} at {align}");
        drop(block);
        let passed = Balance::passed(1, size as u64, usable as u64);
        assert_eq!(Balance::of(*region), before.and(passed), "{size} at {align}");
    }
}

#[test]
fn a_block_of_no_bytes_is_a_block() {
    let region = region("nothing");
    let block = region.scope(|| Block::try_new(layout(0, 1)).unwrap());
    assert_eq!(Balance::of(*region), Balance::held(1, 0, 8));
    drop(block);
    assert_eq!(Balance::of(*region), Balance::passed(1, 0, 8));
    let mut block = region.scope(|| Block::try_zeroed(layout(0, 64)).unwrap());
    assert_eq!(Balance::of(*region), Balance::passed(1, 0, 8).and(Balance::held(1, 0, 64)));
    block.resize(10);
    // At an alignment of 64 ten bytes are served from the class of 64.
    let expected = Balance::passed(1, 0, 8).and(Balance::passed(1, 0, 64)).and(Balance::held(1, 10, 64));
    assert_eq!(Balance::of(*region), expected);
    block.resize(0);
    drop(block);
}

#[test]
fn zeroed_blocks_are_counted_like_others_and_are_zero() {
    let region = region("zeroed");
    // Dirty the memory that the next blocks of these sizes may get.
    for size in [100, 5000, 100_000] {
        let mut dirty = Block::new(size);
        dirty.fill(0xff);
    }
    let blocks = [100, 5000, 100_000].map(|size| region.scope(|| Block::zeroed(size)));
    assert!(blocks.iter().all(|block| block.is_filled_with(0)));
    let expected = Balance::held(1, 100, 112).and(Balance::held(1, 5000, 5120)).and(Balance::held(1, 100_000, 102_400));
    assert_eq!(Balance::of(*region), expected);
}

#[test]
fn resizing_frees_the_old_size_and_allocates_the_new_one() {
    let region = region("resized");
    let mut vector: Vec<u8> = region.scope(|| Vec::with_capacity(64));
    vector.reserve_exact(128);
    vector.reserve_exact(10_000);
    vector.reserve_exact(MIB);
    let passed = [(64, 64), (128, 128), (10_000, 10_240)];
    let passed = passed.iter().fold(Balance::default(), |sum, &(size, class)| sum.and(Balance::passed(1, size, class)));
    assert_eq!(Balance::of(*region), passed.and(Balance::held(1, MIB as u64, MIB as u64)));
    vector.shrink_to(1000);
    let shrunk = passed.and(Balance::passed(1, MIB as u64, MIB as u64));
    assert_eq!(Balance::of(*region), shrunk.and(Balance::held(1, 1000, 1024)));
    drop(vector);
    assert_eq!(Balance::of(*region), shrunk.and(Balance::passed(1, 1000, 1024)));
}

#[test]
fn a_block_stays_with_its_region_whoever_resizes_it() {
    let (owner, pusher) = (region("owner"), region("pusher"));
    for (size, class) in [(100, 112), (3000, 3072), (50_000, 53_248)] {
        let before = Balance::of(*owner);
        let mut block = owner.scope(|| Block::new(1));
        pusher.scope(|| block.resize(size));
        let passed = Balance::passed(1, 1, 8);
        assert_eq!(Balance::of(*owner), before.and(passed).and(Balance::held(1, size as u64, class)));
        std::thread::scope(|scope| {
            scope.spawn(|| pusher.scope(|| block.resize(1)));
        });
        pusher.scope(|| drop(block));
        let resized = Balance::passed(1, size as u64, class).and(Balance::passed(1, 1, 8));
        assert_eq!(Balance::of(*owner), before.and(passed).and(resized));
    }
    assert_eq!(Balance::of(*pusher), Balance::default());
}

#[test]
fn resized_blocks_keep_what_was_in_them() {
    let mut block = Block::new(1);
    block.fill(7);
    for size in [8, 100, 14_336, 14_337, 4 * MIB, 100_000, 4096, 10] {
        let kept = size.min(block.layout().size());
        block.resize(size);
        // SAFETY: the first `kept` bytes were written and survive a resize.
        let bytes = unsafe { std::slice::from_raw_parts(block.pointer(), kept) };
        assert!(bytes.iter().all(|&byte| byte == 7), "resized to {size}");
        block.fill(7);
    }
}

#[test]
fn a_free_credits_the_region_that_was_charged_from_any_thread_and_region() {
    let (owner, other) = (region("freed elsewhere"), region("frees"));
    let sizes = [10, 4096, 5000, 14_336, 200_000];
    let classes = [16, 4096, 5120, 14_336, 200_704];
    let mut blocks = Vec::with_capacity(sizes.len());
    owner.scope(|| blocks.extend(sizes.map(Block::new)));
    std::thread::spawn({
        let other = other.clone();
        move || other.scope(|| drop(blocks))
    })
    .join()
    .unwrap();
    let each = sizes.iter().zip(classes);
    let expected = each.fold(Balance::default(), |sum, (&size, class)| sum.and(Balance::passed(1, size as u64, class)));
    assert_eq!(Balance::of(*owner), expected);
    let other = Balance::of(*other);
    assert_eq!(other.blocks.allocated, 0);
    assert_eq!(other.blocks.freed, 0, "the vector was not of this region either");
}

#[test]
fn no_figure_is_negative_while_threads_allocate_and_free() {
    let region = region("negative");
    let stop = AtomicBool::new(false);
    let churn = || {
        while !stop.load(Relaxed) {
            let blocks = region.scope(|| [Block::new(40), Block::new(4000), Block::new(40_000)]);
            drop(blocks);
        }
    };
    // More than this many readings find nothing that these do not.
    const READINGS: usize = 3_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(churn);
        }
        for _ in 0..READINGS {
            let totals = totals_of(*region);
            let flows = totals.small_blocks.iter().copied();
            for flow in flows.chain([totals.requested_bytes, totals.large_blocks, totals.large_usable_bytes]) {
                assert!(flow.allocated >= flow.freed, "{flow:?}");
            }
        }
        stop.store(true, Relaxed);
    });
    let Balance { blocks, requested, usable } = Balance::of(*region);
    assert_eq!((blocks.live(), requested.live(), usable.live()), (0, 0, 0));
}
