//! Any owner map must pass these: random histories of slabs and large blocks against the naive oracle of `world.rs`.

use core::sync::atomic::Ordering::Relaxed;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{Extent, Kind, PAGES, Path, World, place, slab_blocks};
use crate::classes::{CLASS_BYTES, FIRST_PAGED_CLASS, FIRST_WIDE_CLASS, PAGE_BYTES, SMALL_CLASSES, slots_per_page};
use crate::protocol::Rows;
use crate::words::Word;

/// One step of a history. Numbers pick among what exists, so that every history is valid, and shrinks.
#[derive(Clone, Debug)]
enum Step {
    NewSlab {
        class: usize,
        first: usize,
    },
    End {
        pick: usize,
    },
    /// A slab in the place of another extent, and its first blocks.
    Renew {
        pick: usize,
        class: usize,
        tags: [u16; 2],
    },
    Hold {
        pick: usize,
        block: usize,
        tag: u16,
        path: Path,
    },
    /// Blocks one after the other, as a fresh slab hands them out.
    Fill {
        pick: usize,
        tag: u16,
        path: Path,
    },
    Free {
        pick: usize,
        block: usize,
    },
    /// Every n-th block.
    FreeSome {
        pick: usize,
        every: usize,
    },
    NewLarge {
        first: usize,
        pages: usize,
        tag: u16,
    },
    ShrinkLarge {
        pick: usize,
        by: usize,
    },
}

/// Few regions, so that pages become one region's again.
fn tag() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1_u16..=2, 1 => 3_u16..=5]
}

fn path() -> impl Strategy<Value = Path> {
    prop_oneof![3 => Just(Path::Registered), 1 => Just(Path::Slow)]
}

/// Few classes, so that the same one comes back to a page; all of them, so that each is tried.
fn class() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 20_usize..29, 2 => 29_usize..SMALL_CLASSES, 2 => 0_usize..SMALL_CLASSES]
}

/// Classes that fill one page, with rows that serve the others or not: two blocks start in it at least.
const ONE_PAGE: [usize; 5] = [8, 12, 16, 20, 24];

fn step() -> impl Strategy<Value = Step> {
    let pick = 0_usize..64;
    let block = 0_usize..4096;
    prop_oneof![
        3 => (class(), 0..PAGES).prop_map(|(class, first)| Step::NewSlab { class, first }),
        2 => pick.clone().prop_map(|pick| Step::End { pick }),
        2 => (pick.clone(), prop::sample::select(ONE_PAGE.as_slice()), [tag(), tag()])
            .prop_map(|(pick, class, tags)| Step::Renew { pick, class, tags }),
        8 => (pick.clone(), block.clone(), tag(), path())
            .prop_map(|(pick, block, tag, path)| Step::Hold { pick, block, tag, path }),
        4 => (pick.clone(), tag(), path()).prop_map(|(pick, tag, path)| Step::Fill { pick, tag, path }),
        4 => (pick.clone(), block).prop_map(|(pick, block)| Step::Free { pick, block }),
        3 => (pick.clone(), 1_usize..4).prop_map(|(pick, every)| Step::FreeSome { pick, every }),
        2 => (0..PAGES, 1_usize..6, tag()).prop_map(|(first, pages, tag)| Step::NewLarge { first, pages, tag }),
        1 => (pick, 1_usize..3).prop_map(|(pick, by)| Step::ShrinkLarge { pick, by }),
    ]
}

/// The blocks of a slab, and which of them are held.
fn blocks(extent: &Extent) -> Option<(usize, BTreeSet<usize>)> {
    match &extent.kind {
        Kind::Slab { class, held, .. } => Some((slab_blocks(*class), held.keys().copied().collect())),
        Kind::Large { .. } => None,
    }
}

fn apply(world: &mut World, step: &Step) {
    if let Step::NewSlab { class, first } = *step {
        return world.new_slab(class, first);
    }
    if let Step::NewLarge { first, pages, tag } = *step {
        return world.new_large(first, pages, tag);
    }
    let (Step::End { pick }
    | Step::Renew { pick, .. }
    | Step::Hold { pick, .. }
    | Step::Fill { pick, .. }
    | Step::Free { pick, .. }
    | Step::FreeSome { pick, .. }
    | Step::ShrinkLarge { pick, .. }) = *step
    else {
        return;
    };
    let Some(at) = pick.checked_rem(world.extents.len()) else { return };
    match *step {
        Step::End { .. } => return world.end(at),
        Step::Renew { class, tags, .. } => {
            let first = world.extents[at].first;
            world.end(at);
            world.new_slab(class, first);
            let at = world.extents.len() - 1;
            return (0..).zip(tags).for_each(|(block, tag)| world.hold(at, block, tag, Path::Registered));
        }
        Step::ShrinkLarge { by, .. } => return world.shrink_large(at, by),
        _ => {}
    }
    let Some((count, held)) = blocks(&world.extents[at]) else { return };
    match *step {
        Step::Hold { block, tag, path, .. } if !held.contains(&(block % count)) => {
            world.hold(at, block % count, tag, path);
        }
        Step::Fill { tag, path, .. } => {
            for block in (0..count).filter(|block| !held.contains(block)) {
                world.hold(at, block, tag, path);
            }
        }
        Step::Free { block, .. } if held.contains(&(block % count)) => world.free(at, block % count),
        Step::FreeSome { every, .. } => held.iter().step_by(every).for_each(|&block| world.free(at, block)),
        _ => {}
    }
}

/// Every held block names its owner, and every dead one its last owner while its page has its entries.
fn check_blocks(world: &World) {
    for (at, extent) in world.extents.iter().enumerate() {
        let Kind::Slab { class, held, dead } = &extent.kind else { continue };
        for (&block, &owner) in held {
            assert_eq!(world.found(at, block), owner, "block {block} of class {class}");
            check_pages(world, extent.first, *class, block, owner);
        }
        for (&block, &owner) in dead {
            if *class < FIRST_PAGED_CLASS {
                assert_eq!(world.found(at, block), owner, "dead block {block} of class {class}");
            }
        }
    }
    for (&page, &owner) in &world.last_owners {
        assert_eq!(world.word(page).low(), owner, "page {page} knows who had it to itself");
    }
}

/// The pages beyond its first say whose a held wide block is; a mixed page has a row of its class (I1).
fn check_pages(world: &World, first: usize, class: usize, block: usize, owner: u16) {
    let (page, offset) = place(first, class, block);
    if class < FIRST_PAGED_CLASS {
        if world.word(page).is_mixed() {
            assert_eq!(world.word(page).row().expect("a mixed page has a row").0, class, "(I1)");
        }
        assert_eq!(world.word(page).tail(), None, "blocks of class {class} end in no later page");
        return;
    }
    assert_eq!(world.word(page).tag(), owner);
    if class < FIRST_WIDE_CLASS {
        assert_eq!(world.word(page).tail(), None, "the block has its page to itself");
    }
    if class >= FIRST_WIDE_CLASS {
        let end = offset + CLASS_BYTES[class] as usize;
        for beyond in 1..end / PAGE_BYTES {
            assert_eq!(world.word(page + beyond).low(), owner, "a whole page of a wide block");
        }
        if !end.is_multiple_of(PAGE_BYTES) {
            assert_eq!(world.word(page + end / PAGE_BYTES).tail(), Some(owner), "where a wide block ends");
        }
    }
}

/// No row leaks, none has two pages, and a pure page's row repeats its tag (I2).
fn check_rows(world: &World) {
    let mut seen = BTreeSet::new();
    for page in 0..PAGES {
        let word = world.word(page);
        assert!(!word.is_clearing(), "nobody is clearing page {page}");
        let Some((class, row)) = word.row() else { continue };
        assert!(seen.insert(row.0), "{row:?} belongs to one page");
        if !word.is_mixed() {
            for slot in 0..slots_per_page(class) {
                assert_eq!(world.rows.entry(row, slot).load(Relaxed), word.tag(), "(I2) page {page} slot {slot}");
            }
        }
    }
    assert_eq!(world.rows.in_use(), seen.len(), "every row that is taken is some page's");
}

fn run(capacity: usize, stay: bool, steps: &[Step]) {
    let mut world = World::new(capacity, stay);
    for step in steps {
        apply(&mut world, step);
        check_blocks(&world);
        check_rows(&world);
    }
    while !world.extents.is_empty() {
        world.end(0);
    }
    check_rows(&world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_block_finds_its_owner_whatever_its_page_went_through(
        stay: bool,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(PAGES + 1, stay, &steps);
    }

    #[test]
    fn every_block_finds_what_it_was_charged_to_when_memory_for_rows_is_refused(
        capacity in 0_usize..3,
        stay: bool,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(capacity, stay, &steps);
    }
}

/// The histories above would prove little if pages hardly ever became mixed, or pure again.
#[test]
fn random_histories_meet_every_state_of_a_page() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let [mut mixed, mut pure_again, mut tails, mut shared_by_two, mut kept] = [0; 5];
    for stay in [false, true].repeat(100) {
        let steps = prop::collection::vec(step(), 60..120).new_tree(&mut runner).expect("a history").current();
        let mut world = World::new(PAGES + 1, stay);
        for step in &steps {
            let before = world.all_words();
            apply(&mut world, step);
            for (before, word) in before.into_iter().zip(world.all_words()) {
                mixed += usize::from(word.is_mixed());
                pure_again += usize::from(!word.is_mixed() && word.row().is_some());
                tails += usize::from(word.tail().is_some());
                shared_by_two += usize::from(word.tail().is_some_and(|tail| word.tag() != 0 && tail != word.tag()));
                let class_and_row = |word: Word| word.row().filter(|_| word.is_mixed());
                kept += usize::from(matches!(
                    (class_and_row(before), class_and_row(word)),
                    (Some((before, row)), Some((class, same))) if before != class && row == same
                ));
            }
        }
    }
    let states =
        [("mixed", mixed), ("pure again", pure_again), ("tail", tails), ("two", shared_by_two), ("kept its row", kept)];
    for (state, count) in states {
        assert!(count > 50, "{state}: {count}");
    }
}
