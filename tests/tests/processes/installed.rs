//! Programs without the ledger, and programs that use it before and after `main`.
//!
//! A process each, because a program has one allocator and one `main`.

use serde_json::{Value, json};

use crate::probe::Probe;

#[test]
fn without_a_ledger_regions_do_nothing_and_the_library_says_so() {
    for probe in [Probe::plain("installed"), Probe::system("installed")] {
        let printed = probe.run();
        assert_eq!(printed["installed"], false);
        assert_eq!(printed["result"], 100, "a scope runs what it is given");
        for place in ["in_scope", "in_owned", "in_task", "after"] {
            assert_eq!(printed[place], "~untagged", "{place}");
        }
        assert!(printed["refused"].as_str().unwrap().contains("control character"), "a bad name is still an error");
        // ~untagged, ~other and ~ledger.
        assert_eq!(printed["regions"], 3, "no name is kept");
        assert_eq!(printed["live_installed"], false);
        assert_eq!(printed["live_regions"], 0);
        assert!(printed["quick_is"].as_str().unwrap().contains("#[global_allocator]"), "the error says what to do");
    }
}

#[test]
fn with_a_ledger_the_same_program_finds_its_regions() {
    let printed = Probe::ledger("installed").run();
    assert_eq!(printed["installed"], true);
    for (place, name) in [("in_scope", "a"), ("in_owned", "tenant/1"), ("in_task", "a"), ("after", "~untagged")] {
        assert_eq!(printed[place], name, "{place}");
    }
    assert_eq!(printed["regions"], 3 + 2);
    assert_eq!(printed["live_installed"], true);
    assert_eq!(printed["quick_is"], "a summary");
}

#[test]
fn blocks_from_before_main_and_from_after_it_are_counted_like_others() {
    let ended = Probe::through(&[env!("CARGO_BIN_EXE_probe-early")]).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // 100, 5,000 and 50,000 bytes, from the classes of 112 and 5,120 and from 13 pages; once before main, once after.
    let (requested, usable) = (100 + 5_000 + 50_000, 112 + 5_120 + 53_248);
    let books = |allocated: u64, freed: u64| {
        let pair = |n: u64| [allocated * n, freed * n];
        json!({ "blocks": pair(3), "requested": pair(requested), "usable": pair(usable) })
    };
    assert_eq!(lines[0], json!({ "held": books(1, 0), "passed": books(1, 1) }));
    assert_eq!(lines[1], json!({ "late": books(2, 2) }));
}
