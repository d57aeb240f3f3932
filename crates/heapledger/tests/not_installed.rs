//! A process without a ledger: regions are no-ops, and every question says what is missing rather than 0.

use heapledger::{Error, OwnedRegion, Region};

static WEIGHTS: Region = Region::new("weights");

#[test]
fn without_a_ledger_nothing_is_stated_and_the_error_says_what_to_do() {
    let bytes = WEIGHTS.scope(|| vec![0_u8; 4096]);
    let tenant = OwnedRegion::new("tenant/7");
    let _in = tenant.enter();

    assert!(!heapledger::is_installed());
    let live = heapledger::live();
    assert!(!live.installed && live.regions.is_empty());
    assert_eq!(live.self_bytes("weights"), None);
    let error = heapledger::quick().expect_err("nothing was counted");
    assert_eq!(error, Error::NotInstalled);
    assert!(error.to_string().contains("#[global_allocator]"));
    assert_eq!(heapledger::statement().expect_err("nothing was counted"), Error::NotInstalled);
    assert!(heapledger::own_tables().is_unknown());
    drop(bytes);
}
