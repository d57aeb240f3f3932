//! Programs that start others, exit in the middle of things, and panic.
//!
//! A process each, because its end, or its panic hook, is the subject.

use serde_json::json;

use crate::probe::{Probe, number};

#[test]
fn a_program_can_start_others_by_spawn_and_by_fork_while_its_threads_allocate() {
    const CHILDREN: u64 = 60;
    let printed = Probe::ledger("children").option("children", CHILDREN).run();
    assert_eq!(number(&printed, "/good"), CHILDREN);
    assert_eq!(printed["live"], json!([0, 0, 0]));
    assert!(number(&printed, "/blocks") > 0);
}

#[test]
fn a_program_can_exit_while_other_threads_are_in_a_summary() {
    // Where the others are at that moment differs from run to run.
    for _ in 0..15 {
        let ended = Probe::ledger("exit-within").end();
        assert_eq!(ended.status.code(), Some(7), "{:?}\n{}", ended.status, ended.stderr);
    }
}

#[test]
fn a_panic_in_a_scope_leaves_it_and_its_hook_may_allocate_and_ask() {
    const PANICS: u64 = 200;
    let printed = Probe::ledger("panics").run();
    for key in ["/caught", "/hooks_in_b", "/hooks_well"] {
        assert_eq!(number(&printed, key), PANICS, "{key}");
    }
    // A block of 100 bytes in `a` and in the hook; in `b` one of 5,000, and what the panic itself allocates.
    let passed = json!({ "blocks": [PANICS, PANICS], "requested": [100 * PANICS, 100 * PANICS],
                         "usable": [112 * PANICS, 112 * PANICS] });
    assert_eq!(printed["a"], passed);
    assert_eq!(printed["hook"], passed);
    assert!(number(&printed, "/b_blocks") >= PANICS);
    assert_eq!(number(&printed, "/b_live"), 0);
}

#[test]
fn a_panic_that_nobody_catches_ends_the_program_as_ever_and_its_hook_can_print_a_summary() {
    let ended = Probe::ledger("panic-to-the-end").end();
    assert_eq!(ended.status.code(), Some(101), "{}", ended.stderr);
    assert_eq!(ended.stdout.trim(), r#"{"in_b":true,"well":true}"#);
}

#[test]
fn live_and_quick_can_be_asked_for_anywhere_and_by_two_threads_at_once() {
    let printed = Probe::ledger("anywhere").option("times", 300).run();
    for place in ["outside", "within", "nested", "in_local", "in_key", "in_hook"] {
        assert_eq!(printed[place], true, "{place}: {printed}");
    }
    assert_eq!(printed["at_once"], json!({ "negative": 0 }));
    assert_eq!(printed["held"], 0);
}
