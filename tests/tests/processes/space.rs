//! Address space and memory: what the ledger adds to a process, and what it leaves untouched.
//!
//! A process each, because sizes of a process are the subject.

use std::fs;

use heapledger_tests::lanes;
use serde_json::{Value, json};

use heapledger_harness::skipped;

use crate::probe::{Probe, number};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A GiB of blocks, and the list of them.
const PEAK_OF_A_GIB: u64 = 2 * GIB;

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

/// The switch of the kernel that decides whether address space must be backed by memory.
const OVERCOMMIT: &str = "/proc/sys/vm/overcommit_memory";

/// Sets the switch back, also when the test fails.
struct Restore(String);

impl Drop for Restore {
    fn drop(&mut self) {
        fs::write(OVERCOMMIT, &self.0).unwrap();
    }
}

#[test]
fn the_ledger_runs_where_address_space_must_be_backed_by_memory() {
    let test = "the_ledger_runs_where_address_space_must_be_backed_by_memory";
    let before = fs::read_to_string(OVERCOMMIT).unwrap_or_default();
    if before.trim() != "2" && std::env::var_os("HEAPLEDGER_TEST_OVERCOMMIT").is_none() {
        return skipped(
            test,
            "it sets overcommit_memory to 2 for the whole machine: HEAPLEDGER_TEST_OVERCOMMIT=1 allows it",
        );
    }
    let _restore = Restore(before);
    if let Err(error) = fs::write(OVERCOMMIT, "2") {
        return skipped(test, &format!("{OVERCOMMIT}: {error}"));
    }
    let printed = Probe::ledger("crowd").option("threads", 32).option("regions", 64).run();
    assert_eq!(printed["held"], two_blocks_each(32, 1));
    assert_eq!(printed["passed"], two_blocks_each(32, 0));
    assert_eq!(number(&printed, "/passed_alike"), 64);
    assert_eq!(number(&printed, "/refused_maps"), 0);
}

/// What each region has when each thread holds two blocks there, or held them.
fn two_blocks_each(threads: u64, live: u64) -> Value {
    // A block of 100 bytes comes from the class of 112, one of 5,000 from that of 5,120.
    let pair = |n: u64| [threads * n, (1 - live) * threads * n];
    json!({ "blocks": pair(2), "requested": pair(100 + 5_000), "usable": pair(112 + 5_120) })
}

#[test]
fn two_hundred_threads_in_sixty_four_regions_run_under_a_limit_of_four_million_kib() {
    let script = "ulimit -v 4000000; exec \"$@\"";
    let probe = Probe::through(&["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_probe-ledger"), "crowd"]);
    let printed = probe.option("threads", 200).option("regions", 64).run();
    assert_eq!(printed["held"], two_blocks_each(200, 1));
    assert_eq!(printed["passed"], two_blocks_each(200, 0));
    assert_eq!(number(&printed, "/held_alike"), 64);
    assert_eq!(number(&printed, "/passed_alike"), 64);
    assert_eq!(number(&printed, "/refused_maps"), 0);
    assert!(number(&printed, "/virtual_bytes") <= 4_000_000 * KIB);
}

#[test]
fn the_tables_of_a_gib_of_small_blocks_take_little_of_it() {
    let _room = lanes::memory(PEAK_OF_A_GIB);
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
    let _room = lanes::memory(PEAK_OF_A_GIB);
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
fn usable_bytes_of_large_blocks_follow_jemallocs_setting() {
    // 100,000 bytes are 25 pages; with large size classes, of which there are four per doubling, they are 112 KiB.
    for (settings, usable) in [("", 25 * 4 * KIB), ("disable_large_size_classes:false", 112 * KIB)] {
        let printed = Probe::ledger("usable").settings(settings).option("size", 100_000).run();
        assert_eq!(printed["held"]["usable"], json!([usable, 0]), "{settings}");
        assert_eq!(printed["passed"]["usable"], json!([usable, usable]), "{settings}");
    }
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

/// The probes allocate and free in some thousand places. A fast path takes some 30 bytes more than a call of jemalloc;
/// were the rest of the path inlined too, it would be hundreds.
const TEXT_GROWTH_BYTES: u64 = 64 * KIB;

/// The size of the section `.text` of a 64-bit little-endian ELF file.
fn text_bytes(path: &str) -> u64 {
    let file = fs::read(path).unwrap();
    let number = |at: usize, len: usize| (0..len).rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(file[at + byte]));
    let place = |at: usize, len: usize| usize::try_from(number(at, len)).unwrap();
    // The header: where the sections' headers are, how long each is, how many, and which holds their names.
    let (headers, header_bytes, count, names) = (place(0x28, 8), place(0x3a, 2), place(0x3c, 2), place(0x3e, 2));
    let section = |index: usize| headers + index * header_bytes;
    let names = place(section(names) + 0x18, 8);
    let is_text = |&index: &usize| file[names + place(section(index), 4)..].starts_with(b".text\0");
    number(section((0..count).find(is_text).unwrap()) + 0x20, 8)
}

#[test]
fn the_ledger_adds_little_code_to_a_program() {
    let test = "the_ledger_adds_little_code_to_a_program";
    if cfg!(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))) {
        return skipped(test, "programs are no 64-bit ELF files here");
    }
    let (plain, ledger) =
        (text_bytes(env!("CARGO_BIN_EXE_probe-plain")), text_bytes(env!("CARGO_BIN_EXE_probe-ledger")));
    assert!(plain > 100 * KIB, "the section was found: {plain}");
    assert!(ledger <= plain + TEXT_GROWTH_BYTES, "plain {plain}, ledger {ledger}");
}
