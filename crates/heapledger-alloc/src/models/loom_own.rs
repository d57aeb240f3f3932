//! Threads that make themselves owners of different slots of one page.

use core::sync::atomic::Ordering::Relaxed;

use loom::thread;

use super::page::{A, B, Page, Q, Seen, THREE_SLOTS, TWO_SLOTS, explore};
use crate::protocol::{self, Rows};
use crate::words::Word;

/// Two threads race for slots 0 and 1; slot 2, if the class has it, was inherited from the page before.
fn race(page: Page, class: usize, tags: [u16; 2], inherited: Option<u16>) {
    let page = page.shared();
    let other = thread::spawn({
        let page = page.clone();
        move || {
            assert_eq!(page.own(class, 0, tags[0]), tags[0]);
            assert_eq!(page.owner(0), tags[0], "its own block");
        }
    });
    assert_eq!(page.own(class, 1, tags[1]), tags[1]);
    assert_eq!(page.owner(1), tags[1], "its own block");
    other.join().expect("the other thread found its owner");
    let mut held = vec![(0, tags[0]), (1, tags[1])];
    held.extend(inherited.map(|tag| (2, tag)));
    page.check(class, &held);
}

#[test]
fn two_regions_mix_a_pure_page_at_once_and_the_inherited_block_keeps_its_owner() {
    explore(4, || race(Page::new(Word::pure(Q)), THREE_SLOTS, [A, B], Some(Q)));
}

#[test]
fn two_threads_of_one_region_mix_a_pure_page_of_another() {
    explore(4, || race(Page::new(Word::pure(Q)), THREE_SLOTS, [A, A], Some(Q)));
}

#[test]
fn two_regions_mix_a_page_that_was_mixed_and_flipped() {
    explore(4, || race(Page::flipped(THREE_SLOTS, Q), THREE_SLOTS, [A, B], Some(Q)));
}

#[test]
fn one_inherits_while_another_mixes() {
    explore(4, || race(Page::new(Word::pure(Q)), THREE_SLOTS, [Q, A], Some(Q)));
    explore(4, || race(Page::flipped(THREE_SLOTS, Q), THREE_SLOTS, [Q, A], Some(Q)));
}

#[test]
fn two_regions_race_for_a_virgin_page() {
    explore(4, || race(Page::new(Word::VIRGIN), TWO_SLOTS, [A, B], None));
    explore(4, || race(Page::new(Word::VIRGIN), TWO_SLOTS, [A, A], None));
}

#[test]
fn two_regions_race_for_a_page_with_the_tail_of_an_earlier_slab() {
    explore(4, || race(Page::new(Word::with_tail(0, Q)), TWO_SLOTS, [A, B], None));
    explore(4, || race(Page::new(Word::with_tail(A, Q)), TWO_SLOTS, [A, B], None));
}

#[test]
fn two_regions_race_for_a_mixed_page() {
    explore(4, || race(Page::mixed(THREE_SLOTS, &[B, A, Q]), THREE_SLOTS, [A, B], Some(Q)));
}

#[test]
fn the_first_blocks_of_another_class_replace_the_row_once() {
    explore(4, || race(Page::mixed(TWO_SLOTS, &[A, B]), THREE_SLOTS, [A, B], None));
    explore(4, || race(Page::flipped(TWO_SLOTS, Q), THREE_SLOTS, [A, B], None));
    explore(4, || race(Page::flipped(TWO_SLOTS, A), THREE_SLOTS, [A, B], None));
}

#[test]
fn the_first_blocks_of_another_class_keep_a_row_that_serves_it() {
    explore(4, || race(Page::mixed_for_long(TWO_SLOTS, &[A, B]), THREE_SLOTS, [A, B], None));
    explore(4, || race(Page::mixed_for_long(TWO_SLOTS, &[Q, Q]), THREE_SLOTS, [A, B], None));
    explore(4, || race(Page::mixed_for_long(TWO_SLOTS, &[A, B]), THREE_SLOTS, [Q, Q], None));
}

#[test]
fn three_threads_come_to_a_page_that_keeps_its_row() {
    explore(3, || race_of_three(Page::mixed_for_long(TWO_SLOTS, &[A, B])));
}

#[test]
fn a_reader_believes_no_entry_of_a_row_that_its_page_kept_for_another_class() {
    static CHANGED: Seen = Seen::new();
    static BELIEVED: Seen = Seen::new();
    static FOREIGN: Seen = Seen::new();
    explore(3, || {
        let page = Page::mixed_for_long(TWO_SLOTS, &[A, A]).shared();
        let own = |slot, tag| {
            let page = page.clone();
            thread::spawn(move || assert_eq!(page.own_registered(THREE_SLOTS, slot, tag), tag))
        };
        let others = [own(0, B), own(1, Q)];
        let seen = page.word();
        if seen == Word::mixed(TWO_SLOTS, seen.mixed_row()) {
            let entries = [0, 1].map(|slot| page.rows.entry(seen.mixed_row(), slot).load(Relaxed));
            let believed = protocol::is_still(&page.word, seen);
            BELIEVED.note(believed);
            CHANGED.note(!believed);
            FOREIGN.note(entries != [A, A]);
            assert!(!believed || entries == [A, A], "{entries:?}");
        }
        for other in others {
            other.join().expect("owned");
        }
        page.check(THREE_SLOTS, &[(0, B), (1, Q)]);
    });
    assert!(CHANGED.was() && BELIEVED.was() && FOREIGN.was());
}

/// Two threads without slots and one with.
fn race_of_three(page: Page) {
    let page = page.shared();
    let own = |slot, tag| {
        let page = page.clone();
        thread::spawn(move || assert_eq!(page.own(THREE_SLOTS, slot, tag), tag))
    };
    let others = [own(0, A), own(1, B)];
    assert_eq!(page.own_registered(THREE_SLOTS, 2, Q), Q);
    assert_eq!(page.owner(2), Q);
    for other in others {
        other.join().expect("its owner is the one it asked for");
    }
    page.check(THREE_SLOTS, &[(0, A), (1, B), (2, Q)]);
}

#[test]
fn three_threads_mix_a_pure_page() {
    explore(2, || race_of_three(Page::new(Word::pure(Q))));
}

#[test]
fn a_block_that_inherited_is_freed_elsewhere_while_the_page_is_mixed() {
    static HANDED: Seen = Seen::new();
    static MIXED: Seen = Seen::new();
    explore(3, || {
        let page = Page::new(Word::pure(Q)).shared();
        let handed = loom::sync::Arc::new(crate::sync::AtomicUsize::new(0));
        let allocates = thread::spawn({
            let (page, handed) = (page.clone(), handed.clone());
            move || {
                page.own_registered(TWO_SLOTS, 0, Q);
                handed.store(1, core::sync::atomic::Ordering::Release);
            }
        });
        let mixes = thread::spawn({
            let page = page.clone();
            move || assert_eq!(page.own(TWO_SLOTS, 1, A), A)
        });
        if handed.load(core::sync::atomic::Ordering::Acquire) == 1 {
            HANDED.note(true);
            MIXED.note(page.word().is_mixed());
            assert_eq!(page.owner(0), Q);
        }
        allocates.join().expect("allocated");
        mixes.join().expect("mixed");
        page.check(TWO_SLOTS, &[(0, Q), (1, A)]);
    });
    assert!(HANDED.was() && MIXED.was());
}

#[test]
fn a_reallocated_block_keeps_its_owner_while_others_come() {
    // In place: the block of Q re-enters its own slot, on a pure page that A mixes and on a mixed one.
    for page in [|| Page::new(Word::pure(Q)), || Page::mixed(TWO_SLOTS, &[Q, B])] {
        explore(4, move || {
            let page = page().shared();
            let other = thread::spawn({
                let page = page.clone();
                move || assert_eq!(page.own(TWO_SLOTS, 1, A), A)
            });
            let tag = page.owner(0);
            assert_eq!(tag, Q);
            assert_eq!(page.own(TWO_SLOTS, 0, tag), Q);
            other.join().expect("owned");
            page.check(TWO_SLOTS, &[(0, Q), (1, A)]);
        });
    }
}

#[test]
fn a_block_is_adopted_while_others_come_to_its_page() {
    // In place: the block of Q becomes B's, on a pure page that A mixes and on a mixed one.
    for page in [|| Page::new(Word::pure(Q)), || Page::mixed(THREE_SLOTS, &[Q, B, Q])] {
        explore(4, move || {
            let page = page().shared();
            let other = thread::spawn({
                let page = page.clone();
                move || assert_eq!(page.own(THREE_SLOTS, 1, A), A)
            });
            assert_eq!(page.owner(0), Q);
            assert_eq!(page.own(THREE_SLOTS, 0, B), B);
            assert_eq!(page.owner(0), B);
            other.join().expect("owned");
            page.check(THREE_SLOTS, &[(0, B), (1, A), (2, Q)]);
        });
    }
}

#[test]
fn without_memory_for_a_row_the_block_is_the_pages_own_and_stays_so() {
    static REFUSED: Seen = Seen::new();
    explore(4, || {
        let page = Page::new(Word::pure(Q));
        // All rows but one are gone: the two threads may both ask for it, and one may be refused.
        for _ in 1..4 {
            page.rows.take(TWO_SLOTS);
        }
        let page = page.shared();
        let other = thread::spawn({
            let page = page.clone();
            move || page.own(TWO_SLOTS, 0, A)
        });
        let ours = page.own(TWO_SLOTS, 1, B);
        let theirs = other.join().expect("owned");
        assert!([A, Q].contains(&theirs) && [B, Q].contains(&ours));
        REFUSED.note(theirs == Q || ours == Q);
        assert_eq!((page.owner(0), page.owner(1)), (theirs, ours), "what was counted is what a free finds");
    });
    assert!(REFUSED.was());
}
