//! How wide the intervals of a quiet process are together: what widens them, by how much at most, and what does not.
//!
//! Blocks that threads cache have no place that is told, so where a part of a class's slabs is resident it is not known
//! whether the cached ones are in that part: then live blocks and thread caches are intervals, each as wide as what is
//! cached of the class at most. Where all of it was written, as nearly all blocks are, both are exact.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::hint::black_box;

use heapledger::{Figure, LineId, Region, Statement};
use heapledger_probe::control::flush_thread_cache;
use support::{exact, sum, take};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WRITTEN: Region = Region::new("written");
static HALF: Region = Region::new("half written");

/// Small sizes, four to a doubling from 80 bytes to 14 KiB.
fn sizes() -> impl Iterator<Item = usize> {
    (4..12).flat_map(|doubling| (5..=8).map(move |step| step << doubling)).filter(|bytes| *bytes <= 14 << 10)
}

/// Blocks of each size, more than a thread caches of any.
const BLOCKS: usize = 1000;
/// So many of them are freed again, as many as a thread caches of the smallest.
const FREED: usize = 200;

/// What an interval may be wide in a quiet process: a hundredth of RSS, and this.
const WIDTH_AT_MOST: i64 = 1 << 20;

/// Blocks of all sizes, of which those are written that `written` says by number, and of which the last are freed again.
fn blocks(region: &Region, written: impl Fn(usize) -> bool) -> Vec<Vec<u8>> {
    let make = |index: usize, bytes: usize| match written(index) {
        true => vec![1_u8; bytes],
        false => Vec::with_capacity(bytes),
    };
    let mut blocks = Vec::new();
    for bytes in sizes() {
        blocks.extend((0..BLOCKS).map(|index| region.scope(|| make(index, bytes))));
        blocks.truncate(blocks.len() - FREED);
    }
    black_box(blocks)
}

/// RSS, and how wide all intervals are together.
fn widths(statement: &Statement) -> (i64, i64) {
    let sum = sum(statement);
    let (low, high) = sum.ends().expect("all lines are known");
    let rss = exact(statement, LineId::Rss);
    assert!(low <= rss && rss <= high, "{sum}\n{statement}");
    (rss, high - low)
}

/// Bytes that threads cache and jemalloc's internal ones, resident or not.
fn cached(statement: &Statement) -> i64 {
    let live: i64 = statement.regions().iter().map(|region| region.usable_bytes.live()).sum();
    let allocated = statement.figure(LineId::Allocated).as_exact().expect("jemalloc tells");
    assert_eq!(statement.figure(LineId::PastAllocated), Figure::Exact(0), "{statement}");
    allocated - live
}

#[test]
fn intervals_are_narrow_but_for_what_is_cached_where_a_part_was_never_written() {
    let written = blocks(&WRITTEN, |_| true);
    let statement = take();
    let (rss, width) = widths(&statement);
    assert!(width <= rss / 100 + WIDTH_AT_MOST, "all was written: {width} of {rss}\n{statement}");

    let half = blocks(&HALF, |index| index < BLOCKS / 2);
    let statement = take();
    let ((rss, width), cached) = (widths(&statement), cached(&statement));
    println!("half was written: RSS {rss}, width {width}, cached {cached}");
    assert!(width <= 2 * cached, "live blocks and thread caches, each by what is cached: {width}\n{statement}");

    flush_thread_cache().expect("this thread has a cache");
    let statement = take();
    let (rss, width) = widths(&statement);
    println!("nothing is cached: RSS {rss}, width {width}");
    assert!(width <= rss / 100 + WIDTH_AT_MOST, "nothing is cached: {width} of {rss}\n{statement}");
    drop((written, half));
}
