//! A SIGPROF handler at 1 kHz that uses the ledger.
//!
//! A process of its own, because timers and handlers are the process's.

use serde_json::Value;

use crate::probe::{Probe, number};

/// What `tools/check quick` has time for: 3 s at 1 kHz.
const FEW: u64 = 3_000;
/// 30 s at 1 kHz.
const MANY: u64 = 30_000;

/// An operation that the signal interrupts, or one of the handler, may be lost: each signal is in the middle of at most
/// one operation, and makes one. An operation adds at most the largest block to the bytes.
fn is_off_by_at_most_an_operation_per_signal(printed: &Value) {
    let signals = number(printed, "/signals");
    assert!(number(printed, "/off_blocks") <= signals, "{printed}");
    assert!(number(printed, "/off_bytes") <= signals * number(printed, "/largest"), "{printed}");
    assert_eq!(number(printed, "/wrong_region"), 0, "a handler leaves the region in force as it was: {printed}");
}

fn interrupt(signals: u64, threads: u64) {
    let printed = Probe::ledger("signals").option("signals", signals).option("threads", threads).run();
    assert!(number(&printed, "/signals") >= signals);
    assert!(number(&printed, "/operations") > signals, "the threads were at work: {printed}");
    is_off_by_at_most_an_operation_per_signal(&printed);
}

#[test]
fn a_handler_that_uses_the_ledger_disturbs_a_thread_by_at_most_an_operation_per_signal() {
    interrupt(FEW, 1);
}

#[test]
fn handlers_on_three_threads_disturb_them_by_at_most_an_operation_per_signal() {
    interrupt(FEW, 3);
}

#[test]
#[ignore = "30 seconds at least: tools/check signals"]
fn a_handler_at_1_khz_for_30_seconds_disturbs_a_thread_by_at_most_an_operation_per_signal() {
    interrupt(MANY, 1);
}

#[test]
fn a_handler_may_use_the_ledger_on_a_thread_that_the_ledger_does_not_know_yet() {
    let printed = Probe::ledger("signals-short").option("threads", 3_000).run();
    assert!(number(&printed, "/signals") > 0, "{printed}");
    is_off_by_at_most_an_operation_per_signal(&printed);
}
