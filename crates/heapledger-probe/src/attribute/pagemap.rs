//! A compact map of the heap's resident pages: who has how many bytes of each.
//!
//! A walk writes it by the way ([`MapWriter`]), into memory that it is given; [`Pieces`] reads it back from low to high
//! addresses. Two maps of two moments say where the bytes of each region went in between; that arithmetic is elsewhere.
//!
//! # The code
//! A string of bytes, each the next thing at rising addresses. What repeats is small: the owner and the class of a slab
//! are in a table of 64 *contexts*, of which one is current, so that a slab of the current context is one byte, its
//! count of free slots, and a full slab or a page of any context of the table is one byte too; runs are counted.
//!
//! ```text
//! 0..=127   a slab of the current context with so many free slots
//! 128..=191 a full slab, or a page, of context b - 128, which becomes current
//! REPEAT n  the last of these again, n times
//! SKIP n    n pages of which nothing is resident, or which are in no extent
//! DEFINE    context: place, kind, owner; it becomes current
//! SWITCH    a context becomes current
//! FREE n    a slab of the current context with n free slots
//! MIXED     a slab: class, then allocated slots by owner, then free slots by last owner
//! LARGE     a large block of the current context: pages, bytes before the block, bytes behind it
//! SAME o    as the last large block, with o * 64 bytes before the block and as many fewer behind it
//! PAGE      a page: its shares one by one
//! ```
//! Numbers are 7 bits in each byte, low ones first. So pages of one owner cost nothing where they are full, a byte for
//! each slab where they are not (two or three where most of more than 127 slots are free), and a mixed slab costs at
//! most four bytes for each owner of allocated slots, four for each last owner of free ones, and four.

mod decode;
mod encode;
mod freed;
mod hooks;
mod mixed;
mod unit;

pub(in crate::attribute) use hooks::Counts;

pub use decode::Pieces;
pub use encode::{MapFault, MapWriter};
pub use freed::Freed;
pub use mixed::Shares;

use super::PageOwner;

/// Whose bytes they are.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// No region was ever charged for them.
    #[default]
    Nobody,
    /// Blocks of several regions lay there, and no owner is kept.
    Several,
    /// The region with this index.
    Region(u32),
}

impl Owner {
    fn code(self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Several => 1,
            Self::Region(index) => u64::from(index) + 2,
        }
    }

    fn of_code(code: u64) -> Self {
        match code {
            0 => Self::Nobody,
            1 => Self::Several,
            _ => u32::try_from(code - 2).map_or(Self::Several, Self::Region),
        }
    }

    fn of_page(owner: PageOwner) -> Self {
        match owner {
            PageOwner::Nobody => Self::Nobody,
            PageOwner::Region(region) => Self::of(Some(region)),
            PageOwner::Mixed => Self::Several,
        }
    }

    /// Of an index of a region.
    pub fn of(region: Option<usize>) -> Self {
        region.map_or(Self::Nobody, |index| u32::try_from(index).map_or(Self::Several, Self::Region))
    }
}

/// What bytes of a page are for.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub enum Holder {
    /// Allocated slots or large blocks of this owner, those that threads cache included.
    Block {
        /// Whose.
        owner: Owner,
        /// Whether it lies in an extent so large that jemalloc gives its pages back to the kernel to have them zeroed.
        huge: bool,
    },
    /// Free slots of a slab, and what a slab has beyond its slots.
    Slot {
        /// Whose block was there last.
        last: Owner,
        /// Whose allocated slots keep the slab; [`Owner::Several`] if there are those of several.
        keeper: Owner,
    },
    /// A page in which no block lies.
    Free {
        /// In what state.
        state: FreeState,
        /// Whose blocks were there last.
        last: Owner,
    },
    /// What a large extent has beyond its block.
    Pad,
    /// In an extent that changed while it was read.
    Moved,
}

/// States of an extent without blocks.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub enum FreeState {
    /// Freed, not given back.
    Dirty,
    /// Given back lazily.
    Muzzy,
    /// Given back, its addresses kept.
    Retained,
}

/// Bytes of a piece with one holder.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Share {
    /// What they are for.
    pub holder: Holder,
    /// How many.
    pub bytes: u64,
}

/// Resident pages side by side, and who has how much of them; the shares sum to the piece.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Piece {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Not 0: pieces of the same map with this number are as long and have the same shares, which are left out here.
    /// [`Pieces::fill`] and [`Pieces::record`] have them.
    pub alike: u64,
    /// Who has how much; which of the bytes is not told, unless there is one share.
    pub shares: Vec<Share>,
}

/// Extents of at least so many bytes are zeroed by giving their pages back (`opt.calloc_madvise_threshold`'s default).
const HUGE_BYTES: usize = 8 << 20;

/// What skipped pages count in, whatever the page size is.
const SMALLEST_PAGE_BYTES: usize = 4096;

const CONTEXTS: usize = 64;
const UNIT: u8 = 128;
const FREE_DIRECT: u64 = 127;
const REPEAT: u8 = 192;
const SKIP: u8 = 193;
const DEFINE: u8 = 194;
const SWITCH: u8 = 195;
const FREE: u8 = 196;
const MIXED: u8 = 197;
const LARGE: u8 = 198;
const SAME: u8 = 199;
const PAGE: u8 = 200;

/// Jemalloc begins large blocks at a multiple of this in their first page.
const OFFSET_STEP: usize = 64;

/// What a context is of: below [`CLASSES`](super::CLASSES) a class of slabs, else one of these.
mod kind {
    pub(super) const LARGE: u8 = 64;
    pub(super) const HUGE: u8 = 65;
    pub(super) const DIRTY: u8 = 66;
    pub(super) const MUZZY: u8 = 67;
    pub(super) const RETAINED: u8 = 68;
    pub(super) const MOVED: u8 = 69;
    pub(super) const PAD: u8 = 70;
    pub(super) const SLOT: u8 = 71;
}

/// A context: its kind and its owner.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
struct Context {
    kind: u8,
    owner: Owner,
}

impl Context {
    /// What a whole page of it is for; `None` for slabs.
    fn page(self) -> Option<Holder> {
        let owner = self.owner;
        let free = |state| Some(Holder::Free { state, last: owner });
        match self.kind {
            kind::LARGE => Some(Holder::Block { owner, huge: false }),
            kind::HUGE => Some(Holder::Block { owner, huge: true }),
            kind::DIRTY => free(FreeState::Dirty),
            kind::MUZZY => free(FreeState::Muzzy),
            kind::RETAINED => free(FreeState::Retained),
            kind::MOVED => Some(Holder::Moved),
            kind::PAD => Some(Holder::Pad),
            _ => None,
        }
    }

    /// The context of which a whole page is for this; `None` for free slots, whose keeper it cannot tell.
    fn of_page(holder: Holder) -> Option<Self> {
        let (kind, owner) = match holder {
            Holder::Block { owner, huge: false } => (kind::LARGE, owner),
            Holder::Block { owner, huge: true } => (kind::HUGE, owner),
            Holder::Free { state: FreeState::Dirty, last } => (kind::DIRTY, last),
            Holder::Free { state: FreeState::Muzzy, last } => (kind::MUZZY, last),
            Holder::Free { state: FreeState::Retained, last } => (kind::RETAINED, last),
            Holder::Moved => (kind::MOVED, Owner::Nobody),
            Holder::Pad => (kind::PAD, Owner::Nobody),
            Holder::Slot { .. } => return None,
        };
        Some(Self { kind, owner })
    }
}
