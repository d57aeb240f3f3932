//! Threads that end.
//!
//! A process of its own, because how many slots for counters there are is the process's.

use serde_json::{Value, json};

use crate::probe::{Probe, number};

/// So many blocks of 100 bytes, from the class of 112; nothing of it freed, or all.
fn of_100(blocks: u64, freed: bool) -> Value {
    let pair = |n: u64| [blocks * n, if freed { blocks * n } else { 0 }];
    json!({ "blocks": pair(1), "requested": pair(100), "usable": pair(112) })
}

#[test]
fn ten_thousand_short_threads_leave_exact_books_and_no_more_slots_than_ran_at_once() {
    const THREADS: u64 = 10_000;
    const AT_ONCE: u64 = 8;
    let printed = Probe::ledger("short-threads").option("threads", THREADS).option("at_once", AT_ONCE).run();
    // Each thread makes three blocks in its region, which the thread, its end and its joiner free.
    assert_eq!(printed["sum"], of_100(3 * THREADS, true));
    // And two while it ends, one of which outlives it.
    let late = |freed: u64| {
        json!({ "blocks": [2 * THREADS, freed], "requested": [200 * THREADS, 100 * freed],
                "usable": [224 * THREADS, 112 * freed] })
    };
    assert_eq!(printed["late_held"], late(THREADS));
    assert_eq!(printed["late"], late(2 * THREADS));
    // The main thread has one too.
    assert!(number(&printed, "/slots") <= AT_ONCE + 1, "{printed}");
    assert_eq!(number(&printed, "/threads_now"), 1);
}

#[test]
fn what_destructors_allocate_after_the_ledgers_own_is_counted_and_takes_no_slots() {
    const THREADS: u64 = 200;
    /// How often the C library runs destructors while there are values left.
    const ROUNDS: u64 = 4;
    let printed = Probe::ledger("thread-keys").option("threads", THREADS).run();
    assert_eq!(number(&printed, "/wrong_region"), 0);
    assert_eq!(number(&printed, "/known/called"), ROUNDS * THREADS);
    assert_eq!(number(&printed, "/all/called"), 2 * ROUNDS * THREADS);
    // A destructor's block of 100 bytes becomes one of 5,000 and one of 100 again; the thread itself has made one of
    // 100.
    let books = |rounds: u64, made: u64| {
        let (blocks, requested, usable) = (3 * rounds + made, 5_200 * rounds + 100 * made, 5_344 * rounds + 112 * made);
        json!({ "blocks": [blocks, blocks], "requested": [requested, requested], "usable": [usable, usable] })
    };
    assert_eq!(printed["known"]["late"], books(ROUNDS * THREADS, THREADS));
    assert_eq!(printed["all"]["late"], books(2 * ROUNDS * THREADS, THREADS));
    // One thread at a time needs one slot beside the main thread's.
    assert!(number(&printed, "/all/more_slots") <= 1, "{printed}");
    assert_eq!(number(&printed, "/threads_now"), 1, "{printed}");
}
