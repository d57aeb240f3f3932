//! Spans leave nothing out: random blocks over a few of them, against words that are written one by one.

use proptest::prelude::*;

use crate::classes::{CLASS_BYTES, FIRST_PAGED_CLASS, FIRST_WIDE_CLASS, PAGE_BYTES, Shape};
use crate::marks::{Owner, enter, enter_small, is_left, isolate_pages, leave_large};
use crate::spans::SPAN_PAGES;
use crate::words::Word;
use crate::{pages, runs};

const SPAN_BYTES: usize = SPAN_PAGES * PAGE_BYTES;

/// Nobody's addresses, with a border between two GiB in their middle. Only their words are touched.
const FIRST: usize = 0x3100_0000_0000 - PAGES / 2 * PAGE_BYTES;
/// On each side of that border more spans than are compared at once.
const PAGES: usize = 24 * SPAN_PAGES;
/// Tags that no other test of this process has, because `forget` looks at all pages.
const TAGS: core::ops::Range<u16> = 4_000..4_003;

#[derive(Clone, Debug)]
enum Step {
    /// A large block, allocated and freed.
    Large {
        first: usize,
        pages: usize,
        tag: u16,
    },
    /// Its allocation only.
    LargeLives {
        first: usize,
        tag: u16,
    },
    /// A block of a page in a slab.
    Page {
        page: usize,
        tag: u16,
    },
    /// One that ends in the page after the one that it starts in.
    Wide {
        page: usize,
        tag: u16,
    },
    Isolated {
        first: usize,
        pages: usize,
        tag: u16,
    },
    Forget {
        tag: u16,
    },
}

/// Borders of spans, and pages beside them, are as likely as all others together.
fn page() -> impl Strategy<Value = usize> {
    let beside = (0..PAGES / SPAN_PAGES, 0..3_usize).prop_map(|(span, by)| (span * SPAN_PAGES + by).saturating_sub(1));
    prop_oneof![beside, 0..PAGES]
}

fn range() -> impl Strategy<Value = (usize, usize)> {
    (page(), page()).prop_map(|(one, other)| (one.min(other), one.abs_diff(other) + 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (range(), TAGS).prop_map(|((first, pages), tag)| Step::Large { first, pages, tag }),
        2 => (page(), TAGS).prop_map(|(first, tag)| Step::LargeLives { first, tag }),
        2 => (page(), TAGS).prop_map(|(page, tag)| Step::Page { page, tag }),
        2 => (page(), TAGS).prop_map(|(page, tag)| Step::Wide { page, tag }),
        1 => (range(), TAGS).prop_map(|((first, pages), tag)| Step::Isolated { first, pages, tag }),
        1 => TAGS.prop_map(|tag| Step::Forget { tag }),
    ]
}

fn address(page: usize) -> usize {
    FIRST + page * PAGE_BYTES
}

/// What one step does to the words, page by page.
fn naive(words: &mut [Word], step: &Step) {
    match *step {
        Step::Large { first, pages, tag } => words[first..first + pages].fill(Word::pure(tag)),
        Step::LargeLives { first: page, tag } | Step::Page { page, tag } => words[page] = Word::pure(tag),
        Step::Wide { page, tag } => {
            words[page] = Word::pure(tag);
            if let Some(word) = words.get_mut(page + 1) {
                *word = Word::with_tail(word.tag(), tag);
            }
        }
        Step::Isolated { first, pages, tag } => words[first..first + pages].fill(Word::isolated(tag)),
        Step::Forget { tag } => words.iter_mut().for_each(|word| *word = word.without(|gone| gone == tag)),
    }
}

/// As `any::free_large` does.
fn leave(address: usize, usable_bytes: usize, tag: u16) {
    if !is_known(address, usable_bytes, tag) {
        leave_large(address, usable_bytes, Owner { tag, isolated: false });
    }
}

fn is_known(address: usize, usable_bytes: usize, tag: u16) -> bool {
    pages::value_and_entry(address).is_some_and(|(_, entry)| is_left(entry, address, usable_bytes, tag))
}

fn real(step: &Step) {
    match *step {
        Step::Large { first, pages, tag } => {
            let usable_bytes = pages * PAGE_BYTES;
            enter(address(first), Shape::Large { usable_bytes }, tag);
            leave(address(first), usable_bytes, tag);
        }
        Step::LargeLives { first, tag } => {
            enter(address(first), Shape::Large { usable_bytes: PAGE_BYTES }, tag);
        }
        Step::Page { page, tag } => {
            enter_small(address(page), FIRST_PAGED_CLASS, tag);
        }
        Step::Wide { page, tag } => {
            assert!((CLASS_BYTES[FIRST_WIDE_CLASS] as usize) < 2 * PAGE_BYTES);
            enter_small(address(page), FIRST_WIDE_CLASS, tag);
        }
        Step::Isolated { first, pages, tag } => isolate_pages(address(first), pages * PAGE_BYTES, tag),
        Step::Forget { tag } => runs::forget(|gone| gone == tag),
    }
}

proptest! {
    #[test]
    fn every_word_is_what_writing_each_would_make_it(steps in proptest::collection::vec(step(), 1..40)) {
        isolate_pages(FIRST, PAGES * PAGE_BYTES, TAGS.start);
        let mut words = vec![Word::isolated(TAGS.start); PAGES];
        for (at, step) in steps.iter().enumerate() {
            naive(&mut words, step);
            real(step);
            for (page, word) in words.iter().enumerate() {
                prop_assert_eq!(pages::peek(address(page)), *word, "page {} after step {}", page, at);
            }
            for (page, word) in words.iter().enumerate() {
                if let Some(tag) = pages::part_tag(address(page)) {
                    prop_assert_eq!(*word, Word::pure(tag), "what is known of page {} after step {}", page, at);
                }
            }
            for (span, words) in words.chunks(SPAN_PAGES).enumerate() {
                if let Some(tag) = pages::span_tag(FIRST + span * SPAN_BYTES) {
                    prop_assert!(words.iter().all(|word| *word == Word::pure(tag)), "span {} after step {}", span, at);
                }
            }
        }
    }
}

#[test]
fn a_span_that_one_block_had_is_known() {
    let first = FIRST + (1 << 40);
    leave_large(first, 2 * SPAN_BYTES, Owner { tag: TAGS.start, isolated: false });
    assert_eq!(pages::span_tag(first), Some(TAGS.start));
    assert_eq!(pages::span_tag(first + 2 * SPAN_BYTES), None, "the block ended before");
    enter_small(first + PAGE_BYTES, 3, TAGS.start + 1);
    assert_eq!(pages::span_tag(first), None, "a page of it is another region's");
    assert_eq!(pages::span_tag(first + SPAN_BYTES), Some(TAGS.start));
}

#[test]
fn a_large_block_that_was_freed_once_is_known() {
    // All in one GiB.
    let around = FIRST + (2 << 40) + PAGES / 2 * PAGE_BYTES;
    let others = TAGS.start + 1;
    for before in [0, 1, SPAN_PAGES - 1] {
        // In one span, in two, with one between, and with more than are compared at once.
        for pages in [1, 2, SPAN_PAGES - 1, SPAN_PAGES, SPAN_PAGES + 1, 3 * SPAN_PAGES, 11 * SPAN_PAGES + 1] {
            let (first, bytes) = (around + before * PAGE_BYTES, pages * PAGE_BYTES);
            let at = format!("{pages} pages behind {before}");
            leave(around, 16 * SPAN_BYTES, others);
            assert!(is_known(around, 16 * SPAN_BYTES, others) && is_known(first, bytes, others), "{at}");
            assert!(!is_known(first, bytes, TAGS.start), "{at}");
            leave(first, bytes, TAGS.start);
            assert!(is_known(first, bytes, TAGS.start), "{at}");
            assert!(!is_known(first, bytes + PAGE_BYTES, TAGS.start), "{at}");
            for page in 0..pages {
                enter_small(first + page * PAGE_BYTES, 3, others);
                assert!(!is_known(first, bytes, TAGS.start), "{at}, page {page}");
                leave(first + page * PAGE_BYTES, PAGE_BYTES, TAGS.start);
                // Of a span that others had a page of, words say it once more.
                leave(first, bytes, TAGS.start);
                assert!(is_known(first, bytes, TAGS.start), "{at}, page {page}");
            }
        }
    }
}

#[test]
fn of_a_span_that_two_regions_share_one_is_known() {
    let first = FIRST + (3 << 40);
    let second = first + 3 * PAGE_BYTES;
    leave(first, 3 * PAGE_BYTES, TAGS.start);
    enter_small(second, 3, TAGS.start + 1);
    leave(second, PAGE_BYTES, TAGS.start + 1);
    assert!(is_known(first, 3 * PAGE_BYTES, TAGS.start), "words were enough for the other one");
    leave(second, 2 * PAGE_BYTES, TAGS.start + 1);
    assert!(is_known(second, 2 * PAGE_BYTES, TAGS.start + 1), "whose pages these become");
    leave(first, 3 * PAGE_BYTES, TAGS.start);
    assert!(!is_known(first, 3 * PAGE_BYTES, TAGS.start) && is_known(second, 2 * PAGE_BYTES, TAGS.start + 1));
}
