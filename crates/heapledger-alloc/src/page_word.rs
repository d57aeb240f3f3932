//! What the owner map says of a page, for who only looks: statements, marks, findings.

use core::sync::atomic::AtomicU16;
use core::sync::atomic::Ordering::Relaxed;

use heapledger_core::{MAX_REGIONS, any_region_was_reassigned, region_root};

use crate::classes::{PAGE_BYTES, slot_of};
use crate::pages;
use crate::protocol;
use crate::rows::{copy, entries, prefetch};
use crate::words::Word;

/// Whose blocks a page holds, or held last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PageOwner {
    /// No block was ever charged here, or the page words for this GiB were refused.
    Unknown,
    /// Every block that starts in the page, or ends in it as far as recorded, is or was last of the region with this
    /// index.
    Region(usize),
    /// Blocks of several regions; their owners are told per slot.
    Mixed,
}

/// What the owner map says of one page, at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageWord {
    word: Word,
    page: usize,
}

impl PageWord {
    /// Who owns the page, or owned it last.
    pub fn owner(self) -> PageOwner {
        if self.word.is_mixed() {
            return PageOwner::Mixed;
        }
        match (self.start_owner(), self.tail_owner()) {
            (None, None) => PageOwner::Unknown,
            (Some(start), Some(tail)) if start != tail => PageOwner::Mixed,
            (Some(region), _) | (None, Some(region)) => PageOwner::Region(region),
        }
    }

    /// Whether no block that starts here was ever charged, as far as is known.
    pub(crate) fn is_virgin(self) -> bool {
        !self.word.is_mixed() && self.word.start() == 0
    }

    /// Whether the owners of the blocks that start here are told per slot only.
    #[inline]
    pub fn is_mixed(self) -> bool {
        self.word.is_mixed()
    }

    /// The index of the region that owns every block that starts here; `None` on a mixed page, or if none ever did.
    #[inline]
    pub fn start_owner(self) -> Option<usize> {
        if self.word.is_mixed() { None } else { index_of(self.word.start()) }
    }

    /// The index of the region that owns the block which began on an earlier page and ends here. Known only for blocks
    /// of more than a page in slabs.
    pub fn tail_owner(self) -> Option<usize> {
        index_of(self.word.tail()?)
    }

    /// The index of the region that owns the block of `class` which starts at this offset in the page, or owned it
    /// last; `None` if the page carries blocks of another class now, or none, or has changed since its word was read.
    ///
    /// It does not say whether such a block lives. For many slots of one page [`slot_owners`](PageWord::slot_owners) is
    /// cheaper.
    pub fn slot_owner(self, class: usize, offset: usize) -> Option<usize> {
        if !self.word.is_mixed() {
            return index_of(self.word.start());
        }
        let slots = self.slot_owners(class)?;
        let owner = slots.owner(slot_of(class, offset));
        if slots.still_hold() { owner } else { None }
    }

    /// Whether the page belongs to an isolated region's arena, or did last.
    pub fn is_isolated(self) -> bool {
        self.word.isolated_owner().is_some()
    }

    /// Asks the processor for the owners of a mixed page's slots, for who reads them soon: they lie elsewhere in
    /// memory.
    #[inline]
    pub fn fetch_ahead(self) {
        if let Some((class, row)) = self.word.row()
            && self.word.is_mixed()
        {
            prefetch(class, row);
        }
    }

    /// The owners of the slots of a mixed page of `class`; `None` if the page is not mixed, or not of that class.
    ///
    /// Looks the page's row up once. Reading a slot is then one load, and whoever has read all that it wants asks
    /// [`still_hold`](SlotOwners::still_hold) once, before it believes them.
    #[inline]
    pub fn slot_owners(self, class: usize) -> Option<SlotOwners> {
        match self.word.row() {
            Some((of, row)) if of == class && self.word.is_mixed() => {
                Some(SlotOwners { entries: entries(class, row), page: self })
            }
            _ => None,
        }
    }

    /// Writes for each block of `class` that starts in the page, one after the other, one more than the index of the
    /// region that owns it, or owned it last, and 0 for nobody. `false` if the page has changed since its word was
    /// read; then what was written may be any number.
    #[inline]
    pub fn write_tags(self, class: usize, out: &mut [u16]) -> bool {
        if !self.word.is_mixed() {
            out.fill(root_tag(self.word.start()));
            return true;
        }
        let Some(owners) = self.slot_owners(class) else {
            // Blocks of another class have left it, and of this one none was charged yet.
            out.fill(0);
            return true;
        };
        let Some(entries) = owners.entries.get(..out.len()) else { return false };
        // Relaxed: `still_hold` fences.
        copy(entries, out);
        if any_region_was_reassigned() {
            out.iter_mut().for_each(|tag| *tag = root_tag(*tag));
        }
        owners.still_hold()
    }
}

/// The owners of the blocks that start in a mixed page, slot by slot.
#[derive(Clone, Copy, Debug)]
pub struct SlotOwners {
    entries: &'static [AtomicU16],
    page: PageWord,
}

impl SlotOwners {
    /// The index of the region that owns a block, or owned it last, by how many blocks start before it in the same
    /// page: with blocks of `bytes`, that is its offset in the page divided by `bytes`. `None` beyond the slots that a
    /// page of the class can have. Below [`MAX_REGIONS`], whatever happens beside. One load; it does not say whether
    /// the block lives.
    #[inline(always)]
    pub fn owner(self, slot: usize) -> Option<usize> {
        // Relaxed: `still_hold` fences.
        index_of(self.entries.get(slot)?.load(Relaxed)).filter(|index| *index < MAX_REGIONS)
    }

    /// Whether the page is still what it was when its word was read. If it is not, the row may have been given to
    /// another page meanwhile, and what [`owner`](SlotOwners::owner) said may be anything. One load.
    ///
    /// A page that lost its row and got the very same one back since then is taken for unchanged.
    #[inline]
    pub fn still_hold(self) -> bool {
        pages::word(self.page.page).is_some_and(|word| protocol::is_still(word, self.page.word))
    }
}

/// The tag of the region that blocks of `tag` belong to.
#[inline]
fn root_tag(tag: u16) -> u16 {
    index_of(tag).map_or(0, |index| index as u16 + 1)
}

#[inline]
fn index_of(tag: u16) -> Option<usize> {
    usize::from(tag).checked_sub(1).map(region_root)
}

/// Calls `each` with the address and the word of every page that starts in `start..end`; pages in a GiB that the heap
/// has never touched are left out. Reads one word per page; the words may change at any moment.
pub fn for_each_page_word(start: usize, end: usize, mut each: impl FnMut(usize, PageWord)) {
    let mut from = start.next_multiple_of(PAGE_BYTES);
    while from < end && pages::may_have_word(from) {
        let to = end.min(pages::next_leaf(from));
        if pages::word(from).is_some() {
            for page in (from..to).step_by(PAGE_BYTES) {
                each(page, PageWord { word: pages::peek(page), page });
            }
        }
        from = to;
    }
}

/// The word of the page that `address` lies in. Any address may be asked for.
#[inline]
pub fn page_word(address: usize) -> PageWord {
    let word = if pages::may_have_word(address) { pages::peek(address) } else { Word::VIRGIN };
    PageWord { word, page: address / PAGE_BYTES * PAGE_BYTES }
}

/// Hints that the word of a page is read soon. Any address may be named.
#[inline]
pub fn fetch_page_word(address: usize) {
    pages::fetch_word(address);
}

/// Who owns the page of `address`, or owned it last. Reads one word; any address may be asked for.
///
/// It does not say whether a block there lives: a freed page keeps its last owner.
pub fn page_owner(address: usize) -> PageOwner {
    page_word(address).owner()
}
