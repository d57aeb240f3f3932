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

use core::sync::atomic::Ordering::Relaxed;

#[cfg(not(loom))]
use crate::eights::{all_are, words_are};
use crate::sync::{AtomicU16, AtomicU64};

/// Pages of a span.
pub(crate) const SPAN_PAGES: usize = if cfg!(loom) { 2 } else { 32 };

/// The tag of a span that is as it was mapped: none of its words was ever written.
pub(crate) const VIRGIN: u16 = 0;

/// The tag of a span whose pages are not known to be alike, which is no region's; as a wanted tag, that pages become
/// anything else.
pub(crate) const UNLIKE: u16 = u16::MAX;

/// To be called before a page of the span becomes one of `tag` alone, by who has the page.
#[inline]
pub(crate) fn before_change(span: &AtomicU16, tag: u16) {
    let known = span.load(Relaxed);
    if known != UNLIKE && known != tag {
        span.store(UNLIKE, Relaxed);
    }
}

/// Has a span forget a region that no block and no thread has any more.
pub(crate) fn forget(span: &AtomicU16, gone: impl Fn(u16) -> bool) {
    if gone(span.load(Relaxed)) {
        span.store(UNLIKE, Relaxed);
    }
}

/// Calls `each` with those of `words` that may not be the words of pages of `tag` alone. It has to make them that, or
/// whatever it likes if `tag` is [`UNLIKE`]. The caller has all these pages; `spans` are those in which they lie, and in
/// the first one `skipped` pages lie before them.
#[inline]
pub(crate) fn change(spans: &[AtomicU16], skipped: usize, words: &[AtomicU64], tag: u16, each: &impl Fn(&AtomicU64)) {
    for (index, span) in spans.iter().enumerate() {
        if tag == UNLIKE || span.load(Relaxed) != tag {
            change_one(span, index, skipped, words, tag, each);
        }
    }
}

/// Whether these words are those of pages of `tag` alone, and these spans have only such pages: the words of pages at the
/// ends, and the spans between.
#[inline(always)]
pub(crate) fn are_known(head: &[AtomicU64], spans: &[AtomicU16], tail: &[AtomicU64], tag: u16) -> bool {
    all_are(spans, tag) && words_are(head, tag) && words_are(tail, tag)
}

#[cfg(loom)]
fn all_are(spans: &[AtomicU16], tag: u16) -> bool {
    spans.iter().all(|span| span.load(Relaxed) == tag)
}

#[cfg(loom)]
fn words_are(words: &[AtomicU64], tag: u16) -> bool {
    words.iter().all(|word| word.load(Relaxed) == u64::from(tag))
}

// PERF: out of line, so that the loop over spans that are left out, by far the most, has nothing else in it.
#[inline(never)]
fn change_one(
    span: &AtomicU16,
    index: usize,
    skipped: usize,
    words: &[AtomicU64],
    tag: u16,
    each: &impl Fn(&AtomicU64),
) {
    before_change(span, UNLIKE);
    let from = (index * SPAN_PAGES).saturating_sub(skipped);
    let to = ((index + 1) * SPAN_PAGES - skipped).min(words.len());
    let pages = words.get(from..to).unwrap_or_default();
    pages.iter().for_each(each);
    if pages.len() == SPAN_PAGES {
        span.store(tag, Relaxed);
    }
}
