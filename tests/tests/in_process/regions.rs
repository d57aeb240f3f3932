//! Names, the regions they stand for, and how long they stand for them.

use std::collections::HashSet;
use std::sync::Barrier;

use heapledger_core::{
    NAME_MAX_BYTES, NameError, OwnedRegion, Region, RegionId, current, is_installed, region_count, region_info,
    region_name,
};
use heapledger_tests::blocks::Block;
use heapledger_tests::books::Balance;

/// How many threads name the same regions at once.
const THREADS: usize = 8;

fn retired(region: RegionId) -> bool {
    region_info(region.index()).unwrap().retired
}

#[test]
fn the_ledger_knows_that_it_is_installed() {
    assert!(is_installed());
}

#[test]
#[allow(clippy::borrow_interior_mutable_const, reason = "that a const is harmless is what is tested")]
fn two_statics_a_const_and_an_owned_region_of_one_name_are_one_region() {
    static FIRST: Region = Region::new("regions/one");
    static SECOND: Region = Region::new("regions/one");
    // A const makes a new value at each use, which must not make a new region.
    #[allow(clippy::declare_interior_mutable_const, reason = "that a const is harmless is what is tested")]
    const THIRD: Region = Region::new("regions/one");
    let owned = OwnedRegion::new("regions/one");
    let ids: HashSet<RegionId> = [*FIRST, *SECOND, *THIRD, *THIRD, *owned].into();
    assert_eq!(ids.len(), 1);
    assert_eq!(FIRST.name(), "regions/one");
    assert!(owned.has_own_name("regions/one"));
}

#[test]
fn different_names_are_different_regions_even_if_one_is_the_others_parent() {
    let (parent, child) = (OwnedRegion::new("regions/a"), OwnedRegion::new("regions/a/b"));
    assert_ne!(*parent, *child);
    let block = child.scope(|| Block::new(100));
    assert_eq!(Balance::of(*parent), Balance::default(), "self bytes are the region's own");
    drop(block);
}

#[test]
fn threads_that_name_the_same_regions_at_once_get_the_same_regions() {
    let names: Vec<String> = (0..50).map(|number| format!("regions/race/{number}")).collect();
    let start = Barrier::new(THREADS);
    let name_all = || {
        start.wait();
        names.iter().map(|name| *OwnedRegion::new(name)).collect::<Vec<RegionId>>()
    };
    let answers: Vec<Vec<RegionId>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(name_all)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let ids: HashSet<RegionId> = answers[0].iter().copied().collect();
    assert_eq!(ids.len(), names.len());
    let is_of_race = |name: &str| name.starts_with("regions/race/");
    let in_table = (0..region_count()).filter(|&index| region_name(index).is_some_and(is_of_race));
    assert_eq!(in_table.count(), names.len(), "no name stands twice in the table");
}

#[test]
fn a_region_named_at_run_time_retires_with_its_last_clone_and_revives_when_named_again() {
    let first = OwnedRegion::new("regions/tenant");
    let id = *first;
    let second = first.clone();
    let third = OwnedRegion::new("regions/tenant");
    drop(first);
    drop(third);
    assert!(!retired(id));
    drop(second);
    assert!(retired(id));
    let again = OwnedRegion::new("regions/tenant");
    assert_eq!(*again, id);
    assert!(!retired(id));
}

#[test]
fn a_region_that_a_static_names_never_retires() {
    static NAMED: Region = Region::new("regions/permanent");
    let owned = OwnedRegion::new("regions/permanent");
    assert_eq!(*NAMED, *owned);
    let id = *owned;
    drop(owned);
    assert!(!retired(id));
}

#[test]
fn a_retired_region_keeps_its_blocks_until_they_are_freed() {
    let tenant = OwnedRegion::new("regions/retired");
    let id = *tenant;
    let blocks: Vec<Block> = tenant.scope(|| {
        let mut blocks = RegionId::UNTAGGED.scope(|| Vec::with_capacity(10));
        blocks.extend((0..10).map(|_| Block::new(100)));
        blocks
    });
    drop(tenant);
    assert!(retired(id));
    // 100 bytes are served from the class of 112.
    assert_eq!(Balance::of(id), Balance::held(10, 100, 112));
    drop(blocks);
    assert_eq!(Balance::of(id), Balance::passed(10, 100, 112));
}

#[test]
fn unacceptable_names_are_refused_by_name_and_charged_to_other() {
    let long = "x".repeat(NAME_MAX_BYTES + 1);
    let very_long = "é".repeat(1 << 19);
    let refused = [
        ("", NameError::Empty),
        ("~mine", NameError::Reserved),
        ("~untagged", NameError::Reserved),
        ("two\nlines", NameError::ControlCharacter { at: 3 }),
        ("nul\0", NameError::ControlCharacter { at: 3 }),
        ("é\u{85}", NameError::ControlCharacter { at: 2 }),
        (long.as_str(), NameError::TooLong { len: NAME_MAX_BYTES + 1, max: NAME_MAX_BYTES }),
        (very_long.as_str(), NameError::TooLong { len: 1 << 20, max: NAME_MAX_BYTES }),
    ];
    for (name, error) in refused {
        let shown: String = name.chars().take(20).collect();
        assert_eq!(OwnedRegion::try_new(name).err(), Some(error), "{shown:?}");
        let region = OwnedRegion::new(name);
        assert_eq!(*region, RegionId::OTHER, "{shown:?}");
        region.scope(|| assert_eq!(current(), RegionId::OTHER, "{shown:?}"));
        assert!(!region.has_own_name(name), "{shown:?}");
        assert!(error.to_string().contains(": "), "the error says what to do: {error}");
    }
    assert_eq!(*Region::new("with\ttab"), RegionId::OTHER);
}

#[test]
fn names_of_the_greatest_length_and_of_any_script_are_regions() {
    let longest = format!("regions/{}", "x".repeat(NAME_MAX_BYTES - "regions/".len()));
    for name in [longest.as_str(), "regions/вес 重み/🦀", "regions//", "/"] {
        let region = OwnedRegion::try_new(name).unwrap();
        assert_eq!(region.name(), name);
        assert!(region.has_own_name(name));
    }
}
