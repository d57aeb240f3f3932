//! Words and size classes against the plainest way of saying the same.

use proptest::prelude::*;

use crate::classes::{
    CLASS_BYTES, FIRST_PAGED_CLASS, FIRST_WIDE_CLASS, PAGE_BYTES, PAIR_OF_EIGHTH, PLACE_OF_EIGHTH, SMALL_CLASSES,
    SMALL_MAX_BYTES, Shape, eighth, slot_of, slots_in_page, slots_per_page, small_class,
};
use crate::places::{
    LARGE_BLOCKS, LARGE_USABLE_BYTES, Place, REQUESTED_BYTES, SET_WORDS, STRIDE_WORDS, TAGS, USED_WITHOUT_BYTES,
    small_blocks,
};
use crate::words::{ROW_ALIGN_BYTES, Row, TAG_BITS, Word};

/// A row's address must fit: 47 bits, at a multiple of the alignment, not 0.
fn row() -> impl Strategy<Value = Row> {
    (1_usize..1 << 42).prop_map(|number| Row(number * ROW_ALIGN_BYTES))
}

/// Tags that a region can have.
fn tag() -> impl Strategy<Value = u16> {
    1_u16..1 << TAG_BITS
}

proptest! {
    #[test]
    fn a_mixed_word_gives_back_its_class_and_row(class in 0..FIRST_PAGED_CLASS, row in row(), tag in tag()) {
        let word = Word::mixed(class, row);
        prop_assert!(word.is_mixed() && !word.is_clearing());
        prop_assert_eq!(word.row(), Some((class, row)));
        prop_assert_eq!(word.mixed_row(), row);
        prop_assert_eq!(word.tail(), None);
        prop_assert_eq!(word.low(), Word::mixed_low(u8::try_from(2 * class).expect("classes are few")));
        prop_assert_ne!(word.low(), tag);
        prop_assert_ne!(word.low(), heapledger_core::thread::TAG_NEVER);

        let clearing = word.clearing();
        prop_assert!(clearing.is_clearing() && clearing.is_mixed());
        prop_assert_eq!(clearing.row(), Some((class, row)));
        prop_assert_eq!(clearing.not_clearing(), word);
        for other in 0..SMALL_CLASSES {
            prop_assert_ne!(clearing.low(), Word::mixed_low(u8::try_from(2 * other).expect("classes are few")));
        }
        prop_assert_ne!(clearing.low(), tag);

        let pure = clearing.purified(tag);
        prop_assert!(!pure.is_mixed() && !pure.is_clearing());
        prop_assert_eq!((pure.low(), pure.tag()), (tag, tag));
        prop_assert_eq!(pure.row(), Some((class, row)));
    }

    #[test]
    fn a_pure_word_is_told_by_its_low_bits(tag in tag(), other in tag()) {
        let word = Word::pure(tag);
        prop_assert!(!word.is_mixed() && !word.is_clearing());
        prop_assert_eq!((word.tag(), word.row(), word.tail()), (tag, None, None));
        prop_assert_eq!(word.low() == other, tag == other);
        prop_assert_ne!(word.low(), heapledger_core::thread::TAG_NEVER);
    }

    #[test]
    fn a_word_with_a_tail_gives_back_both_regions(start in 0_u16..1 << TAG_BITS, tail in tag()) {
        let word = Word::with_tail(start, tail);
        prop_assert!(!word.is_mixed() && !word.is_clearing());
        prop_assert_eq!((word.tag(), word.tail(), word.row()), (start, Some(tail), None));
    }

    /// Or a block would inherit the page, tail and all; and a mixed page's row would be looked for in the tail.
    #[test]
    fn a_word_with_a_tail_is_no_ones_at_first_sight(start in 0_u16..=4608, tail in tag(), other in 1_u16..=4608) {
        let low = Word::with_tail(start, tail).low();
        prop_assert_ne!(low, other);
        prop_assert_eq!(low == 0, start == 0);
        prop_assert_ne!(low, heapledger_core::thread::TAG_NEVER);
        prop_assert_eq!(low & heapledger_core::thread::MIXED_BIT, 0);
        for class in 0..SMALL_CLASSES {
            let pair = u8::try_from(2 * class).expect("classes are few");
            prop_assert_ne!(low, heapledger_core::thread::MIXED_NEVER | u16::from(pair));
        }
    }

    #[test]
    fn a_size_has_the_first_class_that_holds_it(size in 1..=SMALL_MAX_BYTES) {
        let naive = CLASS_BYTES.iter().position(|&bytes| bytes as usize >= size).expect("size is small");
        prop_assert_eq!(small_class(size), naive);
        if size <= PAGE_BYTES {
            prop_assert_eq!(usize::from(PAIR_OF_EIGHTH[eighth(size)]), 2 * naive);
            prop_assert_eq!(Place::unpacked(PLACE_OF_EIGHTH[eighth(size)]), Place::of(naive));
        }
    }

    #[test]
    fn an_aligned_size_is_rounded_up_before_it_is_classed(size in 0..=SMALL_MAX_BYTES, shift in 5_u32..=12) {
        let align = 1_usize << shift;
        let padded = size.max(1).next_multiple_of(align);
        let expected = (padded <= SMALL_MAX_BYTES).then(|| small_class(padded));
        match Shape::of(size, align, |size, _| size) {
            Shape::Small { class } => {
                prop_assert_eq!(Some(class), expected);
                // An aligned place in each block of a slab: the class is a multiple of the alignment.
                prop_assert_eq!(CLASS_BYTES[class] as usize % align, 0);
            }
            Shape::Large { usable_bytes } => prop_assert!(expected.is_none() && usable_bytes == size.max(1)),
        }
    }
}

#[test]
fn blocks_of_a_slab_have_the_slots_of_their_pages_one_after_the_other() {
    for (class, &bytes) in CLASS_BYTES.iter().enumerate().take(FIRST_PAGED_CLASS) {
        let bytes = bytes as usize;
        let slab_bytes = (1..).map(|pages| pages * PAGE_BYTES).find(|all| all % bytes == 0).expect("a multiple");
        let mut starts = vec![Vec::new(); slab_bytes / PAGE_BYTES];
        for start in (0..slab_bytes).step_by(bytes) {
            starts[start / PAGE_BYTES].push(start % PAGE_BYTES);
        }
        for offsets in &starts {
            for (slot, &offset) in offsets.iter().enumerate() {
                assert_eq!(slot_of(class, offset), slot, "class {class} offset {offset}");
                assert_eq!(slots_in_page(class, offset), offsets.len(), "class {class} offset {offset}");
            }
        }
        let most = starts.iter().map(Vec::len).max().expect("pages");
        assert!(most <= slots_per_page(class), "class {class} has {most} blocks in a page");
    }
}

#[test]
fn the_first_paged_and_the_first_wide_class_are_those_of_their_sizes() {
    assert_eq!(CLASS_BYTES[FIRST_PAGED_CLASS] as usize, PAGE_BYTES);
    assert_eq!(FIRST_WIDE_CLASS, FIRST_PAGED_CLASS + 1);
    assert_eq!(CLASS_BYTES[SMALL_CLASSES - 1] as usize, SMALL_MAX_BYTES);
    assert!(CLASS_BYTES.is_sorted_by(|a, b| a < b));
}

/// Words of a counter, in each region: nobody else's, inside the set, and a pair in one cache line.
#[test]
fn each_counter_of_each_region_has_words_of_its_own() {
    const LINE_WORDS: usize = 8;
    const KIB: u32 = 1024;
    let blocks = (0..SMALL_CLASSES).map(small_blocks);
    let pairs: Vec<usize> = [REQUESTED_BYTES, LARGE_BLOCKS, LARGE_USABLE_BYTES].into_iter().chain(blocks).collect();
    let mut taken = vec![false; SET_WORDS];
    for tag in 0..TAGS {
        let first = tag * STRIDE_WORDS;
        for pair in &pairs {
            assert_eq!((first + pair) / LINE_WORDS, (first + pair + 1) / LINE_WORDS, "tag {tag} pair {pair}");
        }
        for word in pairs.iter().flat_map(|pair| [*pair, pair + 1]).chain([USED_WITHOUT_BYTES]) {
            assert!(!std::mem::replace(&mut taken[first + word], true), "tag {tag} word {word}");
        }
    }
    for (class, bytes) in CLASS_BYTES.iter().enumerate() {
        assert_eq!(small_blocks(class) < STRIDE_WORDS, *bytes <= KIB, "class {class}");
        assert_eq!(Place::of(class).bytes(), small_blocks(class) * size_of::<u64>());
    }
}
