//! Every page of a block keeps the block's region as its last owner, to the edge of its slab.
//!
//! A process of its own, because what is asked about are freed pages: any other scenario would use them again.

use crate::probe::{Probe, number};

/// jemalloc would give pages back by the clock, and another part of the probe may then use them again.
const SETTINGS: &str = "dirty_decay_ms:-1,muzzy_decay_ms:-1,experimental_tcache_gc:false";

#[test]
fn every_page_of_a_freed_block_has_the_blocks_region_as_its_last_owner() {
    let cases = Probe::ledger("last-owners").settings(SETTINGS).run();
    let cases = cases.as_array().unwrap();
    // 7 classes in 3 states alone and as 2 regions side by side, 4 large sizes twice, 3 resizes, 2 of pages used again.
    assert_eq!(cases.len(), 7 * (3 + 2) + 4 * 2 + 3 + 2);
    for case in cases {
        assert_eq!(number(case, "/wrong"), 0, "{case}");
        let may_be_empty = case["what"] == "not used again";
        assert!(number(case, "/pages") > 0 || may_be_empty, "{case}");
    }
}
