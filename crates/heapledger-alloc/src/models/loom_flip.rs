//! `flip`, by the one registered thread, against everything that can run beside it.
//!
//! The flipping thread is always the model's main thread; it holds the page's last slot, as region Q.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::Arc;
use loom::thread;

use super::page::{A, B, Page, Q, Seen, THREE_SLOTS, TWO_SLOTS, explore};
use crate::protocol::{self, Rows};
use crate::sync::AtomicUsize;
use crate::words::Word;

/// Whether a flip was seen to succeed, and to fail.
struct Outcomes {
    flipped: Seen,
    kept: Seen,
}

impl Outcomes {
    const fn new() -> Outcomes {
        Outcomes { flipped: Seen::new(), kept: Seen::new() }
    }

    fn note(&self, flipped: bool) {
        self.flipped.note(flipped);
        self.kept.note(!flipped);
    }

    fn both_were_seen(&self) -> bool {
        self.flipped.was() && self.kept.was()
    }
}

#[test]
fn a_thread_without_a_slot_owns_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                assert_eq!(page.own(TWO_SLOTS, 0, A), A);
                assert_eq!(page.owner(0), A, "its own block");
            }
        });
        SEEN.note(page.flip(2, Q));
        assert_eq!(page.owner(1), Q);
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, A), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_thread_without_a_slot_owns_for_the_same_region_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[A, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || assert_eq!(page.own(TWO_SLOTS, 0, Q), Q)
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, Q), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_page_that_keeps_its_row_is_flipped_by_the_first_blocks_of_the_other_class() {
    static SEEN: Outcomes = Outcomes::new();
    explore(4, || {
        let page = Page::mixed_for_long(TWO_SLOTS, &[Q, Q]).shared();
        page.rows.entry(page.word().mixed_row(), 2).store(Q, Relaxed);
        let other = thread::spawn({
            let page = page.clone();
            move || {
                assert_eq!(page.own(THREE_SLOTS, 0, A), A);
                assert_eq!(page.owner(0), A, "its own block");
            }
        });
        assert_eq!(page.own_registered(THREE_SLOTS, 2, Q), Q);
        SEEN.note(page.flip(3, Q));
        assert_eq!(page.owner(2), Q);
        other.join().expect("owned");
        page.check(THREE_SLOTS, &[(0, A), (2, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn two_threads_without_slots_own_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(2, || {
        let page = Page::mixed(THREE_SLOTS, &[Q, Q, Q]).shared();
        let own = |slot, tag| {
            let page = page.clone();
            thread::spawn(move || assert_eq!(page.own(THREE_SLOTS, slot, tag), tag))
        };
        let others = [own(0, A), own(1, B)];
        SEEN.note(page.flip(3, Q));
        assert_eq!(page.owner(2), Q);
        for other in others {
            other.join().expect("owned");
        }
        page.check(THREE_SLOTS, &[(0, A), (1, B), (2, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_thread_registers_and_writes_an_entry_without_a_fence_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                page.register();
                assert_eq!(page.own_registered(TWO_SLOTS, 0, A), A);
                assert_eq!(page.owner(0), A, "its own block");
            }
        });
        SEEN.note(page.flip(2, Q));
        assert_eq!(page.owner(1), Q);
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, A), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_thread_registers_allocates_and_ends_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                page.register();
                assert_eq!(page.own_registered(TWO_SLOTS, 0, A), A);
                // The block lives on.
                page.unregister();
            }
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, A), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_thread_that_ends_leaves_its_entries_to_the_flips_of_the_one_that_stays() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]);
        page.register();
        let page = page.shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                assert_eq!(page.own_registered(TWO_SLOTS, 0, A), A);
                page.unregister();
                // What a thread in teardown still does.
                assert_eq!(page.owner(0), A);
                assert_eq!(page.own(TWO_SLOTS, 0, Q), Q);
            }
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, Q), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_block_is_freed_elsewhere_while_its_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(4, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                assert_eq!(page.owner(0), Q, "a free by any thread");
                // The same slot comes back to it, for another region.
                assert_eq!(page.own(TWO_SLOTS, 0, A), A);
            }
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, A), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_block_is_reallocated_under_its_owner_while_the_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                let tag = page.owner(0);
                assert_eq!(tag, Q);
                assert_eq!(page.own(TWO_SLOTS, 0, tag), Q);
            }
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, Q), (1, Q)]);
    });
    // The entry is Q all the time: only a meeting inside the flip makes it fail.
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_block_is_adopted_while_its_page_is_flipped() {
    static SEEN: Outcomes = Outcomes::new();
    explore(5, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let other = thread::spawn({
            let page = page.clone();
            move || {
                assert_eq!(page.owner(0), Q);
                assert_eq!(page.own(TWO_SLOTS, 0, B), B);
                assert_eq!(page.owner(0), B);
            }
        });
        SEEN.note(page.flip(2, Q));
        other.join().expect("owned");
        page.check(TWO_SLOTS, &[(0, B), (1, Q)]);
    });
    assert!(SEEN.both_were_seen());
}

#[test]
fn a_flip_leaves_the_page_ready_for_the_class_at_other_offsets() {
    // Only one block of the class started in this page; the same row serves a slab in which two do.
    explore(4, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, A]).shared();
        assert!(page.flip(1, Q));
        let other = thread::spawn({
            let page = page.clone();
            move || assert_eq!(page.own_registered(TWO_SLOTS, 0, Q), Q)
        });
        // Slot 1 inherits; a third thread's slot 0 does too, and then the page is mixed once more.
        assert_eq!(page.own_registered(TWO_SLOTS, 1, Q), Q);
        other.join().expect("inherited");
        assert_eq!(page.own(TWO_SLOTS, 0, B), B);
        page.check(TWO_SLOTS, &[(0, B), (1, Q)]);
    });
}

#[test]
fn a_flipped_page_is_freed_and_taken_by_a_large_block() {
    static TAKEN: Seen = Seen::new();
    explore(4, || {
        let page = Page::mixed(TWO_SLOTS, &[Q, Q]).shared();
        let freed = Arc::new(AtomicUsize::new(0));
        let other = thread::spawn({
            let (page, freed) = (page.clone(), freed.clone());
            move || {
                // The slab is empty from here on, which the allocator's lock tells the next holder of the page.
                if freed.load(Acquire) == 1 {
                    TAKEN.note(true);
                    protocol::take_page(&page.word, &page.rows, A);
                    assert_eq!(page.word(), Word::pure(A));
                    assert_eq!(page.rows.in_use(), 0, "the row was given back");
                }
            }
        });
        assert!(page.flip(2, Q));
        assert_eq!(page.owner(1), Q);
        freed.store(1, Release);
        other.join().expect("taken");
    });
    assert!(TAKEN.was());
}

#[test]
fn a_clearing_that_a_fork_left_behind_is_ended_by_the_next_block_or_by_a_large_one() {
    explore(4, || {
        let page = Page::mixed(TWO_SLOTS, &[A, Q]);
        page.word.store(page.word().clearing().0, Relaxed);
        assert_eq!(page.own_registered(TWO_SLOTS, 1, B), B);
        page.check(TWO_SLOTS, &[(0, A), (1, B)]);
        page.word.store(page.word().clearing().0, Relaxed);
        protocol::take_page(&page.word, &page.rows, Q);
        assert_eq!((page.word(), page.rows.in_use()), (Word::pure(Q), 0));
    });
}
