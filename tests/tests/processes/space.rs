//! Address space and memory: what the ledger adds to a process, and what it leaves untouched.
//!
//! A process each, because sizes of a process are the subject.

use serde_json::json;

use crate::probe::{Probe, number, skipped};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// `ulimit -v` counts address space that nobody touches, and services run with limits of a few GiB.
const ADDED_ADDRESS_SPACE: u64 = 3 * GIB / 2;

/// What the ledger may touch to start: the first pages of counters, of page words and of its list of mappings.
const ADDED_AT_START: u64 = MIB;

/// The smallest program must not lose a noticeable part of its memory to tables, and the largest not more than this.
fn tables_at_most(heap_bytes: u64) -> u64 {
    heap_bytes / 500 + 512 * KIB
}

/// Freeing 256 MiB writes a word of 8 bytes for each of its pages, 512 KiB; the rest is for counters and for what the
/// kernel maps around faults of the program's own file.
const UNTOUCHED_SLACK: i64 = (512 + 512) * KIB as i64;

#[test]
fn the_ledger_adds_little_to_a_process_that_has_just_started() {
    let (plain, ledger) = (Probe::plain("start").run(), Probe::ledger("start").run());
    for (key, at_most) in [("/virtual_bytes", ADDED_ADDRESS_SPACE), ("/resident_bytes", ADDED_AT_START)] {
        let (plain, ledger) = (number(&plain, key), number(&ledger, key));
        assert!(ledger <= plain + at_most, "{key}: plain {plain}, ledger {ledger}");
    }
}

#[test]
fn two_hundred_threads_in_sixty_four_regions_run_under_a_limit_of_four_million_kib() {
    let script = "ulimit -v 4000000; exec \"$@\"";
    let probe = Probe::through(&["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_probe-ledger"), "crowd"]);
    let printed = probe.option("threads", 200).option("regions", 64).run();
    // Each thread has a block of 100 bytes, from the class of 112, and one of 5,000, from that of 5,120, in each region.
    let both = |live: u64| {
        json!({ "blocks": [400, 400 - 400 * live], "requested": [200 * 5100, (1 - live) * 200 * 5100],
                "usable": [200 * 5232, (1 - live) * 200 * 5232] })
    };
    assert_eq!(printed["held"], both(1));
    assert_eq!(printed["passed"], both(0));
    assert_eq!(number(&printed, "/held_alike"), 64);
    assert_eq!(number(&printed, "/passed_alike"), 64);
    assert_eq!(number(&printed, "/refused_maps"), 0);
    assert!(number(&printed, "/virtual_bytes") <= 4_000_000 * KIB);
}

#[test]
fn the_tables_of_a_gib_of_small_blocks_take_little_of_it() {
    for (size, count) in [(256, 4 << 20), (48, 22_369_621)] {
        let printed = Probe::ledger("tables").option("size", size).option("count", count).run();
        for key in ["/held", "/freed"] {
            let tables = number(&printed, key);
            assert!(tables <= tables_at_most(size * count), "{count} blocks of {size}, {key}: {printed}");
        }
        assert_eq!(number(&printed, "/refused_maps"), 0);
    }
}

#[test]
fn the_tables_of_a_gib_of_large_blocks_take_little_of_it() {
    for (size, count) in [(MIB, 1024), (16 * KIB, 64 << 10), (64 * MIB, 16)] {
        let printed = Probe::ledger("tables").option("size", size).option("count", count).run();
        // Not the bytes asked for: jemalloc gives a block of 1 MiB an extent of 1.25 MiB, and all of it is heap.
        let heap_bytes = number(&printed, "/mapped");
        assert!(heap_bytes >= size * count, "{printed}");
        for key in ["/held", "/freed"] {
            let tables = number(&printed, key);
            assert!(tables <= tables_at_most(heap_bytes), "{count} blocks of {size}, {key}: {printed}");
        }
    }
}

#[test]
fn zeroed_memory_that_nobody_writes_stays_untouched_and_resizing_it_copies_no_more_than_jemalloc_does() {
    let run = |probe: Probe| probe.option("bytes", 256 * MIB).run();
    let (plain, ledger) = (run(Probe::plain("untouched")), run(Probe::ledger("untouched")));
    assert_eq!(plain["moved"], ledger["moved"]);
    assert_eq!(plain["moved_back"], ledger["moved_back"]);
    for key in ["zeroed_bytes", "grown_bytes", "shrunk_bytes"] {
        let (plain, ledger) = (plain[key].as_i64().unwrap(), ledger[key].as_i64().unwrap());
        assert!(ledger <= plain + UNTOUCHED_SLACK, "{key}: plain {plain}, ledger {ledger}");
    }
    assert!(ledger["zeroed_bytes"].as_i64().unwrap() <= UNTOUCHED_SLACK, "{ledger}");
}

#[test]
fn valgrind_runs_a_program_with_the_ledger() {
    let test = "valgrind_runs_a_program_with_the_ledger";
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        return skipped(test, "there is no valgrind");
    }
    // Quiet, and an exit status of its own for errors that it finds.
    let words = ["valgrind", "-q", "--error-exitcode=99", env!("CARGO_BIN_EXE_probe-ledger"), "crowd"];
    let printed = Probe::through(&words).option("threads", 3).option("regions", 3).run();
    assert_eq!(number(&printed, "/passed_alike"), 3);
    assert_eq!(printed["passed"]["blocks"], json!([6, 6]));
}
