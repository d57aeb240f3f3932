//! A process of its own: a forked child's first walk is of the child.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "std has no word for fork")]

mod support;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
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
    // SAFETY: the child does only what it may: it allocates, reads, and ends without unwinding.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            blocks.truncate(10);
            for _ in 0..2 {
                check(&mut walker, true, 10);
            }
        }));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    check(&mut walker, false, 40);
}
