//! A few pages of a heap as jemalloc would use them, the words that the protocol keeps of them, and a naive oracle.

use core::sync::atomic::Ordering::{Relaxed, Release};
use std::collections::BTreeMap;

use super::pool::Pool;
use crate::classes::{CLASS_BYTES, FIRST_PAGED_CLASS, FIRST_WIDE_CLASS, PAGE_BYTES, slot_of, slots_in_page};
use crate::protocol::{self, Rows};
use crate::sync::{AtomicU64, AtomicUsize};
use crate::words::Word;

/// Enough for two of the longest slabs and something between.
pub(super) const PAGES: usize = 20;

/// Pages in use together.
pub(super) struct Extent {
    pub(super) first: usize,
    pub(super) pages: usize,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Slab {
        class: usize,
        /// What the oracle knows: the owner of each held block.
        held: BTreeMap<usize, u16>,
        /// The last owner of each block that was held since the slab was made, and is not now.
        dead: BTreeMap<usize, u16>,
    },
    Large {
        tag: u16,
    },
}

/// Which code charges a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Path {
    /// As a registered thread: inherit, or the entry of a mixed page, and then perhaps a flip.
    Registered,
    /// As a thread without counters: `own`.
    Slow,
}

pub(super) struct World {
    pub(super) words: Vec<AtomicU64>,
    pub(super) rows: Pool,
    pub(super) capacity: usize,
    pub(super) extents: Vec<Extent>,
    /// Pages that the last block had to itself, with its owner, until the page is used again.
    pub(super) last_owners: BTreeMap<usize, u16>,
    registered: AtomicUsize,
}

/// Pages of a slab: the fewest that blocks of the class fill to the end.
pub(super) fn slab_pages(class: usize) -> usize {
    let bytes = CLASS_BYTES[class] as usize;
    (1..).find(|pages| (pages * PAGE_BYTES).is_multiple_of(bytes)).expect("a common multiple exists")
}

/// Blocks of a slab.
pub(super) fn slab_blocks(class: usize) -> usize {
    slab_pages(class) * PAGE_BYTES / CLASS_BYTES[class] as usize
}

impl World {
    /// `capacity` rows; beyond that the protocol is refused memory. With `stay` pages keep rows that serve the next class.
    pub(super) fn new(capacity: usize, stay: bool) -> World {
        World {
            words: (0..PAGES).map(|_| AtomicU64::new(0)).collect(),
            rows: Pool::new(capacity, PAGE_BYTES / 8, stay),
            capacity,
            extents: Vec::new(),
            last_owners: BTreeMap::new(),
            registered: AtomicUsize::new(1),
        }
    }

    pub(super) fn word(&self, page: usize) -> Word {
        Word(self.words[page].load(Relaxed))
    }

    pub(super) fn all_words(&self) -> Vec<Word> {
        (0..PAGES).map(|page| self.word(page)).collect()
    }

    fn is_free(&self, first: usize, pages: usize) -> bool {
        first + pages <= PAGES && self.extents.iter().all(|e| e.first + e.pages <= first || first + pages <= e.first)
    }

    /// Makes a slab if there is room at `first`.
    pub(super) fn new_slab(&mut self, class: usize, first: usize) {
        let pages = slab_pages(class);
        if self.is_free(first, pages) {
            let kind = Kind::Slab { class, held: BTreeMap::new(), dead: BTreeMap::new() };
            self.extents.push(Extent { first, pages, kind });
        }
    }

    /// Gives up an extent; blocks that are still held are freed first.
    pub(super) fn end(&mut self, at: usize) {
        match &self.extents[at].kind {
            Kind::Slab { held, .. } => {
                for block in held.keys().copied().collect::<Vec<_>>() {
                    self.free(at, block);
                }
            }
            Kind::Large { tag } => {
                let (tag, first, pages) = (*tag, self.extents[at].first, self.extents[at].pages);
                assert_eq!(self.owner(first, 0), tag, "a large block's owner");
                self.leave_large(first, pages, tag);
            }
        }
        self.extents.swap_remove(at);
    }

    /// Holds one block of a slab for `tag`, and returns the tag that it was charged to.
    pub(super) fn hold(&mut self, at: usize, block: usize, tag: u16, path: Path) {
        let Extent { first, kind: Kind::Slab { class, .. }, .. } = self.extents[at] else { return };
        let (page, offset) = place(first, class, block);
        let charged = self.charge(page, offset, class, tag, path);
        if charged != tag {
            assert_eq!(self.rows.in_use(), self.capacity, "only a refused row charges another region");
        }
        if class >= FIRST_WIDE_CLASS {
            self.enter_tail(page * PAGE_BYTES + offset, CLASS_BYTES[class] as usize, charged);
        } else {
            self.last_owners.remove(&page);
        }
        if let Kind::Slab { held, dead, .. } = &mut self.extents[at].kind {
            dead.remove(&block);
            assert_eq!(held.insert(block, charged), None, "a block is held once");
        }
        let last_of_page = offset + CLASS_BYTES[class] as usize >= PAGE_BYTES;
        if path == Path::Registered && class < FIRST_PAGED_CLASS && last_of_page {
            let slots = slots_in_page(class, offset);
            protocol::flip(&self.words[page], &self.rows, slots, charged, &self.registered);
        }
    }

    /// As `ledger::charge`, `small::charge_small` and `marks::enter_small`.
    fn charge(&self, page: usize, offset: usize, class: usize, tag: u16, path: Path) -> u16 {
        let (word, slot) = (&self.words[page], slot_of(class, offset));
        let seen = self.word(page);
        if path == Path::Registered && class <= FIRST_PAGED_CLASS {
            if seen.low() == tag {
                return tag;
            }
            if seen.low() == Word::mixed_low(u8::try_from(2 * class).expect("classes are few")) {
                self.rows.entry(seen.mixed_row(), slot).store(tag, Release);
                return tag;
            }
        }
        if class >= FIRST_PAGED_CLASS && offset == 0 {
            protocol::take_page(word, &self.rows, tag);
        }
        protocol::own(word, &self.rows, class, slot, tag)
    }

    /// As `marks::enter_tail`.
    fn enter_tail(&mut self, address: usize, usable_bytes: usize, tag: u16) {
        let end = address + usable_bytes;
        let first = address / PAGE_BYTES;
        self.last_owners.remove(&first);
        for page in first + 1..end.div_ceil(PAGE_BYTES) {
            if (page + 1) * PAGE_BYTES <= end {
                protocol::take_page(&self.words[page], &self.rows, tag);
                self.last_owners.insert(page, tag);
            } else {
                protocol::take_tail(&self.words[page], &self.rows, tag);
                self.last_owners.remove(&page);
            }
        }
    }

    /// Frees a block, and compares the owner that its free finds with the oracle's.
    pub(super) fn free(&mut self, at: usize, block: usize) {
        let found = self.found(at, block);
        if let Kind::Slab { held, dead, .. } = &mut self.extents[at].kind {
            let owner = held.remove(&block).expect("held");
            assert_eq!(found, owner, "the owner of block {block}");
            dead.insert(block, owner);
        }
    }

    /// The owner that the protocol names for a block of a slab.
    pub(super) fn found(&self, at: usize, block: usize) -> u16 {
        let Extent { first, kind: Kind::Slab { class, .. }, .. } = self.extents[at] else { return 0 };
        let (page, offset) = place(first, class, block);
        self.owner(page, if class < FIRST_PAGED_CLASS { slot_of(class, offset) } else { 0 })
    }

    fn owner(&self, page: usize, slot: usize) -> u16 {
        protocol::owner(self.word(page), &self.rows, slot)
    }

    /// Allocates pages for one block, if they are free.
    pub(super) fn new_large(&mut self, first: usize, pages: usize, tag: u16) {
        if self.is_free(first, pages) {
            protocol::take_page(&self.words[first], &self.rows, tag);
            self.last_owners.insert(first, tag);
            self.extents.push(Extent { first, pages, kind: Kind::Large { tag } });
        }
    }

    /// Reallocates a large block in place to fewer pages.
    pub(super) fn shrink_large(&mut self, at: usize, by: usize) {
        let Extent { first, pages, kind: Kind::Large { tag } } = self.extents[at] else { return };
        if pages > by {
            self.leave_large(first, pages, tag);
            protocol::take_page(&self.words[first], &self.rows, tag);
            self.extents[at].pages = pages - by;
        }
    }

    /// As `marks::leave_large`.
    fn leave_large(&mut self, first: usize, pages: usize, tag: u16) {
        for page in first..first + pages {
            protocol::take_page(&self.words[page], &self.rows, tag);
            self.last_owners.insert(page, tag);
        }
    }
}

/// The page in which a block of a slab starts, and its offset there.
pub(super) fn place(first: usize, class: usize, block: usize) -> (usize, usize) {
    let offset = block * CLASS_BYTES[class] as usize;
    (first + offset / PAGE_BYTES, offset % PAGE_BYTES)
}
