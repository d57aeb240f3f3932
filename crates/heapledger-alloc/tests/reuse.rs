//! Ids of regions that are gone are given to new names: when, and when not.
//!
//! One test: it fills the table of ids, which the process has once.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::mpsc::channel;

use heapledger_alloc::{Flow, IsolatingLedger, PageOwner, RegionTotals, page_owner, read_requested, read_totals};
use heapledger_core::{
    Isolation, MAX_REGIONS, OwnedRegion, ReassignError, Region, RegionId, fallen_names, region_count, region_info,
};

#[global_allocator]
static LEDGER: IsolatingLedger = IsolatingLedger::new();

/// `~untagged`, `~other` and `~ledger`.
const OURS: usize = 3;
const PAGES: usize = 1024;
const PAGE_BYTES: usize = 4096;

fn totals(region: RegionId) -> RegionTotals {
    let mut totals = vec![RegionTotals::default(); region_count()];
    read_totals(&mut totals);
    totals[region.index()]
}

/// So many regions with names of their own.
fn generation(number: usize, count: usize) -> Vec<OwnedRegion> {
    (0..count).map(|region| OwnedRegion::new(format!("gen {number}/{region}"))).collect()
}

fn own_names(number: usize, regions: &[OwnedRegion]) -> usize {
    let has = |(region, owned): &(usize, &OwnedRegion)| owned.has_own_name(&format!("gen {number}/{region}"));
    regions.iter().enumerate().filter(has).count()
}

#[test]
fn an_id_is_used_again_when_nothing_and_nobody_has_it() {
    static STAYS: Region = Region::new("stays");
    let stays = *STAYS;
    let free = MAX_REGIONS - OURS - 1;

    // The first generation: one region keeps a block, one a block of no bytes, a thread is in another, a third is
    // reassigned, one is isolated.
    let mut first = generation(1, free - 1);
    let isolated = OwnedRegion::isolated("isolated once");
    assert_eq!((own_names(1, &first), isolated.isolation()), (free - 1, Isolation::Isolated));
    assert!(!OwnedRegion::new("one more").has_own_name("one more"), "the table is full, and everything is named");
    let ids: Vec<RegionId> = first.iter().map(|region| **region).collect();
    // Not among the 64 beside one with a block of no bytes, which are looked at more closely.
    let with_block = ids[500];
    let block = first[500].scope(|| Box::new([1_u8; 100]));
    let with_nothing = ids[8];
    // SAFETY: the ledger serves layouts of no bytes, too.
    let nothing = first[8].scope(|| unsafe { LEDGER.alloc(Layout::new::<()>()) });
    // One that has had nothing but a block of no bytes, in a class that is not the smallest.
    let had_nothing = ids[9];
    let aligned = Layout::from_size_align(0, 64).expect("a power of two");
    // SAFETY: as above.
    let gone = first[9].scope(|| unsafe { LEDGER.alloc(aligned) });
    // SAFETY: it was allocated with this layout.
    unsafe { LEDGER.dealloc(gone, aligned) };
    assert_eq!(totals(had_nothing).blocks(), Flow { allocated: 1, freed: 1 });
    // One whose blocks two threads had.
    let had_by_two = ids[10];
    let have = |region: &OwnedRegion| region.scope(|| drop(std::hint::black_box(Box::new([2_u8; 200]))));
    have(&first[10]);
    std::thread::scope(|scope| scope.spawn(|| have(&first[10])).join().expect("no panic"));
    assert_eq!(totals(had_by_two).blocks(), Flow { allocated: 2, freed: 2 });
    let (in_region, leave) = (ids[6], channel::<()>());
    let inside = {
        let region = first[6].clone();
        let (entered, wait) = channel();
        let thread = std::thread::spawn(move || {
            let guard = region.enter();
            // In force, but not on top.
            let outer = STAYS.enter();
            drop(region);
            entered.send(()).expect("waited for");
            leave.1.recv().expect("sent");
            drop((outer, guard));
        });
        wait.recv().expect("entered");
        thread
    };
    // Pages whose last blocks were of a region that goes.
    let passing = ids[7];
    let pages: Vec<u8> = first[7].scope(|| vec![1; PAGES * PAGE_BYTES]);
    let first_page = pages.as_ptr().addr().next_multiple_of(PAGE_BYTES);
    // What follows may take some of them, and not all.
    let is_passings = |page: &usize| page_owner(*page) == PageOwner::Region(passing.index());
    let named = || (0..PAGES - 1).map(|page| first_page + page * PAGE_BYTES).filter(is_passings).count();
    let passed = totals(passing);
    drop((pages, isolated));
    assert_eq!(named(), PAGES - 1);
    let last = first.pop().expect("many");
    drop(first);

    // The second: every id but those that are somebody's.
    let second = generation(2, free - 4);
    assert_eq!(own_names(2, &second), free - 4, "all but the last one's, the two blocks' and the thread's");
    assert_eq!(region_count(), MAX_REGIONS);
    assert!(second.iter().all(|region| region.generation() == 1 && region.isolation() == Isolation::Shared));
    assert!(second.iter().all(|region| {
        ![stays, with_block, with_nothing, in_region, *last].map(RegionId::index).contains(&region.index())
    }));
    assert_eq!(named(), 0, "pages are not the new region's");
    let info = region_info(with_block.index()).expect("it has a block");
    assert_eq!((info.id, info.name, info.retired), (with_block, "gen 1/500", true));
    assert_eq!(totals(with_block).blocks().live(), 1);

    // What is counted begins anew.
    let heir = second.iter().find(|region| region.index() == passing.index()).expect("it was used again");
    assert!(passed.requested_bytes.allocated > 0);
    assert_eq!((totals(**heir), passing.name()), (RegionTotals::default(), heir.name()));
    assert!(second.iter().any(|region| region.index() == had_nothing.index()), "it was used again");
    assert_eq!(totals(had_nothing), RegionTotals::default());
    assert!(second.iter().any(|region| region.index() == had_by_two.index()), "it was used again");
    assert_eq!(totals(had_by_two), RegionTotals::default());
    let held = heir.scope(|| vec![0_u8; 1000]);
    let mut flows = vec![Flow::default(); region_count()];
    read_requested(&mut flows);
    assert_eq!(flows[heir.index()], Flow { allocated: 1000, freed: 0 });
    assert_eq!(totals(**heir).blocks(), Flow { allocated: 1, freed: 0 });
    drop(held);

    // A copy of an id that was kept beyond its region does not enter the new one.
    let fallen = fallen_names().to_other;
    let astray = passing.scope(|| Box::new([0_u8; 10]));
    assert_eq!(totals(**heir).blocks().live(), 0);
    assert_eq!(fallen_names().to_other, fallen + 1);
    assert_eq!(last.reassign_to(&passing), Err(ReassignError::Gone));
    drop(astray);

    // When the block is gone and the thread has left, their ids are free as well.
    drop(block);
    // SAFETY: it was allocated with this layout.
    unsafe { LEDGER.dealloc(nothing, Layout::new::<()>()) };
    leave.0.send(()).expect("it waits");
    inside.join().expect("left");
    drop(second);
    let third = generation(3, free - 1);
    assert_eq!(own_names(3, &third), free - 1);
    assert!(third.iter().any(|region| region.index() == with_block.index()));
    assert!(third.iter().any(|region| region.index() == with_nothing.index()));
    assert!(third.iter().any(|region| region.index() == in_region.index()));
    // Of an index that two regions had before, each with blocks.
    let heirs = third.iter().find(|region| region.index() == passing.index()).expect("it was used again");
    assert_eq!(totals(**heirs), RegionTotals::default());
    drop(third);

    // A name that comes back has a generation that it never had.
    let again = generation(2, 1);
    assert!(again[0].generation() > 1, "{:?}", *again[0]);
    assert_eq!((*STAYS, STAYS.name()), (stays, "stays"));
}
