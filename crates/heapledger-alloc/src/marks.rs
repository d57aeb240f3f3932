//! Whose a block is, as the words of its pages say: written when it is allocated, read when it is freed, left behind for
//! who looks at the page later.

use core::alloc::Layout;
use core::sync::atomic::Ordering::Acquire;

use heapledger_core::RegionId;

use crate::classes::{CLASS_BYTES, FIRST_PAGED_CLASS, FIRST_WIDE_CLASS, PAGE_BYTES, Shape, slot_of};
use crate::pages;
use crate::protocol;
use crate::rounding::large_usable_bytes;
use crate::rows::Heap;
use crate::runs;
use crate::spans::UNLIKE;
use crate::words::Word;

/// What is charged in a GiB whose page words were refused.
const TAG_OTHER: u16 = RegionId::OTHER.index() as u16 + 1;

/// Offset in its page.
#[inline(always)]
pub(crate) fn offset_of(address: usize) -> usize {
    address % PAGE_BYTES
}

/// Where jemalloc puts a block of this layout.
#[inline]
pub(crate) fn shape_of(layout: Layout) -> Shape {
    Shape::of(layout.size(), layout.align(), large_usable_bytes)
}

/// Makes `tag` the owner of a block that the caller has just got, and returns the tag that its free will find.
#[inline]
pub(crate) fn enter(address: usize, shape: Shape, tag: u16) -> u16 {
    match shape {
        Shape::Small { class } => enter_small(address, class, tag),
        Shape::Large { .. } => match pages::word_for(address, tag) {
            // The pages are the block's own, and its first one's word speaks for all while it lives.
            Some(word) => {
                protocol::take_page(word, &Heap, tag);
                tag
            }
            None => TAG_OTHER,
        },
    }
}

pub(crate) fn enter_small(address: usize, class: usize, tag: u16) -> u16 {
    let Some(word) = pages::word_for(address, tag) else { return TAG_OTHER };
    let offset = offset_of(address);
    if class >= FIRST_PAGED_CLASS && offset == 0 {
        // No block ends in this page either: whatever tail its word has is of an earlier slab.
        protocol::take_page(word, &Heap, tag);
    }
    let tag = protocol::own(word, &Heap, class, slot_of(class, offset), tag);
    if class >= FIRST_WIDE_CLASS {
        enter_tail(address, CLASS_BYTES[class] as usize, tag);
    }
    tag
}

/// The pages beyond the first of a block in a slab: whole ones are its own, in the last one another block may start.
fn enter_tail(address: usize, usable_bytes: usize, tag: u16) {
    let end = address + usable_bytes;
    let mut page = (address / PAGE_BYTES + 1) * PAGE_BYTES;
    while page < end {
        // A page without a word has no last owner.
        if page + PAGE_BYTES <= end {
            if let Some(word) = pages::word_for(page, tag) {
                protocol::take_page(word, &Heap, tag);
            }
        } else if let Some(word) = pages::word_for(page, UNLIKE) {
            protocol::take_tail(word, &Heap, tag);
        }
        page += PAGE_BYTES;
    }
}

/// Leaves the owner as the last one of every page of a large block that is about to be freed.
pub(crate) fn leave_large(address: usize, usable_bytes: usize, owner: Owner) {
    let Owner { tag, isolated } = owner;
    if isolated {
        return isolate_pages(address, usable_bytes, tag);
    }
    let first = address / PAGE_BYTES * PAGE_BYTES;
    let last = last_byte(address, usable_bytes);
    // PERF: mostly so where memory goes round in one region; to look takes a third of the instructions (decision 10).
    if !runs::are_alone(first, last, tag) {
        runs::change(first, last + 1, tag, |word| protocol::take_page(word, &Heap, tag));
    }
}

/// Whether `leave_large` would find nothing to do for this owner's block, which is in no arena of its own; by what is
/// known, without looking further. `entry` is that of its first page.
#[inline(always)]
pub(crate) fn is_left(entry: pages::Entry, address: usize, usable_bytes: usize, tag: u16) -> bool {
    runs::are_known(entry, address, last_byte(address, usable_bytes), tag)
}

/// A byte in the last page that only this large block has.
#[inline(always)]
fn last_byte(address: usize, usable_bytes: usize) -> usize {
    // With larger pages than ours jemalloc serves some of these from slabs, and another block may start in the last.
    address + usable_bytes - if LARGE_BLOCKS_OWN_THEIR_PAGES { 1 } else { PAGE_BYTES }
}

/// Whether jemalloc is built with pages of 4 KiB here.
const LARGE_BLOCKS_OWN_THEIR_PAGES: bool = cfg!(target_arch = "x86_64");

/// Whose a live block is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Owner {
    pub(crate) tag: u16,
    /// Whether it lies in the region's own arena.
    pub(crate) isolated: bool,
}

pub(crate) fn owner(address: usize, shape: Shape) -> Owner {
    let shared = |tag: u16| Owner { tag, isolated: false };
    let Some(word) = pages::word(address) else { return shared(TAG_OTHER) };
    let slot = match shape {
        Shape::Small { class } if class < FIRST_PAGED_CLASS => slot_of(class, offset_of(address)),
        _ => 0,
    };
    // Acquire: see `pages::peek`.
    let word = Word(word.load(Acquire));
    match (protocol::owner(word, &Heap, slot), word.isolated_owner()) {
        (0, Some(tag)) => Owner { tag, isolated: true },
        // A block that was never charged, which only a caller of `on_free` can bring.
        (0, None) => shared(TAG_OTHER),
        (tag, _) => shared(tag),
    }
}

/// Marks the pages as those of an arena that is one region's alone.
pub(crate) fn isolate_pages(address: usize, bytes: usize, tag: u16) {
    let first = address / PAGE_BYTES * PAGE_BYTES;
    runs::change(first, address + bytes, UNLIKE, |word| protocol::take_isolated(word, &Heap, tag));
}
