//! A program whose C code allocates from the same jemalloc as the ledger, past it: those blocks have a line of their
//! own, and the others stay what they were. Prints the statement and exits with 0 if all of it is so.
#![allow(unsafe_code, reason = "C is called")]

use std::process::ExitCode;

use heapledger::{Figure, LineId, Region, Statement};
// Linked for its feature.
use tikv_jemallocator as _;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static OWN: Region = Region::new("own");

const MIB: usize = 1 << 20;
const KIB: usize = 1 << 10;

/// C keeps so much in small blocks, and as much in large ones.
const C_BYTES: usize = 100 * MIB;

/// A thread's cache of 1 KiB blocks is refilled by fewer than so many, and C leaves some of the last refill there.
const CACHED_AT_MOST: i64 = 256 * KIB as i64;

/// Intervals may be so wide: a hundredth of RSS, and this.
const WIDTH_AT_MOST: i64 = MIB as i64;

unsafe extern "C" {
    fn keep_blocks(count: usize, bytes: usize) -> i32;
}

fn main() -> Result<ExitCode, heapledger::Error> {
    let own: Vec<Vec<u8>> = OWN.scope(|| (0..64).map(|_| vec![1; 100 * KIB]).collect());
    let before = heapledger::statement()?;
    for bytes in [KIB, MIB] {
        // SAFETY: takes two numbers, touches only blocks of its own, and is called by one thread.
        let failed = unsafe { keep_blocks(C_BYTES / bytes, bytes) };
        assert_eq!(failed, 0, "C got its blocks");
    }
    let after = heapledger::statement()?;
    println!("{after}");
    let checks = [
        past_is_what_c_keeps(&before, &after),
        caches_hold_no_more(&before, &after),
        regions_are_unchanged(&before, &after),
        sources_agree(&after),
    ];
    drop(own);
    Ok(if checks.iter().all(|holds| *holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(what: &str, holds: bool, found: &dyn std::fmt::Display) -> bool {
    println!("{} {what}: {found}", if holds { "ok" } else { "FAILED" });
    holds
}

fn past_is_what_c_keeps(before: &Statement, after: &Statement) -> bool {
    let more = after.figure(LineId::PastLedger) - before.figure(LineId::PastLedger);
    let truth = 2 * C_BYTES as i64;
    let rss = after.figure(LineId::Rss).high().unwrap_or_default();
    let narrow = more.ends().is_some_and(|(low, high)| high - low <= rss / 100 + WIDTH_AT_MOST);
    check("past the ledger grew by what C keeps", more.admits(truth) && narrow, &more)
}

fn caches_hold_no_more(before: &Statement, after: &Statement) -> bool {
    let more = after.figure(LineId::ThreadCaches) - before.figure(LineId::ThreadCaches);
    let holds = more.low().is_some_and(|bytes| bytes <= CACHED_AT_MOST);
    check("thread caches are as they were, but for a refill", holds, &more)
}

fn regions_are_unchanged(before: &Statement, after: &Statement) -> bool {
    let bytes = |statement: &Statement| statement.region("own").map(|region| region.self_bytes());
    let resident = |statement: &Statement| {
        statement.part(LineId::Live, "own").unwrap_or_else(|| Figure::unknown("there is no such region", ""))
    };
    // Each may be an interval, by what of a slab is resident; but they are of the same blocks.
    let change = resident(after) - resident(before);
    let same = bytes(before) == bytes(after) && bytes(after).is_some() && change.admits(0);
    check("the region is as it was", same && !change.is_unknown(), &change)
}

fn sources_agree(after: &Statement) -> bool {
    let failed: Vec<_> = after.checks().iter().filter(|check| check.holds() != Some(true)).collect();
    check("every check of the statement holds", failed.is_empty(), &failed.len())
}
