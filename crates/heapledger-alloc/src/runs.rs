//! Many pages at once: those of a large block, and all of them when regions are gone.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU16, AtomicU64};

use crate::classes::PAGE_BYTES;
use crate::eights::{self, all_are};
use crate::pages::{
    Entry, LEAF_SHIFT, LEAF_SPANS, LEAF_WORDS, PAGE_SHIFT, SPAN_BYTES, leaf, leaves, next_leaf, parts_at, span,
    span_number, tag_at, value_and_entry, word, word_or_map,
};
use crate::protocol;
use crate::spans::{self, SPAN_PAGES, VIRGIN};
use crate::words::Word;

/// Of so many spans at once it is asked whether their pages ever had a block.
const LOOKED_AT_SPANS: usize = 64;

/// Calls `each` with the word of every page that starts in `first..end`, all of them the caller's. It has to make them
/// pages of `tag` alone, unless that is `UNLIKE`; spans that are known to be so already are left out. Makes leaves where
/// they are missing and may be made. `first` is a multiple of the page size.
#[inline]
pub(crate) fn change(first: usize, end: usize, tag: u16, each: impl Fn(&AtomicU64)) {
    let mut from = first;
    while from < end {
        // Words of one GiB lie side by side, and so do tags of its spans: the table is asked once for each.
        let to = end.min(next_leaf(from));
        if let Some(word) = word_or_map(from) {
            // SAFETY: it is the word of this page, and `to` is not beyond its GiB.
            unsafe { change_in_leaf(word, from, to, tag, &each) };
        }
        from = to;
    }
}

/// # Safety
/// * `word` is the word of the page of `first`, and `first..end` lies in one GiB.
#[inline]
unsafe fn change_in_leaf(word: &AtomicU64, first: usize, end: usize, tag: u16, each: &impl Fn(&AtomicU64)) {
    let spans = end.div_ceil(SPAN_BYTES) - first / SPAN_BYTES;
    // SAFETY: by the caller it is the word of this page.
    let (span, parts) = unsafe { span(word, first) };
    // SAFETY: the spans that `first..end` touches lie in one GiB, so their tags lie side by side in its leaf.
    let tags = unsafe { core::slice::from_raw_parts(span, spans) };
    // SAFETY: so do their parts.
    let parts = unsafe { core::slice::from_raw_parts(parts, spans) };
    // SAFETY: so do the words of the pages.
    let words = unsafe { core::slice::from_raw_parts(word, (end - first).div_ceil(PAGE_BYTES)) };
    spans::change(tags, parts, (first >> PAGE_SHIFT) % SPAN_PAGES, words, tag, each);
}

/// Whether `change` would find nothing to change in the pages of the bytes `first..=last`, which are the caller's, and
/// of which `entry` is that of the first; `tag` is a region's. `false` too for pages in more than one GiB.
#[inline(always)]
pub(crate) fn are_known(entry: Entry, first: usize, last: usize, tag: u16) -> bool {
    if first >> LEAF_SHIFT != last >> LEAF_SHIFT {
        return false;
    }
    let leaf = leaf(entry.0, first);
    let (first_span, last_span) = (span_number(first), span_number(last));
    // SAFETY: both are numbers of spans of this leaf.
    let parts = unsafe { parts_at(leaf, first_span) };
    let (from, to) = ((first >> PAGE_SHIFT) % SPAN_PAGES, (last >> PAGE_SHIFT) % SPAN_PAGES);
    if first_span == last_span {
        return spans::part_is_known(parts, from, to, tag);
    }
    // SAFETY: as above.
    let last_parts = unsafe { parts_at(leaf, last_span) };
    // SAFETY: there is a further span in this leaf.
    let between = unsafe { tag_at(leaf, first_span + 1) };
    spans::head_is_known(parts, from, tag)
        && spans::tail_is_known(last_parts, to, tag)
        // SAFETY: the tags of the spans between lie side by side, and behind the last ones of a leaf there are parts.
        && unsafe { eights::are(between, last_span - first_span - 1, tag) }
}

/// As `are_known`, but looks at words at both ends if nothing is known there, and has it known.
#[inline(never)]
pub(crate) fn are_alone(first: usize, last: usize, tag: u16) -> bool {
    let Some((_, entry)) = value_and_entry(first) else { return false };
    if first >> LEAF_SHIFT != last >> LEAF_SHIFT {
        return false;
    }
    let leaf = leaf(entry.0, first);
    let spans = span_number(last) - span_number(first);
    if spans > 1 {
        // SAFETY: there is a further span in this leaf.
        let between = unsafe { tag_at(leaf, span_number(first) + 1) };
        // SAFETY: the tags of the spans between lie side by side.
        if !all_are(unsafe { core::slice::from_raw_parts(between, spans - 1) }, tag) {
            return false;
        }
    }
    ends_are_alone(leaf, first, last, tag)
}

/// `are_alone` for those pages of `first..=last` that lie in the first or the last span.
fn ends_are_alone(leaf: *const u8, first: usize, last: usize, tag: u16) -> bool {
    let (from, to) = ((first >> PAGE_SHIFT) % LEAF_WORDS, (last >> PAGE_SHIFT) % LEAF_WORDS + 1);
    let is_alone = |span: usize| {
        let start = span * SPAN_PAGES;
        let (from, to) = (from.max(start), to.min(start + SPAN_PAGES));
        let words = leaf.cast::<AtomicU64>().wrapping_add(from);
        // SAFETY: the words of these pages lie side by side in this leaf, or in what there is in its place.
        let words = unsafe { core::slice::from_raw_parts(words, to - from) };
        // SAFETY: it is the number of a span of this leaf.
        let parts = unsafe { parts_at(leaf, span) };
        spans::part_is_alone(parts, from - start, words, tag)
    };
    // Both: of either it is known from now on.
    is_alone(span_number(first)) & is_alone(span_number(last))
}

/// Has every page forget regions that are gone. Reads 16 KiB of tags per GiB that the heap has touched, and the words
/// of spans that ever had a block.
pub(crate) fn forget(gone: impl Fn(u16) -> bool) {
    for index in leaves() {
        let first = index << LEAF_SHIFT;
        if let Some(word) = word(first) {
            // SAFETY: it is the word of this page.
            let (span, parts) = unsafe { span(word, first) };
            // SAFETY: it is the first of the leaf of this GiB, which is never unmapped; the others follow.
            let spans = unsafe { core::slice::from_raw_parts(span, LEAF_SPANS) };
            // SAFETY: as do the parts.
            let parts = unsafe { core::slice::from_raw_parts(parts, LEAF_SPANS) };
            // SAFETY: and the words.
            let words = unsafe { core::slice::from_raw_parts(word, LEAF_WORDS) };
            forget_in_leaf(spans, parts, words, &gone);
        }
    }
}

/// PERF: most pages of a GiB have never had a block, and most spans none that has.
fn forget_in_leaf(spans: &[AtomicU16], parts: &[AtomicU64], words: &[AtomicU64], gone: &impl Fn(u16) -> bool) {
    let together = spans.chunks(LOOKED_AT_SPANS).zip(parts.chunks(LOOKED_AT_SPANS));
    let together = together.zip(words.chunks(LOOKED_AT_SPANS * SPAN_PAGES));
    for ((spans, parts), words) in together.filter(|((spans, _), _)| !all_are(spans, VIRGIN)) {
        for ((span, parts), words) in spans.iter().zip(parts).zip(words.chunks(SPAN_PAGES)) {
            // Relaxed: that the regions are gone was found out with whatever orders their last blocks before this.
            if span.load(Relaxed) != VIRGIN {
                spans::forget(span, parts, gone);
                let written = words.iter().filter(|word| word.load(Relaxed) != Word::VIRGIN.0);
                written.for_each(|word| protocol::forget(word, gone));
            }
        }
    }
}
