//! A table of names that is full.
//!
//! A process of its own, because it fills the table for good.

use serde_json::json;

use crate::probe::{Probe, number};

#[test]
fn names_beyond_the_table_fall_to_their_parent_and_then_to_other_and_are_counted() {
    const NAMES: u64 = 5_000;
    let printed = Probe::ledger("names").option("names", NAMES).run();
    let most = number(&printed, "/most");
    assert!(most >= 4_095, "thousands of regions can be named");
    let own = most - number(&printed, "/used_before");
    assert!(own < NAMES, "the probe exhausts the table");
    let fell = NAMES - own;
    assert_eq!(number(&printed, "/used"), most);
    assert_eq!(number(&printed, "/own"), own);
    // The fallen ones, and the grandchild whose parent has no region either.
    assert_eq!(number(&printed, "/to_parent"), fell + 1);
    // Ten names without a parent, a child of nobody, and a static that came too late.
    assert_eq!(number(&printed, "/to_other"), 10 + 1 + 1);
    assert_eq!(number(&printed, "/refused"), 1);
    for (key, name) in
        [("grandchild", "tenant"), ("of_lone_parent", "~other"), ("no_name", "~other"), ("too_late", "~other")]
    {
        assert_eq!(printed[key], name, "{key}");
    }
    assert_eq!(printed["again_is_the_same"], true, "names that have a region keep it");
    // Blocks of 100 bytes come from the class of 112.
    let held =
        |blocks: u64| json!({ "blocks": [blocks, 0], "requested": [blocks * 100, 0], "usable": [blocks * 112, 0] });
    assert_eq!(printed["held"]["first"], held(1));
    assert_eq!(printed["held"]["tenant"], held(fell));
    assert_eq!(printed["held"]["last"], held(fell), "the last name is charged to tenant");
    assert_eq!(printed["held"]["other"], held(10));
    assert_eq!(printed["passed"]["tenant"]["blocks"], json!([fell, fell]));
    assert_eq!(printed["passed"]["other"]["blocks"], json!([10, 10]));
}
