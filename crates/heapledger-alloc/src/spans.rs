//! Spans: runs of pages that are known to be one region's, so that a large block that is freed need not look at each.
//!
//! A span has one tag. While that is not [`UNLIKE`], each of its pages is that region's and nothing else is in the page's
//! word. It is set by who has all pages of the span in one block, so nobody else changes a word of the span at that time;
//! and whoever is about to make a page anything else clears it first. Pages pass from one holder to the next through
//! jemalloc, whose locks order what both do. So every access can be Relaxed: what a holder of a page needs to see was done
//! by itself or by earlier holders. `UNLIKE` is right at any time.
//!
//! A span of which no page ever had a block is [`VIRGIN`]; most of a GiB are. After the first change it never is again.
//! That change comes before the first word's, so who knows that a block of the span is gone finds it changed.
//!
//! Where a block begins or ends, others have pages of the same span. For these a span has its *parts*: a tag, and a bit
//! for each page, which is clear if that page is known to be that tag's alone. It is one word, and holders of other
//! pages only change it by atomic read-modify-writes. Those either leave our pages' bits and the tag as they are, or
//! have our pages no longer known; only we, who have a page, clear its bit, and only with the tag that its word has. So
//! what parts say of our own pages is right whenever we look.

use core::sync::atomic::Ordering::Relaxed;

#[cfg(not(loom))]
use crate::eights::words_are;
use crate::sync::{AtomicU16, AtomicU64};

/// Pages of a span.
pub(crate) const SPAN_PAGES: usize = if cfg!(loom) { 2 } else { 32 };

/// The tag of a span that is as it was mapped: none of its words was ever written.
pub(crate) const VIRGIN: u16 = 0;

/// The tag of a span whose pages are not known to be alike, which is no region's; as a wanted tag, that pages become
/// anything else.
pub(crate) const UNLIKE: u16 = u16::MAX;

/// The tag of parts that say nothing, as they are mapped.
const NOBODY: u16 = 0;

/// Bits of all pages of a span in its parts.
const ALL_PAGES: u64 = bits(0, SPAN_PAGES);
const BITS_SHIFT: u32 = 32;
const _: () = assert!(SPAN_PAGES <= u32::BITS as usize);

/// The bits of pages `from..to` of a span in its parts.
#[inline(always)]
pub(crate) const fn bits(from: usize, to: usize) -> u64 {
    ((1 << to) - (1 << from)) << BITS_SHIFT
}

const fn tag_of(parts: u64) -> u16 {
    parts as u16
}

/// What differs between these parts and those of a span of which all is known: nothing in the low bits if the tag is
/// this one, and in the others what is not known of the page.
#[inline(always)]
fn unknown(parts: &AtomicU64, tag: u16) -> u64 {
    // Relaxed: see above.
    parts.load(Relaxed) ^ u64::from(tag)
}

/// The region that a page is known to be of.
#[cfg(any(test, loom))]
pub(crate) fn known_tag(parts: &AtomicU64, page: usize) -> Option<u16> {
    let seen = parts.load(Relaxed);
    (tag_of(seen) != NOBODY && seen & bits(page, page + 1) == 0).then_some(tag_of(seen))
}

/// Whether the pages `from..=to`, which the caller has, are known to be pages of `tag` alone, which is a region's.
#[inline(always)]
pub(crate) fn part_is_known(parts: &AtomicU64, from: usize, to: usize, tag: u16) -> bool {
    unknown(parts, tag) & (bits(from, to + 1) | u64::from(u32::MAX)) == 0
}

/// As `part_is_known`, for the pages from `from` on.
#[inline(always)]
pub(crate) fn head_is_known(parts: &AtomicU64, from: usize, tag: u16) -> bool {
    // Not the pages before, which are lowest when the halves have changed sides.
    unknown(parts, tag).rotate_right(BITS_SHIFT) >> from == 0
}

/// As `part_is_known`, for the pages up to `to`.
#[inline(always)]
pub(crate) fn tail_is_known(parts: &AtomicU64, to: usize, tag: u16) -> bool {
    // Not the pages behind, which are highest.
    unknown(parts, tag) << (u64::BITS as usize - 1 - BITS_SHIFT as usize - to) == 0
}

/// To be called before pages of the span, those with these bits, become pages of `tag` alone, by who has the pages;
/// with [`UNLIKE`] if they become anything else.
#[inline]
pub(crate) fn before_change(span: &AtomicU16, parts: &AtomicU64, pages: u64, tag: u16) {
    let known = span.load(Relaxed);
    if known != UNLIKE && known != tag {
        span.store(UNLIKE, Relaxed);
    }
    let seen = parts.load(Relaxed);
    if tag_of(seen) != NOBODY && tag_of(seen) != tag && seen & pages != pages {
        parts.fetch_or(pages, Relaxed);
    }
}

/// Has it known that pages with these bits, which the caller has, are pages of `tag` alone. What is known of another
/// region's pages is kept instead if that is to be `kept`.
#[inline(never)]
fn learn(parts: &AtomicU64, pages: u64, tag: u16, kept: bool) {
    let _ = parts.fetch_update(Relaxed, Relaxed, |seen| {
        let others = tag_of(seen) != tag;
        if others && kept && tag_of(seen) != NOBODY && seen & ALL_PAGES != ALL_PAGES {
            return None;
        }
        let unknown = if others { ALL_PAGES } else { seen & ALL_PAGES };
        let wanted = unknown & !pages | u64::from(tag);
        (wanted != seen).then_some(wanted)
    });
}

/// Whether these words, those of the pages from `from` on, are of pages of `tag` alone; then that is known from now on.
/// The caller has the pages.
#[inline(never)]
pub(crate) fn part_is_alone(parts: &AtomicU64, from: usize, words: &[AtomicU64], tag: u16) -> bool {
    if part_is_known(parts, from, from + words.len() - 1, tag) {
        return true;
    }
    let alone = words_are(words, tag);
    if alone {
        // Where blocks of two regions meet, again and again, neither takes from the other what is known.
        learn(parts, bits(from, from + words.len()), tag, true);
    }
    alone
}

/// Has a span forget a region that no block and no thread has any more.
pub(crate) fn forget(span: &AtomicU16, parts: &AtomicU64, gone: impl Fn(u16) -> bool) {
    if gone(span.load(Relaxed)) {
        span.store(UNLIKE, Relaxed);
    }
    // Parts are not simply stored, because that could undo what somebody learns meanwhile of another region's pages.
    let _ = parts.fetch_update(Relaxed, Relaxed, |seen| gone(tag_of(seen)).then_some(u64::from(NOBODY)));
}

/// Calls `each` with those of `words` that may not be the words of pages of `tag` alone. It has to make them that, or
/// whatever it likes if `tag` is [`UNLIKE`]. The caller has all these pages; `spans` and `parts` are those in which
/// they lie, and in the first one `skipped` pages lie before them.
#[inline]
pub(crate) fn change(
    spans: &[AtomicU16],
    parts: &[AtomicU64],
    skipped: usize,
    words: &[AtomicU64],
    tag: u16,
    each: &impl Fn(&AtomicU64),
) {
    for (index, (span, parts)) in spans.iter().zip(parts).enumerate() {
        if tag == UNLIKE || span.load(Relaxed) != tag {
            change_one(span, parts, index, skipped, words, tag, each);
        }
    }
}

#[cfg(loom)]
fn words_are(words: &[AtomicU64], tag: u16) -> bool {
    words.iter().all(|word| word.load(Relaxed) == u64::from(tag))
}

// PERF: out of line, so that the loop over spans that are left out, by far the most, has nothing else in it.
#[inline(never)]
fn change_one(
    span: &AtomicU16,
    parts: &AtomicU64,
    index: usize,
    skipped: usize,
    words: &[AtomicU64],
    tag: u16,
    each: &impl Fn(&AtomicU64),
) {
    // Numbers of pages, from the first one of the first span.
    let from = (index * SPAN_PAGES).max(skipped);
    let to = ((index + 1) * SPAN_PAGES).min(skipped + words.len());
    let bits = bits(from - index * SPAN_PAGES, to - index * SPAN_PAGES);
    before_change(span, parts, bits, tag);
    let pages = words.get(from - skipped..to - skipped).unwrap_or_default();
    pages.iter().for_each(each);
    if tag == UNLIKE {
        return;
    }
    learn(parts, bits, tag, false);
    if pages.len() == SPAN_PAGES {
        span.store(tag, Relaxed);
    }
}
