//! `reassign_to`: all blocks of a region at once, whoever holds them, while both regions are in use.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use heapledger_alloc::{PageOwner, block_owner, page_owner};
use heapledger_core::{OwnedRegion, ReassignError, Region, RegionId, region_info};
use heapledger_tests::blocks::Block;
use heapledger_tests::books::Balance;

const THREADS: usize = 8;

fn region(name: &str) -> OwnedRegion {
    OwnedRegion::new(format!("reassign/{name}"))
}

fn blocks(region: RegionId, count: usize, bytes: usize) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(count);
    region.scope(|| blocks.extend((0..count).map(|_| Block::new(bytes))));
    blocks
}

#[test]
fn all_blocks_move_at_once_and_the_name_starts_anew() {
    let (a, b) = (region("all/a"), region("all/b"));
    let old = *a;
    let (small, large) = (blocks(*a, 100, 100), blocks(*a, 2, 1 << 20));
    let held = blocks(*b, 3, 100);
    a.reassign_to(&b).unwrap();

    let moved = Balance::held(100, 100, 112).and(Balance::held(2, 1 << 20, 1 << 20));
    assert_eq!(Balance::of(*b), moved.and(Balance::held(3, 100, 112)));
    assert_ne!(*a, old);
    assert_eq!((Balance::of(*a), a.name()), (Balance::default(), "reassign/all/a"));
    assert!(!region_info(a.index()).unwrap().retired);
    assert_eq!(region_info(old.index()), None, "the old id is no region of its own any more");
    assert_eq!(block_owner(large[0].pointer(), large[0].layout()), b.index());
    assert_eq!(page_owner(large[0].address()), PageOwner::Region(b.index()));

    let again = blocks(*a, 5, 100);
    assert_eq!(Balance::of(*a), Balance::held(5, 100, 112));
    drop((small, large, held, again));
    for (region, blocks) in [(&a, 5), (&b, 103)] {
        assert_eq!(Balance::of(**region).blocks.freed, blocks + if region.name() == b.name() { 2 } else { 0 });
        assert_eq!(Balance::of(**region).requested.live(), 0);
    }
}

#[test]
fn every_handle_of_the_name_follows_and_no_handle_of_another_name_does() {
    static FIRST: Region = Region::new("reassign/handles/a");
    static SECOND: Region = Region::new("reassign/handles/a");
    let (owned, b) = (region("handles/a"), region("handles/b"));
    let clone = owned.clone();
    let (old, of_b) = (*FIRST, *b);
    assert_eq!((*SECOND, *owned, *clone), (old, old, old));
    FIRST.reassign_to(&b).unwrap();
    let new = *FIRST;
    assert_ne!(new, old);
    let named_again = region("handles/a");
    assert_eq!((*SECOND, *owned, *clone, *named_again, *owned.clone()), (new, new, new, new, new));
    assert_eq!(*b, of_b);
}

#[test]
fn a_thread_that_is_in_the_old_id_charges_the_other_region_until_it_enters_one() {
    let (a, b) = (region("in/a"), region("in/b"));
    let in_a = a.enter();
    let before = Block::new(100);
    a.reassign_to(&b).unwrap();
    let after = Block::new(100);
    assert_eq!(Balance::of(*b), Balance::held(2, 100, 112));
    let entered = a.scope(|| Block::new(100));
    assert_eq!(Balance::of(*a), Balance::held(1, 100, 112));
    drop(in_a);
    drop((before, after, entered));
    assert_eq!(Balance::of(*b), Balance::passed(2, 100, 112));
    assert_eq!(Balance::of(*a), Balance::passed(1, 100, 112));
}

#[test]
fn what_was_given_to_a_region_goes_on_with_it() {
    let (a, b, c) = (region("chain/a"), region("chain/b"), region("chain/c"));
    let mut all = blocks(*a, 4, 100);
    a.reassign_to(&b).unwrap();
    all.extend(blocks(*a, 2, 100));
    b.reassign_to(&c).unwrap();
    assert_eq!([*a, *b, *c].map(|region| Balance::of(region).blocks.live()), [2, 0, 4]);
    // Back to the first: no circle.
    c.reassign_to(&a).unwrap();
    assert_eq!([*a, *b, *c].map(|region| Balance::of(region).blocks.live()), [6, 0, 0]);
    drop(all);
    assert_eq!(Balance::of(*a), Balance::passed(6, 100, 112));
}

#[test]
fn what_cannot_be_given_away_is_refused_by_name() {
    let a = region("refused/a");
    assert_eq!(a.reassign_to(&a), Err(ReassignError::Same));
    let fallen = OwnedRegion::new("");
    assert_eq!(fallen.reassign_to(&a), Err(ReassignError::NotItsOwn));
    static UNNAMED: Region = Region::new("~mine");
    assert_eq!(UNNAMED.reassign_to(&a), Err(ReassignError::NotItsOwn));
    let held = blocks(*a, 1, 100);
    assert_eq!(Balance::of(*a), Balance::held(1, 100, 112), "nothing has changed");
    drop(held);
}

/// Eight threads allocate in both regions and free each other's blocks while one gives the blocks to and fro.
#[test]
fn balances_are_exact_while_both_regions_are_in_use_on_eight_threads() {
    const ROUNDS: usize = 40;
    const BLOCKS: usize = 64;
    let (a, b) = (region("busy/a"), region("busy/b"));
    let (start, done) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    let work = |number: usize| {
        let mut held: Vec<Block> = Vec::with_capacity(2 * BLOCKS);
        let mut allocated = 0_u64;
        start.wait();
        while !done.load(Relaxed) {
            for block in 0..BLOCKS {
                let bytes = 8 << ((block + number) % 10);
                held.push(if block % 2 == 0 { a.scope(|| Block::new(bytes)) } else { b.scope(|| Block::new(bytes)) });
            }
            allocated += BLOCKS as u64;
            held.drain(..BLOCKS / 2);
            if held.len() > BLOCKS {
                held.clear();
            }
        }
        (held, allocated)
    };
    let (held, allocated) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
        start.wait();
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                a.reassign_to(&b).unwrap()
            } else {
                b.reassign_to(&a).unwrap()
            }
            std::thread::yield_now();
            let sum = Balance::of(*a).blocks.live().wrapping_add(Balance::of(*b).blocks.live());
            assert!(sum.cast_signed() >= 0, "live is never negative");
        }
        done.store(true, Relaxed);
        let mut all = (Vec::new(), 0);
        for worker in workers {
            let (held, allocated) = worker.join().unwrap();
            all.0.extend(held);
            all.1 += allocated;
        }
        all
    });
    let both = || Balance::of(*a).and(Balance::of(*b));
    assert_eq!(both().blocks.allocated, allocated);
    assert_eq!(both().blocks.live(), held.len() as u64);
    let requested: usize = held.iter().map(|block| block.layout().size()).sum();
    assert_eq!(both().requested.live(), requested as u64);
    // The last word was `b` to `a`: what `b` has now was allocated since.
    let late = held.iter().filter(|block| block_owner(block.pointer(), block.layout()) == b.index()).count();
    assert_eq!(Balance::of(*b).blocks.live(), late as u64);
    drop(held);
    assert_eq!((Balance::of(*a).requested.live(), Balance::of(*b).requested.live()), (0, 0));
}

/// Everybody gives to everybody: whatever the order, nothing goes round in a circle, and nothing is lost.
#[test]
fn reassignments_that_meet_lose_nothing() {
    let regions: Vec<OwnedRegion> = (0..4).map(|number| region(&format!("meet/{number}"))).collect();
    let held: Vec<Block> = regions.iter().flat_map(|region| blocks(**region, 10, 100)).collect();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (regions, start) = (&regions, &start);
            scope.spawn(move || {
                start.wait();
                for step in 1..20 {
                    let to = &regions[(number + step) % 4];
                    let _ = regions[number].reassign_to(to);
                }
            });
        }
    });
    let live: u64 = regions.iter().map(|region| Balance::of(**region).blocks.live()).sum();
    assert_eq!(live, 40);
    drop(held);
    assert!(regions.iter().all(|region| Balance::of(**region).blocks.live() == 0));
}
