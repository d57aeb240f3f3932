//! Which region is in force on a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use heapledger_core::{Guard, OwnedRegion, Region, RegionId, current, reset_thread};
use heapledger_tests::blocks::Block;
use heapledger_tests::books::Balance;
use heapledger_tests::random::Random;

static A: Region = Region::new("guards/a");
static B: Region = Region::new("guards/b");
static C: Region = Region::new("guards/c");

/// How many guards of a thread may be dropped in any order.
const STACK_ENTRIES: usize = 64;

fn regions(count: usize, prefix: &str) -> Vec<OwnedRegion> {
    (0..count).map(|number| OwnedRegion::new(format!("guards/{prefix}/{number}"))).collect()
}

#[test]
fn a_guard_puts_its_region_in_force_and_its_drop_the_one_before() {
    assert_eq!(current(), RegionId::UNTAGGED);
    let outer = A.enter();
    assert_eq!(current(), *A);
    B.scope(|| assert_eq!(current(), *B));
    assert_eq!(current(), *A);
    drop(outer);
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn a_guard_that_is_not_on_top_leaves_the_top_in_force() {
    let (a, b, c) = (A.enter(), B.enter(), C.enter());
    drop(b);
    assert_eq!(current(), *C);
    drop(c);
    assert_eq!(current(), *A, "b was removed from under c");
    drop(a);
    assert_eq!(current(), RegionId::UNTAGGED);

    let (a, b) = (A.enter(), B.enter());
    drop(a);
    assert_eq!(current(), *B);
    let c = C.enter();
    drop(b);
    assert_eq!(current(), *C);
    drop(c);
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn allocations_follow_the_guard_on_top() {
    let (a, b) = (OwnedRegion::new("guards/follow/a"), OwnedRegion::new("guards/follow/b"));
    let in_a = a.enter();
    let first = Block::new(100);
    let in_b = b.enter();
    drop(in_a);
    let second = Block::new(100);
    drop(in_b);
    let third = Block::new(100);
    assert_eq!(Balance::of(*a), Balance::held(1, 100, 112));
    assert_eq!(Balance::of(*b), Balance::held(1, 100, 112));
    drop((first, second, third));
}

#[test]
fn up_to_sixty_four_guards_may_be_dropped_in_any_order() {
    let regions = regions(20, "any order");
    let mut random = Random::new(1);
    // The model: each guard in the order of entering, `None` where one was dropped below the top.
    let mut model: Vec<Option<(Guard, RegionId)>> = Vec::new();
    for _ in 0..50_000 {
        if model.len() < STACK_ENTRIES && random.below(2) == 0 {
            let region = &regions[random.below(regions.len())];
            model.push(Some((region.enter(), **region)));
        } else if !model.is_empty() {
            let place = random.below(model.len());
            model[place] = None;
            while model.last().is_some_and(Option::is_none) {
                model.pop();
            }
        }
        let top = model.last().and_then(Option::as_ref).map_or(RegionId::UNTAGGED, |(_, region)| *region);
        assert_eq!(current(), top);
    }
}

#[test]
fn guards_may_be_nested_far_beyond_sixty_four() {
    let regions = regions(7, "deep");
    let mut guards = Vec::new();
    for depth in 0..1_000 {
        guards.push(regions[depth % 7].enter());
        assert_eq!(current(), *regions[depth % 7]);
    }
    for depth in (0..1_000).rev() {
        assert_eq!(current(), *regions[depth % 7]);
        guards.pop();
    }
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn once_the_guards_beyond_sixty_four_are_gone_the_stack_is_right_in_whatever_order_they_went() {
    let regions = regions(7, "deep, any order");
    let mut random = Random::new(2);
    for _ in 0..200 {
        let mut shallow: Vec<Guard> = (0..STACK_ENTRIES).map(|depth| regions[depth % 7].enter()).collect();
        let mut deep: Vec<Guard> = (0..10).map(|depth| regions[depth % 7].enter()).collect();
        while !deep.is_empty() {
            drop(deep.swap_remove(random.below(deep.len())));
        }
        assert_eq!(current(), *regions[(STACK_ENTRIES - 1) % 7]);
        while !shallow.is_empty() {
            drop(shallow.swap_remove(random.below(shallow.len())));
        }
        assert_eq!(current(), RegionId::UNTAGGED);
    }
}

#[test]
fn a_guard_dropped_from_under_the_deep_ones_is_gone_when_they_are() {
    let regions = regions(3, "under deep");
    let mut guards: Vec<Guard> = (0..STACK_ENTRIES).map(|depth| regions[depth % 2].enter()).collect();
    let deep = regions[2].enter();
    drop(guards.pop());
    assert_eq!(current(), *regions[2]);
    drop(deep);
    assert_eq!(current(), *regions[(STACK_ENTRIES - 2) % 2]);
}

#[test]
fn a_leaked_guard_leaves_the_thread_in_its_region_until_the_thread_is_reset() {
    std::mem::forget(A.enter());
    let inner = B.enter();
    drop(inner);
    assert_eq!(current(), *A);
    reset_thread();
    assert_eq!(current(), RegionId::UNTAGGED);
    B.scope(|| assert_eq!(current(), *B));
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn a_guard_that_outlives_a_reset_does_nothing_any_more() {
    let old: Vec<Guard> = (0..STACK_ENTRIES + 3).map(|_| A.enter()).collect();
    reset_thread();
    let new: Vec<Guard> = (0..STACK_ENTRIES + 3).map(|_| B.enter()).collect();
    drop(old);
    assert_eq!(current(), *B);
    drop(new);
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn a_panic_leaves_its_scopes() {
    let outer = A.enter();
    let caught = catch_unwind(AssertUnwindSafe(|| B.scope(|| C.scope(|| panic!("in c")))));
    assert!(caught.is_err());
    assert_eq!(current(), *A);
    drop(outer);
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn new_threads_start_untagged_and_leave_their_parent_where_it_is() {
    let _in_a = A.enter();
    let (before, within) = std::thread::scope(|scope| {
        let thread = scope.spawn(|| (current(), B.scope(current)));
        thread.join().unwrap()
    });
    assert_eq!((before, within), (RegionId::UNTAGGED, *B));
    assert_eq!(current(), *A);
}
