//! Where a page's word lies: one table of leaves, each for a GiB of address space, mapped when first needed.
//! Behind its words a leaf has the tags of its spans, and behind those their parts.

use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicU64, AtomicUsize};

use crate::classes::PAGE_BYTES;
use crate::maps::Fresh;
use crate::rows::fetch;
use crate::spans::{self, SPAN_PAGES};
use crate::words::Word;

pub(crate) const PAGE_SHIFT: u32 = PAGE_BYTES.trailing_zeros();
pub(crate) const LEAF_SHIFT: u32 = 30;
pub(crate) const LEAF_WORDS: usize = 1 << (LEAF_SHIFT - PAGE_SHIFT);
pub(crate) const SPAN_BYTES: usize = SPAN_PAGES * PAGE_BYTES;
pub(crate) const LEAF_SPANS: usize = LEAF_WORDS / SPAN_PAGES;
const TAGS_AT_BYTES: usize = LEAF_WORDS * size_of::<AtomicU64>();
const PARTS_AT_BYTES: usize = TAGS_AT_BYTES + LEAF_SPANS * size_of::<AtomicU16>();
const LEAF_BYTES: usize = PARTS_AT_BYTES + LEAF_SPANS * size_of::<AtomicU64>();
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

/// The numbers of the leaves that there are, or may be.
pub(crate) fn leaves() -> core::ops::RangeInclusive<usize> {
    // Relaxed: a leaf that is made meanwhile has no page of a region that is gone.
    FIRST_LEAF.load(Relaxed)..=LAST_LEAF.load(Relaxed)
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
pub(crate) fn word_or_map(address: usize) -> Option<&'static AtomicU64> {
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

/// A leaf, or what there is in its place, by the entry of an address.
#[inline(always)]
pub(crate) fn leaf(biased: *mut AtomicU64, address: usize) -> *const u8 {
    biased.wrapping_add((address >> LEAF_SHIFT) << (LEAF_SHIFT - PAGE_SHIFT)).cast_const().cast()
}

/// The number of a page's span in its leaf.
#[inline(always)]
pub(crate) fn span_number(address: usize) -> usize {
    address / SPAN_BYTES % LEAF_SPANS
}

/// The tag and the parts of the span that a page lies in.
///
/// # Safety
/// * `word` is the word of the page of `address`.
#[inline(always)]
pub(crate) unsafe fn span(word: &AtomicU64, address: usize) -> (&'static AtomicU16, &'static AtomicU64) {
    let page = (address >> PAGE_SHIFT) % LEAF_WORDS;
    let leaf: *const u8 = core::ptr::from_ref(word).wrapping_sub(page).cast();
    // SAFETY: by the caller, `leaf` has the word of this page.
    let tag = unsafe { tag_at(leaf, span_number(address)) };
    // SAFETY: as above.
    (tag, unsafe { parts_at(leaf, span_number(address)) })
}

/// # Safety
/// * `leaf` is one, or `NO_WORDS`; `number` is below [`LEAF_SPANS`].
#[inline(always)]
pub(crate) unsafe fn tag_at(leaf: *const u8, number: usize) -> &'static AtomicU16 {
    let place = leaf.wrapping_add(TAGS_AT_BYTES).cast::<AtomicU16>().wrapping_add(number);
    // SAFETY: by the caller. Behind its words a leaf has a tag per span; it is mapped, zeroed and never unmapped.
    unsafe { &*place }
}

/// # Safety
/// * As for `tag_at`.
#[inline(always)]
pub(crate) unsafe fn parts_at(leaf: *const u8, number: usize) -> &'static AtomicU64 {
    let place = leaf.wrapping_add(PARTS_AT_BYTES).cast::<AtomicU64>().wrapping_add(number);
    // SAFETY: as in `tag_at`; behind the tags it has the parts of each span.
    unsafe { &*place }
}

/// The word of a page that the caller makes one of `tag` alone, or, with `UNLIKE`, anything else; makes the leaf if it
/// is missing. `None` when memory for it was refused, now or ever before.
pub(crate) fn word_for(address: usize, tag: u16) -> Option<&'static AtomicU64> {
    let word = word_or_map(address)?;
    // SAFETY: it is the word of this page.
    let (span, parts) = unsafe { span(word, address) };
    let page = (address >> PAGE_SHIFT) % SPAN_PAGES;
    spans::before_change(span, parts, spans::bits(page, page + 1), tag);
    Some(word)
}

/// The region that all pages of the span of `address` are known to be of.
#[cfg(test)]
pub(crate) fn span_tag(address: usize) -> Option<u16> {
    // SAFETY: it is the word of this page.
    let tag = unsafe { span(word(address)?, address) }.0.load(Relaxed);
    (tag != spans::VIRGIN && tag != spans::UNLIKE).then_some(tag)
}

/// The region that this page is known to be of by the parts of its span.
#[cfg(test)]
pub(crate) fn part_tag(address: usize) -> Option<u16> {
    // SAFETY: it is the word of this page.
    let (_, parts) = unsafe { span(word(address)?, address) };
    spans::known_tag(parts, (address >> PAGE_SHIFT) % SPAN_PAGES)
}

/// The entry of an address in the table, which is not null.
#[derive(Clone, Copy)]
pub(crate) struct Entry(pub(crate) *mut AtomicU64);

/// As `value`, with the entry that it was found by.
#[inline(always)]
pub(crate) fn value_and_entry(address: usize) -> Option<(Word, Entry)> {
    let biased = entry(address).load(Acquire);
    if biased.is_null() {
        unlikely();
        return None;
    }
    // SAFETY: the entry is not null.
    let word = unsafe { word_at(biased, address) };
    // As in `value`.
    Some((Word(word.load(Acquire)), Entry(biased)))
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
