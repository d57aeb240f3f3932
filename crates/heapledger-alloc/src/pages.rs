//! Where a page's word lies: one table of leaves, each for a GiB of address space, mapped when first needed.
//! Behind its words a leaf has the tags of its spans.

use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicU64, AtomicUsize};

use crate::classes::PAGE_BYTES;
use crate::eights::all_are;
use crate::maps::Fresh;
use crate::protocol;
use crate::rows::fetch;
use crate::spans::{self, SPAN_PAGES, VIRGIN};
use crate::words::Word;

const PAGE_SHIFT: u32 = PAGE_BYTES.trailing_zeros();
const LEAF_SHIFT: u32 = 30;
const LEAF_WORDS: usize = 1 << (LEAF_SHIFT - PAGE_SHIFT);
const SPAN_BYTES: usize = SPAN_PAGES * PAGE_BYTES;
/// Of so many spans at once it is asked whether their pages ever had a block.
const LOOKED_AT_SPANS: usize = 64;
const LEAF_SPANS: usize = LEAF_WORDS / SPAN_PAGES;
const LEAF_BYTES: usize = LEAF_WORDS * size_of::<AtomicU64>() + LEAF_SPANS * size_of::<AtomicU16>();
/// User addresses lie below this, on every 64-bit target with 4-level page tables.
#[cfg(target_pointer_width = "64")]
const ADDRESS_BITS: u32 = 48;
#[cfg(not(target_pointer_width = "64"))]
const ADDRESS_BITS: u32 = usize::BITS;
const ROOT_ENTRIES: usize = 1 << (ADDRESS_BITS - LEAF_SHIFT);

/// What a GiB whose leaf was refused once has in its place, for good: a block charged meanwhile must find the same answer
/// when freed. Never written, so every page there reads as virgin, and takes no memory.
static NO_WORDS: [AtomicU64; LEAF_BYTES / size_of::<AtomicU64>()] =
    [const { AtomicU64::new(Word::VIRGIN.0) }; LEAF_BYTES / size_of::<AtomicU64>()];

/// Each entry is null, or a leaf (or `NO_WORDS`) minus the offset of its first page, so that `entry + 8 * page` is a word.
static ROOT: [AtomicPtr<AtomicU64>; ROOT_ENTRIES] = [const { AtomicPtr::new(null_mut()) }; ROOT_ENTRIES];
static LEAVES: AtomicUsize = AtomicUsize::new(0);
/// No leaf's index in `ROOT` is below the first or above the last. Set before the leaf is there.
static FIRST_LEAF: AtomicUsize = AtomicUsize::new(ROOT_ENTRIES);
static LAST_LEAF: AtomicUsize = AtomicUsize::new(0);

/// The word of the page that `address` lies in, if its GiB has a leaf.
#[inline(always)]
pub(crate) fn word(address: usize) -> Option<&'static AtomicU64> {
    let biased = entry(address).load(Acquire);
    if biased.is_null() || is_refused(biased, address >> LEAF_SHIFT) {
        return None;
    }
    // SAFETY: the entry is not null.
    Some(unsafe { word_at(biased, address) })
}

/// A leaf as its entry in `ROOT` has it.
#[inline]
fn biased(leaf: *mut AtomicU64, index: usize) -> *mut AtomicU64 {
    leaf.wrapping_sub(index << (LEAF_SHIFT - PAGE_SHIFT))
}

#[inline]
fn is_refused(entry: *mut AtomicU64, index: usize) -> bool {
    core::ptr::eq(entry, biased(NO_WORDS.as_ptr().cast_mut(), index))
}

/// The value of the page's word; a page without one reads as virgin.
#[inline(always)]
pub(crate) fn peek(address: usize) -> Word {
    value(address).unwrap_or(Word::VIRGIN)
}

/// The value of the page's word; `None` if no block was ever charged in its GiB.
#[inline(always)]
pub(crate) fn value(address: usize) -> Option<Word> {
    let biased = entry(address).load(Acquire);
    if biased.is_null() {
        // Every block but the first of a GiB finds a leaf.
        unlikely();
        return None;
    }
    // SAFETY: the entry is not null.
    let word = unsafe { word_at(biased, address) };
    // Acquire: who sees a row in the word sees what it was filled with. Free on x86, like that of the entry above,
    // which pairs with the leaf's publication.
    Some(Word(word.load(Acquire)))
}

/// As `value`, in a GiB in which a block was charged.
///
/// # Safety
/// * `address` is that of a block that was charged; the charge happened before this call.
#[inline(always)]
pub(crate) unsafe fn value_of_charged(address: usize) -> Word {
    let biased = entry(address).load(Acquire);
    debug_assert!(!biased.is_null());
    // SAFETY: by the caller a leaf was asked for, and whether or not there was memory for one, the entry is not null.
    let word = unsafe { word_at(biased, address) };
    // As in `value`.
    Word(word.load(Acquire))
}

/// Tells the compiler to lay the branch out of the way.
#[cold]
#[inline(always)]
pub(crate) fn unlikely() {}

#[inline(always)]
fn entry(address: usize) -> &'static AtomicPtr<AtomicU64> {
    let index = address >> LEAF_SHIFT;
    debug_assert!(index < ROOT_ENTRIES);
    // SAFETY: addresses of user space are below 2^ADDRESS_BITS, and callers pass addresses of blocks, or null.
    unsafe { ROOT.get_unchecked(index) }
}

/// # Safety
/// * `biased` is the entry of `address` in `ROOT`, and not null.
#[inline(always)]
unsafe fn word_at(biased: *mut AtomicU64, address: usize) -> &'static AtomicU64 {
    let place = biased.wrapping_add(address >> PAGE_SHIFT);
    // SAFETY: by the caller, `biased` is a leaf minus its first page's offset, so `place` is the word of this page
    // inside the leaf, which is mapped, zeroed and never unmapped. `NO_WORDS` is as large.
    unsafe { &*place }
}

/// Whether an address is one that can have a word.
#[inline]
pub(crate) fn may_have_word(address: usize) -> bool {
    address >> LEAF_SHIFT < ROOT_ENTRIES
}

/// Where the next leaf's addresses begin.
#[inline]
pub(crate) fn next_leaf(address: usize) -> usize {
    ((address >> LEAF_SHIFT) + 1) << LEAF_SHIFT
}

/// Hints that the word of a page is read soon. Any address may be named.
#[inline]
pub(crate) fn fetch_word(address: usize) {
    let Some(entry) = ROOT.get(address >> LEAF_SHIFT) else { return };
    // Relaxed: nothing is read there.
    let biased = entry.load(Relaxed);
    if !biased.is_null() {
        fetch(biased.wrapping_add(address >> PAGE_SHIFT) as usize);
    }
}

/// As `word`, but makes the leaf if it is missing; `None` when memory for it was refused, now or ever before.
#[inline]
fn word_or_map(address: usize) -> Option<&'static AtomicU64> {
    match word(address) {
        Some(word) => Some(word),
        None => map_leaf(address),
    }
}

/// Makes the leaf of a GiB that has none, unless memory for it was refused before.
#[cold]
#[inline(never)]
fn map_leaf(address: usize) -> Option<&'static AtomicU64> {
    let index = address >> LEAF_SHIFT;
    let entry = ROOT.get(index)?;
    if entry.load(Relaxed).is_null() {
        let leaf = Fresh::map(LEAF_BYTES, PAGE_BYTES);
        let wanted = match &leaf {
            Some(leaf) => leaf.address() as *mut AtomicU64,
            None => NO_WORDS.as_ptr().cast_mut(),
        };
        // Relaxed: who finds the leaf by its entry finds these too, which were written before it.
        FIRST_LEAF.fetch_min(index, Relaxed);
        LAST_LEAF.fetch_max(index, Relaxed);
        // Whoever comes first decides for good, with a leaf or with a refusal.
        if entry.compare_exchange(null_mut(), biased(wanted, index), AcqRel, Relaxed).is_ok()
            && let Some(leaf) = leaf
        {
            leaf.keep();
            LEAVES.fetch_add(1, Relaxed);
        }
    }
    word(address)
}

/// The tag of the span that a page lies in.
///
/// # Safety
/// * `word` is the word of the page of `address`.
#[inline(always)]
unsafe fn span(word: &AtomicU64, address: usize) -> &'static AtomicU16 {
    let page = (address >> PAGE_SHIFT) % LEAF_WORDS;
    let spans = core::ptr::from_ref(word).wrapping_add(LEAF_WORDS - page).cast::<AtomicU16>();
    let place = spans.wrapping_add(address / SPAN_BYTES % LEAF_SPANS);
    // SAFETY: by the caller, `spans` is the end of the words of a leaf, behind which it has a tag per span; the leaf is
    // mapped, zeroed and never unmapped.
    unsafe { &*place }
}

/// The word of a page that the caller makes one of `tag` alone, or, with `UNLIKE`, anything else; makes the leaf if it
/// is missing. `None` when memory for it was refused, now or ever before.
pub(crate) fn word_for(address: usize, tag: u16) -> Option<&'static AtomicU64> {
    let word = word_or_map(address)?;
    // SAFETY: it is the word of this page.
    spans::before_change(unsafe { span(word, address) }, tag);
    Some(word)
}

/// The region that all pages of the span of `address` are known to be of.
#[cfg(test)]
pub(crate) fn span_tag(address: usize) -> Option<u16> {
    // SAFETY: it is the word of this page.
    let tag = unsafe { span(word(address)?, address) }.load(Relaxed);
    (tag != VIRGIN && tag != spans::UNLIKE).then_some(tag)
}

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
    let span = unsafe { span(word, first) };
    // SAFETY: the spans that `first..end` touches lie in one GiB, so their tags lie side by side in its leaf.
    let spans = unsafe { core::slice::from_raw_parts(span, spans) };
    // SAFETY: so do the words of the pages.
    let words = unsafe { core::slice::from_raw_parts(word, (end - first).div_ceil(PAGE_BYTES)) };
    spans::change(spans, (first >> PAGE_SHIFT) % SPAN_PAGES, words, tag, each);
}

/// Whether `change` with these arguments would find nothing to change; `tag` is a region's. `false` too for pages in more
/// than one GiB.
#[inline(always)]
pub(crate) fn are_known(first: usize, end: usize, tag: u16) -> bool {
    let (from, to) = (first >> PAGE_SHIFT, end.div_ceil(PAGE_BYTES));
    let biased = entry(first).load(Acquire);
    if biased.is_null() || end > next_leaf(first) {
        return false;
    }
    // Pages of spans that are wholly between, if there are any.
    let inner_from = from.next_multiple_of(SPAN_PAGES).min(to);
    let inner_to = (to / SPAN_PAGES * SPAN_PAGES).max(inner_from);
    // SAFETY: all these pages have their words in the leaf of the entry, or in what it has in its place.
    let words = |from: usize, to: usize| unsafe { core::slice::from_raw_parts(biased.wrapping_add(from), to - from) };
    // SAFETY: the entry is that of `first`, and not null.
    let word = unsafe { word_at(biased, first) };
    // SAFETY: it is the word of this page.
    let span = unsafe { span(word, first) };
    let skipped = inner_from / SPAN_PAGES - from / SPAN_PAGES;
    // SAFETY: the tags of the spans between begin so many behind that of `first`, and lie side by side.
    let spans = unsafe {
        core::slice::from_raw_parts(
            core::ptr::from_ref(span).wrapping_add(skipped),
            (inner_to - inner_from) / SPAN_PAGES,
        )
    };
    spans::are_known(words(from, inner_from), spans, words(inner_to, to), tag)
}

/// Has every page forget regions that are gone. Reads 16 KiB of tags per GiB that the heap has touched, and the words
/// of spans that ever had a block.
pub(crate) fn forget(gone: impl Fn(u16) -> bool) {
    // Relaxed: a leaf that is made meanwhile has no page of a region that is gone.
    for index in FIRST_LEAF.load(Relaxed)..=LAST_LEAF.load(Relaxed) {
        let first = index << LEAF_SHIFT;
        if let Some(word) = word(first) {
            // SAFETY: it is the word of this page.
            let span = unsafe { span(word, first) };
            // SAFETY: it is the first of the leaf of this GiB, which is never unmapped; the others follow.
            let spans = unsafe { core::slice::from_raw_parts(span, LEAF_SPANS) };
            // SAFETY: as are the words.
            let words = unsafe { core::slice::from_raw_parts(word, LEAF_WORDS) };
            forget_in_leaf(spans, words, &gone);
        }
    }
}

/// PERF: most pages of a GiB have never had a block, and most spans none that has.
fn forget_in_leaf(spans: &[AtomicU16], words: &[AtomicU64], gone: &impl Fn(u16) -> bool) {
    let together = spans.chunks(LOOKED_AT_SPANS).zip(words.chunks(LOOKED_AT_SPANS * SPAN_PAGES));
    for (spans, words) in together.filter(|(spans, _)| !all_are(spans, VIRGIN)) {
        for (span, words) in spans.iter().zip(words.chunks(SPAN_PAGES)) {
            // Relaxed: that the regions are gone was found out with whatever orders their last blocks before this.
            if span.load(Relaxed) != VIRGIN {
                spans::forget(span, gone);
                let written = words.iter().filter(|word| word.load(Relaxed) != Word::VIRGIN.0);
                written.for_each(|word| protocol::forget(word, gone));
            }
        }
    }
}

pub(crate) fn mapped_bytes() -> usize {
    LEAVES.load(Relaxed) * LEAF_BYTES
}

pub(crate) fn root_range() -> (usize, usize) {
    (ROOT.as_ptr() as usize, size_of_val(&ROOT))
}

pub(crate) fn no_words_range() -> (usize, usize) {
    (NO_WORDS.as_ptr() as usize, size_of_val(&NO_WORDS))
}
