//! The macros for tests: they pass when they should, and say what is wrong when they should not.

use heapledger::{OwnedRegion, Region, assert_balanced, assert_region_empty, assert_region_within};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn said(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("it must not pass");
    payload.downcast_ref::<String>().cloned().expect("a message was formatted")
}

#[test]
fn a_region_is_empty_when_its_last_block_was_freed_by_whichever_thread() {
    static EMPTIED: Region = Region::new("emptied");
    assert_region_empty!(EMPTIED);
    let block = EMPTIED.scope(|| vec![0_u8; 100]);
    let message = said(|| assert_region_empty!(EMPTIED));
    // 100 bytes are rounded up to the class of 112.
    assert_eq!(message, "region emptied is not empty: 100 bytes live, in 1 blocks: 1 of 112 bytes");
    std::thread::spawn(move || drop(block)).join().expect("it drops");
    assert_region_empty!(EMPTIED);
    let owned = OwnedRegion::new("emptied/owned");
    assert_region_empty!(owned);
    assert_region_within!(heapledger::current(), i64::MAX);
}

#[test]
fn a_region_is_within_its_budget_to_the_byte() {
    static BUDGET: Region = Region::new("budget");
    let block = BUDGET.scope(|| vec![0_u8; 40_000]);
    assert_region_within!(BUDGET, 40_000);
    let message = said(|| assert_region_within!(BUDGET, 39_999));
    assert!(message.starts_with("region budget exceeds 39999 bytes: 40000 bytes live, in 1 blocks: 1 large of "));
    drop(block);
}

#[cfg(target_os = "linux")]
#[test]
fn a_statement_balances() {
    let block = std::hint::black_box(vec![1_u8; 8 << 20]);
    assert_balanced!();
    drop(block);
    assert_balanced!();
}
