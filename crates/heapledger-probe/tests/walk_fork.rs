//! A process of its own: a forked child's first walk is of the child.
#![cfg(target_os = "linux")]

mod support;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
use heapledger_harness::fork::in_a_child;
use heapledger_probe::Walker;
use support::checks::{Check, check as check_walk};
use support::heap;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static A: Region = Region::new("a");

/// Code that the child runs for the first time maps pages of files around a count; so many at most.
const FILE_PAGES_BYTES: u64 = 16 * 4096;

fn check(walker: &mut Walker, in_child: bool, blocks: u64) {
    let taken = support::take(walker);
    let mut found = check_walk(&taken.walk, &support::facts(&taken, [taken.after.rss_anon_bytes.ok(), None, None]));
    // What threads cached that the child does not have stays allocated there for ever, and nobody counts it.
    found.retain(|failed| !(in_child && failed.check == Check::Cached && failed.walked_bytes > failed.counted_bytes));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(heap(&taken).regions[A.index()].large.blocks, blocks);
    let file = support::exact(taken.walk.pages.file);
    let counted = taken.after.rss_file_bytes.expect("status");
    assert!(file.abs_diff(counted) <= FILE_PAGES_BYTES, "{file} {counted}");
}

#[test]
fn a_forked_child_walks_itself() {
    let mut walker = Walker::new().expect("buffers");
    let mut blocks: Vec<Vec<u8>> = A.scope(|| (0..40).map(|_| vec![1; 1 << 20]).collect());
    check(&mut walker, false, 40);
    let code = in_a_child(|| {
        blocks.truncate(10);
        for _ in 0..2 {
            check(&mut walker, true, 10);
        }
        0
    });
    assert_eq!(code, 0, "the child failed");
    check(&mut walker, false, 40);
}
