//! A program that has no ledger: every scope is a no-op, and says so.

use heapledger_core::{FallenNames, InRegionExt, OwnedRegion, Region, RegionId, current, fallen_names, is_installed};

static WEIGHTS: Region = Region::new("weights");

#[test]
fn regions_are_no_ops_until_a_ledger_is_installed() {
    assert!(!is_installed());
    let tenant = OwnedRegion::new("tenant/7");
    assert_eq!(*tenant, RegionId::UNTAGGED);
    assert_eq!(*WEIGHTS, RegionId::UNTAGGED);
    WEIGHTS.scope(|| assert_eq!(current(), RegionId::UNTAGGED));
    let _in_tenant = tenant.enter();
    assert_eq!(current(), RegionId::UNTAGGED);
    drop(async {}.in_region(&WEIGHTS));
    assert!(OwnedRegion::try_new("~mine").is_err(), "a bad name is an error all the same");
    assert_eq!(OwnedRegion::new("bad\nname").index(), 0);
    assert_eq!(fallen_names(), FallenNames::default(), "nothing was charged elsewhere");
    assert_eq!(heapledger_core::region_count(), 3, "and no name was taken");
}
