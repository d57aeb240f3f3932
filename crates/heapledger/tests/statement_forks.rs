//! A process of its own, forked while nothing else runs: children take statements of themselves, the first of them too,
//! whether or not the parent has taken any.
#![cfg(target_os = "linux")]

use heapledger::{Flow, LineId, Region};
use heapledger_harness::fork::in_a_child;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static HELD: Region = Region::new("held_by_the_parent");

const HELD_BYTES: usize = 32 << 20;

/// What may be without a name: pieces of the dynamic linker, and the stack of the test's main thread, which did not
/// come along and whose guard the kernel still has.
const UNATTRIBUTED_AT_MOST: i64 = 64 << 10;

#[test]
fn a_forked_child_states_itself_from_the_first_statement_on() {
    let held = HELD.scope(|| vec![1_u8; HELD_BYTES]);
    judge_a_child();
    let statement = heapledger::statement().expect("the ledger is installed");
    assert_eq!(statement.pid, Some(std::process::id()));
    judge_a_child();
    drop(held);
}

fn judge_a_child() {
    assert_eq!(in_a_child(child_code), 0, "the code says which check failed");
}

/// 0 if the child's statements are the child's, and exact; otherwise which check failed.
fn child_code() -> i32 {
    for round in 0..2 {
        let Ok(statement) = heapledger::statement() else { return 1 };
        if statement.pid != Some(std::process::id()) {
            return 2;
        }
        if statement.region("held_by_the_parent").map(|region| region.self_bytes()) != Some(HELD_BYTES as i64) {
            return 3;
        }
        if statement.traffic_bytes() != Some(Flow::default()) {
            return 4;
        }
        if statement.figure(LineId::CounterGap).as_exact() != Some(0) {
            println!("{statement}");
            return 10 + round;
        }
        if statement.figure(LineId::Unattributed).as_exact().is_none_or(|bytes| bytes > UNATTRIBUTED_AT_MOST) {
            println!("{statement}");
            return 20 + round;
        }
        if statement.checks().iter().any(|check| check.holds() != Some(true)) {
            println!("{statement}");
            return 30 + round;
        }
    }
    0
}
