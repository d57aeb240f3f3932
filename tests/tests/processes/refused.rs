//! The kernel refuses memory: to the ledger for its tables, or to jemalloc for the heap.
//!
//! A process each, because a limit on address space is the process's, and because a refused table stays refused for
//! good.

use serde_json::{Value, json};

use crate::probe::{Probe, number};

/// Freed memory must stay with jemalloc, so nothing may be given back by the clock; and blocks of a GiB must come from
/// the same arena as all others, which the threshold of 0 does.
const KEEP_ALL: &str = "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,experimental_tcache_gc:false";

/// Freed memory must become address space that jemalloc keeps, at once: it cuts small blocks from large pieces of that,
/// but not from large pieces of dirty pages.
const RETAIN_ALL: &str = "dirty_decay_ms:0,muzzy_decay_ms:0,oversize_threshold:0,experimental_tcache_gc:false";

/// `[allocated, freed]` in each unit, for `blocks` of which nothing or all was freed.
fn balance(blocks: u64, requested: u64, usable: u64, freed: bool) -> Value {
    let pair = |n: u64| if freed { [n, n] } else { [n, 0] };
    json!({ "blocks": pair(blocks), "requested": pair(requested), "usable": pair(usable) })
}

/// Where the heap lies decides whose tables are missing: whether the memory that a probe has prepared reaches into a
/// GiB that the ledger does not know yet.
fn refused(probe: &str, settings: &str) -> Probe {
    Probe::ledger(probe).settings(settings).at_fixed_addresses()
}

fn nothing() -> Value {
    balance(0, 0, 0, false)
}

#[test]
fn a_thread_whose_counters_are_refused_is_counted_with_the_others() {
    let printed = refused("refused-thread", KEEP_ALL).run();
    assert!(number(&printed, "/refused_maps") > 0, "{printed}");
    // 100, 5,000 and 100,000 bytes, from the classes of 112 and 5,120 and from 25 pages.
    let (requested, usable) = (100 + 5_000 + 100_000, 112 + 5_120 + 102_400);
    assert_eq!(printed["held"]["a"], balance(3, requested, usable, false));
    assert_eq!(printed["passed"]["a"], balance(3, requested, usable, true));
    assert_eq!(printed["after"]["b"], balance(1, 100, 112, true));
    assert_eq!(printed["after"]["other"], nothing());
    assert_eq!(number(&printed, "/more_slots"), 1, "once there is memory, threads have counters of their own again");
}

#[test]
fn a_block_for_whose_page_there_is_no_row_is_charged_and_credited_to_the_pages_region() {
    // A row for a page of 512 blocks takes 1 KiB; a chunk of rows is 1 MiB. So 1,024 pages use up any chunk.
    const BLOCKS: u64 = 512 * 1_300;
    let printed = refused("refused-rows", KEEP_ALL).option("count", BLOCKS).run();
    assert!(number(&printed, "/refused_maps") > 0, "{printed}");
    let owners = &printed["owners"];
    let (a, b) = (number(owners, "/a"), number(owners, "/b"));
    assert_ne!(a, b, "some blocks were not charged to the region that asked for them");
    assert_eq!(a + b, BLOCKS, "{owners}");
    assert_eq!(number(owners, "/changed"), 0);
    for (region, blocks) in [("a", a), ("b", b)] {
        assert_eq!(printed["held"][region], balance(blocks, 8 * blocks, 8 * blocks, false));
        assert_eq!(printed["passed"][region], balance(blocks, 8 * blocks, 8 * blocks, true));
    }
    assert_eq!(printed["passed"]["other"], nothing());
    // With memory again, each block is charged to the region that asks for it.
    assert_eq!(printed["owners_after"], json!({ "a": BLOCKS / 2, "b": BLOCKS / 2, "other": 0, "changed": 0 }));
    assert_eq!(number(&printed, "/refused_after"), 0);
    let end = |blocks: u64| balance(blocks, 8 * blocks, 8 * blocks, true);
    assert_eq!((&printed["end"]["a"], &printed["end"]["b"]), (&end(a + BLOCKS / 2), &end(b + BLOCKS / 2)));
}

#[test]
fn a_block_for_whose_pages_there_are_no_words_is_charged_and_credited_to_other() {
    const GIB: u64 = 1 << 30;
    let printed = refused("refused-page-words", RETAIN_ALL).run();
    assert!(number(&printed, "/refused_maps") > 0, "{printed}");
    assert_eq!(printed["big_is_others"], true);
    assert_eq!(printed["held_big"]["a"], nothing());
    assert_eq!(printed["held_big"]["other"], balance(1, GIB, GIB, false));
    // Small blocks are in that space too, once what jemalloc had before is used up; which ones is its business.
    let owners = &printed["owners"];
    let (a, b, other) = (number(owners, "/a"), number(owners, "/b"), number(owners, "/other"));
    assert_eq!(a + b + other, 3 * 4_000);
    assert!(other > 0 && number(owners, "/changed") == 0, "{owners}");
    for (region, blocks) in [("a", a), ("b", b), ("other", other + 1)] {
        assert_eq!(printed["held"][region]["blocks"], json!([blocks, 0]), "{region}");
    }
    let after = &printed["owners_after"];
    assert_eq!(number(after, "/a") + number(after, "/b") + number(after, "/other"), 4 * 4_000);
    assert!(number(after, "/other") > other, "what was refused once stays refused: {after}");
    assert_eq!(number(after, "/changed"), 0);
    // The big block was resized by `b`, and stays with ~other as long as it stays where it is.
    assert_eq!(printed["moved"], false);
    assert_eq!(printed["resized"]["b"]["blocks"][0], number(after, "/b"));
    for region in ["a", "b", "other"] {
        for unit in ["blocks", "requested", "usable"] {
            let pair = &printed["end"][region][unit];
            assert_eq!(pair[0], pair[1], "{region} {unit}: all was freed");
        }
    }
}

#[test]
fn when_jemalloc_gets_no_memory_the_caller_gets_null_and_nothing_is_counted() {
    const MIB: u64 = 1 << 20;
    let printed = refused("refused-heap", KEEP_ALL).run();
    assert_eq!(printed["refused"], true);
    assert_eq!(printed["intact"], true);
    assert_eq!(printed["held"]["a"], balance(1, MIB, MIB, false));
    assert_eq!(printed["passed"]["a"], balance(1, MIB, MIB, true));
    assert_eq!(printed["passed"]["other"], nothing());
}
