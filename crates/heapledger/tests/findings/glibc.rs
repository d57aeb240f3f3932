//! What glibc's own heap keeps.

use heapledger::{FindingId, LineId};
use heapledger_harness::again;
use libc::{free, malloc, malloc_trim, memset};

use crate::MIB;
use crate::gain::{assert_gained, assert_not_gained, find, found, ready, take};

#[test]
fn what_glibc_keeps_is_trimmed() {
    // glibc gives threads heaps of their own, and the test runs in one.
    again::run("glibc::subject_glibc", &[("MALLOC_ARENA_MAX", "1")]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_glibc() {
    const BLOCK: usize = 64 << 10;
    ready();
    let mut blocks = Vec::new();
    for _ in 0..800 {
        // SAFETY: any size may be asked for.
        let block = unsafe { malloc(BLOCK) };
        assert!(!block.is_null());
        // SAFETY: the block has so many bytes.
        unsafe { memset(block, 1, BLOCK) };
        blocks.push(block);
    }
    // The last one keeps all that lies below it.
    let last = blocks.pop();
    for block in blocks {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(block) };
    }
    let before = take();
    let finding = found(&before, FindingId::GlibcMemory);
    assert_eq!(finding.remedy, "libc::malloc_trim(0)");
    assert_not_gained(&finding, &before, &take());
    // SAFETY: it has no preconditions.
    assert_eq!(unsafe { malloc_trim(0) }, 1);
    assert_gained(&finding, &before, &take());
    if let Some(block) = last {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(block) };
    }
}

/// Whole pages are free in neither: glibc can give nothing of it back, and nothing is claimed.
#[test]
fn what_fills_no_page_is_no_gain() {
    again::run("glibc::subject_glibc_in_pieces", &[("MALLOC_ARENA_MAX", "1")]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_glibc_in_pieces() {
    // More than glibc's caches for small blocks take, so that the pieces are its arena's.
    const BLOCK: usize = 2000;
    ready();
    let blocks: Vec<*mut libc::c_void> = (0..40_000)
        .map(|_| {
            // SAFETY: any size may be asked for.
            let block = unsafe { malloc(BLOCK) };
            assert!(!block.is_null());
            // SAFETY: the block has so many bytes.
            unsafe { memset(block, 1, BLOCK) }
        })
        .collect();
    for block in blocks.iter().step_by(2) {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(*block) };
    }
    let before = take();
    assert_eq!(find(&before, FindingId::GlibcMemory), None, "{before}");
    // And so it is: 38 MiB are free, and next to nothing of it goes.
    // SAFETY: it has no preconditions.
    unsafe { malloc_trim(0) };
    let went = before.figure(LineId::GlibcHeap) - take().figure(LineId::GlibcHeap);
    assert!(went.high().is_some_and(|bytes| bytes < MIB as i64), "{went} went");
    // The last one stays, and keeps all that lies below it.
    let (last, others) = blocks.split_last().expect("there are blocks");
    for block in others.iter().skip(1).step_by(2) {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(*block) };
    }
    let together = take();
    let finding = found(&together, FindingId::GlibcMemory);
    assert_not_gained(&finding, &together, &take());
    // SAFETY: it has no preconditions.
    assert_eq!(unsafe { malloc_trim(0) }, 1);
    assert_gained(&finding, &together, &take());
    assert_eq!(find(&take(), FindingId::GlibcMemory), None, "the remedy was applied");
    // SAFETY: it came from malloc and nobody has it.
    unsafe { free(*last) };
}
