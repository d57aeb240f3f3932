//! One span, whose pages pass from hand to hand through a lock, as through jemalloc.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::page::{A, B, Q, Seen, explore};
use super::pool::Pool;
use crate::protocol;
use crate::spans::{self, SPAN_PAGES, UNLIKE, VIRGIN, bits};
use crate::sync::{AtomicU16, AtomicU64};
use crate::words::Word;

struct Span {
    tag: AtomicU16,
    parts: AtomicU64,
    words: [AtomicU64; SPAN_PAGES],
    rows: Pool,
    /// Which pages nobody has.
    free: Mutex<[bool; SPAN_PAGES]>,
}

impl Span {
    /// All pages are one region's, and that is known.
    fn of(tag: u16) -> Arc<Span> {
        let words = core::array::from_fn(|_| AtomicU64::new(Word::pure(tag).0));
        Arc::new(Span {
            tag: AtomicU16::new(tag),
            parts: AtomicU64::new(tag.into()),
            words,
            rows: Pool::new(1, 1, false),
            free: Mutex::new([true; SPAN_PAGES]),
        })
    }

    /// Takes these pages, if they are free.
    fn take(&self, pages: core::ops::Range<usize>) -> bool {
        let mut free = self.free.lock().expect("nobody panics");
        let is_free = free[pages.clone()].iter().all(|free| *free);
        if is_free {
            free[pages].fill(false);
        }
        is_free
    }

    fn give(&self, pages: core::ops::Range<usize>) {
        self.free.lock().expect("nobody panics")[pages].fill(true);
    }

    /// A block of its own pages, allocated and freed, if they are free.
    fn large(&self, pages: core::ops::Range<usize>, tag: u16) -> bool {
        self.large_in(pages, tag, false)
    }

    /// As `large`; `elsewhere` says that the block has other pages too, which its owner is not known of.
    fn large_in(&self, pages: core::ops::Range<usize>, tag: u16, elsewhere: bool) -> bool {
        if !self.take(pages.clone()) {
            return false;
        }
        spans::before_change(&self.tag, &self.parts, bits(pages.start, pages.start + 1), tag);
        protocol::take_page(&self.words[pages.start], &self.rows, tag);
        let words = &self.words[pages.clone()];
        // As `runs::are_known` and `runs::are_alone` ask: the tag if the span is the block's whole and between two
        // others, else the parts, and then the words.
        let known = if pages.len() == SPAN_PAGES {
            self.tag.load(Relaxed) == tag
        } else if pages.start == 0 {
            spans::tail_is_known(&self.parts, pages.end - 1, tag)
        } else {
            spans::head_is_known(&self.parts, pages.start, tag)
        };
        if elsewhere || !known && !spans::part_is_alone(&self.parts, pages.start, words, tag) {
            let (spans, parts) = (core::slice::from_ref(&self.tag), core::slice::from_ref(&self.parts));
            spans::change(spans, parts, pages.start, words, tag, &|word| protocol::take_page(word, &self.rows, tag));
        }
        for word in words {
            assert_eq!(word.load(Relaxed), Word::pure(tag).0, "a freed page keeps its last owner");
        }
        self.give(pages);
        true
    }

    /// What is known must be so, once everybody is done.
    fn holds(&self) {
        let known = self.tag.load(Relaxed);
        let alike = self.words.iter().all(|word| word.load(Relaxed) == Word::pure(known).0);
        assert!(known == UNLIKE || alike, "known as {known}, which not all pages are");
        for (page, word) in self.words.iter().enumerate() {
            if let Some(tag) = spans::known_tag(&self.parts, page) {
                assert_eq!(word.load(Relaxed), Word::pure(tag).0, "what is known of page {page}");
            }
        }
    }
}

#[test]
fn a_span_is_known_by_the_last_who_had_it_whole_and_by_nobody_after_a_part_of_it() {
    static WHOLE_LAST: Seen = Seen::new();
    static PART_LAST: Seen = Seen::new();
    explore(3, || {
        let span = Span::of(A);
        let other = thread::spawn({
            let span = span.clone();
            move || span.large(0..SPAN_PAGES, B) | span.large(0..SPAN_PAGES, A)
        });
        let part = span.large_in(0..1, B, true);
        let whole = other.join().expect("it is done");
        span.holds();
        WHOLE_LAST.note(whole && span.tag.load(Relaxed) == A);
        PART_LAST.note(part && span.tag.load(Relaxed) == UNLIKE);
    });
    assert!(WHOLE_LAST.was() && PART_LAST.was());
}

#[test]
fn what_is_known_of_a_page_is_right_whatever_holders_of_others_do_meanwhile() {
    static OURS: Seen = Seen::new();
    static THEIRS: Seen = Seen::new();
    // A change in two steps shows with two switches; with three it takes half a minute.
    explore(2, || {
        let span = Span::of(A);
        let other = thread::spawn({
            let span = span.clone();
            move || assert!(span.large(1..2, B), "nobody else wants it")
        });
        assert!(span.large(0..1, B) && span.large(0..1, A), "nobody else wants it");
        other.join().expect("it is done");
        span.holds();
        OURS.note(spans::known_tag(&span.parts, 0) == Some(A));
        THEIRS.note(spans::known_tag(&span.parts, 1) == Some(B));
    });
    assert!(OURS.was() && THEIRS.was());
}

#[test]
fn who_forgets_a_region_disturbs_nobody_who_has_pages_that_were_its_last() {
    static KNOWN: Seen = Seen::new();
    explore(3, || {
        let span = Span::of(Q);
        let other = thread::spawn({
            let span = span.clone();
            move || assert!(span.large(0..1, B) && span.large(0..SPAN_PAGES, A), "nobody else wants them")
        });
        let gone = |tag| tag == Q;
        spans::forget(&span.tag, &span.parts, gone);
        span.words.iter().for_each(|word| protocol::forget(word, gone));
        other.join().expect("it is done");
        span.holds();
        KNOWN.note(span.tag.load(Relaxed) == A);
        for word in &span.words {
            assert_eq!(word.load(Relaxed), Word::pure(A).0);
        }
    });
    assert!(KNOWN.was());
}

#[test]
fn a_span_is_not_virgin_for_who_knows_that_a_block_of_it_is_gone() {
    static KNEW: Seen = Seen::new();
    explore(3, || {
        let span = Span::of(VIRGIN);
        // As counters tell it, which are added to with Release.
        let freed = Arc::new(AtomicU64::new(0));
        let first = thread::spawn({
            let span = span.clone();
            move || assert!(span.large(1..SPAN_PAGES, B), "nobody else wants it")
        });
        let second = thread::spawn({
            let (span, freed) = (span.clone(), freed.clone());
            move || {
                assert!(span.large(0..1, Q), "nobody else wants it");
                freed.store(1, Release);
            }
        });
        let knows = freed.load(Acquire) == 1;
        assert!(!knows || span.tag.load(Relaxed) != VIRGIN, "its page would not forget it");
        KNEW.note(knows);
        for other in [first, second] {
            other.join().expect("it is done");
        }
        span.holds();
    });
    assert!(KNEW.was());
}
