//! What one 64-bit word says of one page.
//!
//! ```text
//! bit  15       MIXED
//!
//! with MIXED
//! bits  0..13   twice the size class
//! bit  14       CLEARING: somebody is about to turn the page into a pure one
//! bits 16..63   address of the row, which has the owners
//!
//! without
//! bits  0..13   tag of the region whose blocks start here; 0 = none yet      (pure)
//! bit  14       TAILED: bits 21..63 say whose block ends here, so no block inherits
//! bits 16..20   what the bits above mean: the class of the row, or TAIL, or ISOLATED
//! bits 21..63   address of a row of when the page was mixed / 32, or, with TAIL, the tag of the block that ends here, or,
//!               with ISOLATED, the tag of the one region whose blocks lie here: bits 0..15 are 0 then, so that nothing
//!               finds the page its own
//! ```
//! Rows are aligned to 32 bytes at least, so a class takes the place of five bits of their addresses that are 0. On a mixed page it
//! is not there, and the address is one shift away.
//!
//! Everything about a page is in one word, so each transition is one compare-and-swap.

use crate::classes::FIRST_PAGED_CLASS;

/// Bits of a tag.
pub(crate) const TAG_BITS: u32 = 14;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const CLEARING: u64 = 1 << 14;
/// The same bit, on a page that is not mixed. It keeps the low 16 bits from equalling a tag: a tail is of a block of
/// more than a page, so a smaller one that comes belongs to a later slab, and its slow path forgets the tail.
const TAILED: u64 = CLEARING;
/// As the thread record has it: or-ed with twice a class, the low 16 bits of a mixed page's word.
const MIXED: u64 = heapledger_core::thread::MIXED_BIT as u64;
const KIND_SHIFT: u32 = 16;
const KIND_MASK: u64 = 0x1f;
const KIND_ISOLATED: u64 = 30;
const KIND_TAIL: u64 = 31;
const _: () = assert!(FIRST_PAGED_CLASS as u64 <= KIND_ISOLATED, "classes that have rows are below the other kinds");
const REST_SHIFT: u32 = 21;
const ROW_SHIFT: u32 = 16;
/// Rows are aligned to this many bytes.
pub(crate) const ROW_ALIGN_BYTES: usize = 32;
const _: () = assert!(KIND_SHIFT == ROW_SHIFT && KIND_MASK as usize == ROW_ALIGN_BYTES - 1);

/// A row of owners, one entry per slot of a mixed page; the number is its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Row(pub(crate) usize);

/// A page's word, by value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// What a page has that no block was ever charged in.
    pub(crate) const VIRGIN: Word = Word(0);

    /// All blocks that start here belong to one region.
    pub(crate) const fn pure(tag: u16) -> Word {
        Word(tag as u64)
    }

    /// The owners of the blocks that start here are in `row`.
    #[inline]
    pub(crate) const fn mixed(class: usize, row: Row) -> Word {
        Word(MIXED | (2 * class as u64) | (row.0 as u64) << ROW_SHIFT)
    }

    /// The low 16 bits: equal to a tag exactly when the page is pure, that region's, and has no tail; 0 only when no
    /// block starts here.
    #[inline(always)]
    pub(crate) const fn low(self) -> u16 {
        self.0 as u16
    }

    /// Whether the page is one region's alone and nothing else is in its word: no row, no tail.
    #[inline(always)]
    pub(crate) const fn is_alone(self, tag: u16) -> bool {
        self.0 == Word::pure(tag).0
    }

    /// What `low` is for a page that is mixed, with a row of this class, and not being cleared.
    #[cfg(any(test, loom))]
    pub(crate) const fn mixed_low(pair: u8) -> u16 {
        MIXED as u16 | pair as u16
    }

    #[inline(always)]
    pub(crate) const fn is_mixed(self) -> bool {
        self.0 & MIXED != 0
    }

    pub(crate) const fn is_clearing(self) -> bool {
        self.0 & (MIXED | CLEARING) == MIXED | CLEARING
    }

    /// The region whose blocks start here, for a page that is not mixed.
    #[inline(always)]
    pub(crate) const fn tag(self) -> u16 {
        (self.0 & TAG_MASK) as u16
    }

    /// 0 for a mixed page.
    const fn kind(self) -> u64 {
        self.0 >> KIND_SHIFT & KIND_MASK
    }

    /// The class of the row of a mixed page.
    const fn mixed_class(self) -> u64 {
        (self.0 & TAG_MASK) / 2
    }

    /// The row and its class, if the page has one; a pure page may still have the row of when it was mixed.
    pub(crate) const fn row(self) -> Option<(usize, Row)> {
        if self.is_mixed() {
            return Some((self.mixed_class() as usize, self.mixed_row()));
        }
        if self.kind() >= KIND_ISOLATED || self.0 >> REST_SHIFT == 0 {
            return None;
        }
        Some((self.kind() as usize, Row((self.0 >> ROW_SHIFT & !KIND_MASK) as usize)))
    }

    /// The row of a mixed page.
    #[inline(always)]
    pub(crate) const fn mixed_row(self) -> Row {
        Row((self.0 >> ROW_SHIFT) as usize)
    }

    /// The region of the block that began on an earlier page and ends in this one, if it was recorded.
    pub(crate) const fn tail(self) -> Option<u16> {
        if self.kind() == KIND_TAIL { Some((self.0 >> REST_SHIFT) as u16) } else { None }
    }

    /// A page of an arena that is one region's alone.
    pub(crate) const fn isolated(tag: u16) -> Word {
        Word(KIND_ISOLATED << KIND_SHIFT | (tag as u64) << REST_SHIFT)
    }

    /// The region whose arena the page belongs to, if it was recorded so.
    pub(crate) const fn isolated_owner(self) -> Option<u16> {
        if self.kind() == KIND_ISOLATED && self.low() == 0 { Some((self.0 >> REST_SHIFT) as u16) } else { None }
    }

    /// The region whose blocks start here, for a page that is not mixed, whatever arena it belongs to.
    pub(crate) const fn start(self) -> u16 {
        match self.isolated_owner() {
            Some(tag) => tag,
            None => self.tag(),
        }
    }

    /// The same page when regions are gone whose blocks were its last: it names none of them. Of a mixed page nothing
    /// is changed, because its row belongs to who holds its slots; and a pure one that still has a row becomes mixed,
    /// because a row of a pure page must repeat its tag.
    pub(crate) fn without(self, gone: impl Fn(u16) -> bool) -> Word {
        if self.is_mixed() {
            return self;
        }
        let start = if gone(self.start()) { 0 } else { self.start() };
        let tail = self.tail().filter(|tag| !gone(*tag));
        match (self.row(), tail) {
            _ if start == self.start() && tail == self.tail() => self,
            (Some((class, row)), _) => Word::mixed(class, row),
            (None, Some(tail)) => Word::with_tail(start, tail),
            (None, None) => Word::pure(start),
        }
    }

    /// The same page, being cleared.
    pub(crate) const fn clearing(self) -> Word {
        Word(self.0 | CLEARING)
    }

    /// The same page, no longer being cleared.
    pub(crate) const fn not_clearing(self) -> Word {
        Word(self.0 & !CLEARING)
    }

    /// A mixed page and its row, with all blocks of one region.
    pub(crate) const fn purified(self, tag: u16) -> Word {
        Word(self.0 & !(MIXED | CLEARING | TAG_MASK) | self.mixed_class() << KIND_SHIFT | tag as u64)
    }

    /// A page in which a block of `start` begins (0 for none) and one of `tail` ends.
    pub(crate) const fn with_tail(start: u16, tail: u16) -> Word {
        let tailed = if start == 0 { 0 } else { TAILED };
        Word(start as u64 | tailed | KIND_TAIL << KIND_SHIFT | (tail as u64) << REST_SHIFT)
    }
}
