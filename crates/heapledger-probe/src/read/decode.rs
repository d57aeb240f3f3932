//! Words of jemalloc's tree, taken apart by a layout.

use super::layouts::Layout;
use crate::attribute::ExtentState;

/// What an element of the last level says.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Element {
    pub(super) record: usize,
    pub(super) szind: u8,
    pub(super) state: u8,
    pub(super) slab: bool,
    /// A mapping of jemalloc's begins here, over which extents never grow together.
    pub(super) head: bool,
}

/// What a record says.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) address: usize,
    pub(super) bytes: usize,
    pub(super) arena: u16,
    pub(super) free_slots: u16,
    pub(super) huge_page_allocator: bool,
    pub(super) guarded: bool,
}

impl Layout {
    pub(super) fn page_bytes(&self) -> usize {
        1 << self.page_shift
    }

    /// Bits of the address below those that a level takes.
    pub(super) fn shift(&self, level: usize) -> u32 {
        let below: u32 = self.level_bits.iter().skip(level + 1).sum();
        self.page_shift + below
    }

    /// Which element of a level an address belongs to.
    pub(super) fn index(&self, level: usize, address: usize) -> usize {
        let bits = self.level_bits.get(level).copied().unwrap_or_default();
        address >> self.shift(level) & ((1 << bits) - 1)
    }

    /// Addresses below one array of the last level.
    pub(super) fn leaf_span_bytes(&self) -> usize {
        1 << self.shift(self.height - 2)
    }

    /// Bytes of an array of a level.
    pub(super) fn array_bytes(&self, level: usize) -> usize {
        let element = if level + 1 == self.height { self.leaf_bytes } else { self.node_bytes };
        element << self.level_bits.get(level).copied().unwrap_or_default()
    }

    /// The words of an element: one that has everything, or a pointer and a word beside it.
    #[inline(always)]
    pub(super) fn element(&self, pointer: u64, metadata: u64) -> Element {
        let (record, szind) = if self.compact {
            // Above the address lies the class.
            let address_bits = (1 << self.lg_vaddr) - 1;
            (pointer & address_bits & !(self.edata_align as u64 - 1), pointer >> self.lg_vaddr)
        } else {
            (pointer, (metadata & u64::from(u32::MAX)) >> (self.leaf_state_shift + self.leaf_state_bits))
        };
        Element {
            record: record as usize,
            szind: (szind & 0xff) as u8,
            state: (metadata >> self.leaf_state_shift & ((1 << self.leaf_state_bits) - 1)) as u8,
            slab: metadata & 1 != 0,
            head: metadata & 2 != 0,
        }
    }

    #[inline(always)]
    pub(super) fn record(&self, bits: u64, address: u64, size: u64) -> Record {
        let field = |shift: u32, width: u32| bits >> shift & ((1 << width) - 1);
        Record {
            address: address as usize,
            bytes: (size as usize) & !(self.page_bytes() - 1),
            arena: field(0, self.arena_bits) as u16,
            free_slots: field(self.nfree_shift, self.nfree_bits) as u16,
            huge_page_allocator: field(self.pai_shift, 1) != 0,
            guarded: field(self.guarded_shift, 1) != 0,
        }
    }
}

/// The state by its number, if the extent is not being changed.
#[inline(always)]
pub(super) fn state_of(number: u8) -> Option<ExtentState> {
    match number {
        0 => Some(ExtentState::Active),
        1 => Some(ExtentState::Dirty),
        2 => Some(ExtentState::Muzzy),
        3 => Some(ExtentState::Retained),
        _ => None,
    }
}
