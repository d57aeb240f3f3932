//! More names than there are regions.
//!
//! Option `names`: so many below `tenant`. Then ten names without a parent, each with a block of 100 bytes.

use heapledger_core::{MAX_REGIONS, OwnedRegion, Region, RegionId, fallen_names, region_count};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::books::Balance;

const LONE: usize = 10;

/// Has a block of 100 bytes in each region, and says which index it was charged to.
fn blocks_in(regions: &[OwnedRegion]) -> Vec<Block> {
    regions.iter().map(|region| region.scope(|| Block::new(100))).collect()
}

pub(super) fn run(options: &Options) -> Value {
    let names = options.count("names");
    let tenant = OwnedRegion::new("tenant");
    let used_before = region_count();
    let tenants: Vec<OwnedRegion> = (0..names).map(|number| OwnedRegion::new(format!("tenant/{number}"))).collect();
    let lone: Vec<OwnedRegion> = (0..LONE).map(|number| OwnedRegion::new(format!("lone {number}"))).collect();
    let grandchild = OwnedRegion::new("tenant/of no number/cache");
    let of_lone_parent = OwnedRegion::new("nobody/child");
    let refused = OwnedRegion::new("");
    static TOO_LATE: Region = Region::new("too late");
    let too_late = *TOO_LATE;
    let blocks = (blocks_in(&tenants), blocks_in(&lone));
    let own = tenants.iter().enumerate().filter(|(number, region)| region.has_own_name(&format!("tenant/{number}")));
    let own = own.count();
    let again = OwnedRegion::new("tenant/0");
    let held = json!({
        "tenant": Balance::of(*tenant).json(), "other": Balance::of(RegionId::OTHER).json(),
        "first": Balance::of(*tenants[0]).json(), "last": Balance::of(*tenants[names - 1]).json(),
    });
    drop(blocks);
    let fallen = fallen_names();
    json!({
        "most": MAX_REGIONS, "used_before": used_before, "used": region_count(), "own": own, "held": held,
        "passed": { "tenant": Balance::of(*tenant).json(), "other": Balance::of(RegionId::OTHER).json() },
        "to_parent": fallen.to_parent, "to_other": fallen.to_other, "refused": fallen.refused,
        "grandchild": grandchild.name(), "of_lone_parent": of_lone_parent.name(), "no_name": refused.name(),
        "too_late": too_late.name(), "again_is_the_same": *again == *tenants[0],
    })
}
