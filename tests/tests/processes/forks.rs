//! Children of a process with the ledger, by fork and by spawn.
//!
//! A process of its own each, because forking copies a whole process.

use heapledger_harness::skipped;

use crate::probe::{Probe, number};

const THREADS: u64 = 8;
const FORKS: u64 = 200;

fn all_children_are_right(alone: u64) -> Option<String> {
    let probe = Probe::ledger("fork").option("threads", THREADS).option("forks", FORKS).option("alone", alone);
    let printed = probe.run();
    if let Some(reason) = printed["skipped"].as_str() {
        return Some(reason.to_owned());
    }
    assert_eq!(number(&printed, "/forks"), FORKS);
    assert_eq!(number(&printed, "/right"), FORKS, "{printed}");
    assert_eq!(printed["exact_at_the_end"], true, "the parent's books are exact");
    assert!(number(&printed, "/operations") > FORKS, "the threads were at work");
    None
}

#[test]
fn parent_and_child_go_on_after_a_fork_in_the_middle_of_other_threads_work() {
    assert_eq!(all_children_are_right(0), None);
}

#[test]
fn a_child_is_off_by_no_more_than_the_one_operation_that_each_thread_was_in() {
    if let Some(reason) = all_children_are_right(1) {
        skipped("a_child_is_off_by_no_more_than_the_one_operation_that_each_thread_was_in", &reason);
    }
}
