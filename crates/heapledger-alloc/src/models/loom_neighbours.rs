//! The word of a page that two blocks of a wide class share: one ends in it, the next one starts in it.

use core::sync::atomic::Ordering::{Acquire, Release};

use loom::sync::Arc;
use loom::thread;

use super::page::{A, B, Page, Q, Seen, TWO_SLOTS, explore};
use crate::protocol;
use crate::sync::AtomicUsize;
use crate::words::Word;

/// A block of A comes to end in the page while one of B comes to start in it.
fn meet(page: Page) {
    let page = page.shared();
    let other = thread::spawn({
        let page = page.clone();
        move || protocol::take_tail(&page.word, &page.rows, A)
    });
    protocol::take_start(&page.word, &page.rows, B);
    assert_eq!(page.owner(0), B, "its own block");
    other.join().expect("recorded");
    assert_eq!(page.word(), Word::with_tail(B, A));
    assert_eq!(page.rows.in_use(), 0, "what the page had before is given back once");
}

#[test]
fn neighbours_change_the_two_halves_of_a_word_at_once() {
    explore(5, || meet(Page::new(Word::VIRGIN)));
    explore(5, || meet(Page::new(Word::pure(Q))));
    explore(5, || meet(Page::new(Word::pure(B))));
    explore(5, || meet(Page::new(Word::with_tail(Q, Q))));
    explore(5, || meet(Page::new(Word::with_tail(B, A))));
}

#[test]
fn neighbours_find_the_row_of_an_earlier_slab_and_give_it_back_once() {
    explore(5, || meet(Page::mixed(TWO_SLOTS, &[Q, A])));
    explore(5, || meet(Page::flipped(TWO_SLOTS, Q)));
}

#[test]
fn a_neighbour_that_comes_does_not_change_the_owner_of_a_block_that_is_freed() {
    static FREED_FIRST: Seen = Seen::new();
    explore(5, || {
        let page = Page::new(Word::with_tail(B, Q)).shared();
        let freed = Arc::new(AtomicUsize::new(0));
        let other = thread::spawn({
            let (page, freed) = (page.clone(), freed.clone());
            move || {
                protocol::take_tail(&page.word, &page.rows, A);
                // The same place is given to another region as soon as it is free.
                if freed.load(Acquire) == 1 {
                    FREED_FIRST.note(true);
                    protocol::take_start(&page.word, &page.rows, Q);
                    assert_eq!(page.owner(0), Q);
                }
            }
        });
        assert_eq!(page.owner(0), B);
        freed.store(1, Release);
        other.join().expect("recorded");
        assert_eq!(page.word().tail(), Some(A));
    });
    assert!(FREED_FIRST.was());
}
