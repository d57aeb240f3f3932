//! Ids that are given to new names: who enters at the last moment, and pages that forget a region beside others that
//! come.
//!
//! `guard.rs` and `reuse.rs` of core are not compiled for loom, so their rule is repeated here: who enters writes its
//! stack, then looks at the generation a second time; who reclaims changes the generation, has a barrier, then reads
//! the stacks. The barrier is the kernel's; here each side has a fence.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use loom::sync::Arc;
use loom::thread;

use super::page::{A, B, Page, Q, Seen, TWO_SLOTS, explore};
use crate::protocol;
use crate::sync::{AtomicU64, AtomicUsize, fence};
use crate::words::Word;

/// What one index is: its generation, the top of one thread's stack, and blocks that live.
struct Index {
    generation: AtomicUsize,
    stack: AtomicUsize,
    /// As counters are: allocated and freed, each written by one thread.
    allocated: AtomicU64,
    freed: AtomicU64,
}

impl Index {
    fn new() -> Arc<Index> {
        Arc::new(Index {
            generation: AtomicUsize::new(0),
            stack: AtomicUsize::new(0),
            allocated: AtomicU64::new(0),
            freed: AtomicU64::new(0),
        })
    }

    /// As `Guard::enter`, with an id of the first generation.
    fn enter(&self) -> bool {
        if self.generation.load(Relaxed) != 0 {
            return false;
        }
        self.stack.store(1, Relaxed);
        fence(SeqCst);
        if self.generation.load(Relaxed) == 0 {
            return true;
        }
        self.stack.store(0, Relaxed);
        false
    }

    /// As `totals::is_live`.
    fn is_live(&self) -> bool {
        let freed = self.freed.load(Relaxed);
        fence(Acquire);
        self.allocated.load(Relaxed) != freed
    }

    /// As `reuse::reclaim`: whether the index may be used again.
    fn reclaim(&self) -> bool {
        if self.is_live() {
            return false;
        }
        self.generation.store(1, SeqCst);
        fence(SeqCst);
        self.stack.load(Relaxed) == 0 && !self.is_live()
    }
}

#[test]
fn a_thread_that_enters_at_the_last_moment_keeps_the_id_or_is_refused() {
    static ENTERED: Seen = Seen::new();
    static RECLAIMED: Seen = Seen::new();
    explore(4, || {
        let index = Index::new();
        let enters = thread::spawn({
            let index = index.clone();
            move || {
                let entered = index.enter();
                if entered {
                    // A block that outlives the scope.
                    index.allocated.store(1, Release);
                    index.stack.store(0, Release);
                }
                entered
            }
        });
        let reclaimed = index.reclaim();
        let entered = enters.join().expect("done");
        ENTERED.note(entered);
        RECLAIMED.note(reclaimed);
        assert!(!(entered && reclaimed), "the block would be another region's");
    });
    assert!(ENTERED.was() && RECLAIMED.was());
}

#[test]
fn a_block_that_is_resized_keeps_the_id_all_the_time() {
    explore(4, || {
        let index = Index::new();
        index.allocated.store(1, Relaxed);
        let resizes = thread::spawn({
            let index = index.clone();
            move || {
                // As `any::realloc_any`: allocated first.
                index.allocated.store(2, Release);
                index.freed.store(1, Release);
            }
        });
        assert!(!index.reclaim(), "a block lives");
        resizes.join().expect("done");
    });
}

/// The page was Q's, none of whose blocks lives; the others' come while it forgets Q.
fn forget_beside(page: fn() -> Page, expected_rows: usize) {
    explore(3, move || {
        let page = page().shared();
        let own = |slot, tag| {
            let page = page.clone();
            thread::spawn(move || {
                assert_eq!(page.own(TWO_SLOTS, slot, tag), tag);
                assert_eq!(page.owner(slot), tag, "its own block");
            })
        };
        let others = [own(0, A), own(1, B)];
        protocol::forget(&page.word, |tag| tag == Q);
        for other in others {
            other.join().expect("owned");
        }
        page.check(TWO_SLOTS, &[(0, A), (1, B)]);
        assert!(page.rows.in_use() <= expected_rows);
        // Once more, when nobody is there: what is left of Q goes.
        protocol::forget(&page.word, |tag| tag == Q);
        page.check(TWO_SLOTS, &[(0, A), (1, B)]);
    });
}

#[test]
fn a_page_forgets_a_region_while_others_come_to_it() {
    forget_beside(|| Page::new(Word::pure(Q)), 1);
    forget_beside(|| Page::flipped(TWO_SLOTS, Q), 1);
    forget_beside(|| Page::new(Word::with_tail(Q, Q)), 1);
    forget_beside(|| Page::mixed(TWO_SLOTS, &[Q, Q]), 1);
}

#[test]
fn a_page_keeps_what_is_not_forgotten() {
    explore(1, || {
        let gone = |tag| tag == Q;
        for (before, after) in [
            (Word::VIRGIN, Word::VIRGIN),
            (Word::pure(Q), Word::VIRGIN),
            (Word::pure(A), Word::pure(A)),
            (Word::with_tail(A, Q), Word::pure(A)),
            (Word::with_tail(Q, A), Word::with_tail(0, A)),
            (Word::with_tail(Q, Q), Word::VIRGIN),
            (Word::with_tail(A, B), Word::with_tail(A, B)),
            (Word::isolated(Q), Word::VIRGIN),
            (Word::isolated(A), Word::isolated(A)),
        ] {
            let word = AtomicU64::new(before.0);
            protocol::forget(&word, gone);
            assert_eq!(Word(word.load(Relaxed)), after, "{before:?}");
        }
    });
}
