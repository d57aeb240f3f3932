//! Where jemalloc keeps what the walk reads, for every way in which it can be built.
//!
//! Nothing of this is documented by jemalloc, and nothing tells at run time which layout is in force: the number of
//! address bits is found on the machine that *builds* it. So a layout is only a proposal, which `admission` accepts or
//! not. The table is written by `tools/jemalloc-layouts` from jemalloc's own headers.

mod table;

pub(crate) use table::LAYOUTS;

/// One proposal: offsets and sizes in bytes, shifts and widths in bits.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Layout {
    /// Bits of an address that can be in use.
    pub(crate) lg_vaddr: u32,
    /// Built with assertions.
    pub(crate) debug: bool,
    /// Logarithm of jemalloc's page.
    pub(crate) page_shift: u32,
    /// From the symbol to the root of the radix tree.
    pub(crate) root_offset: usize,
    /// Levels of the tree.
    pub(crate) height: usize,
    /// Bits of the address that each level takes, the root first.
    pub(crate) level_bits: [u32; 3],
    /// Size of an element of an inner level.
    pub(crate) node_bytes: usize,
    /// Size of an element of the last level.
    pub(crate) leaf_bytes: usize,
    /// The element is one word with everything in it; else a pointer, and a word beside it.
    pub(crate) compact: bool,
    /// Place of the pointer in the element.
    pub(crate) leaf_edata_offset: usize,
    /// Place of slab, head, state and class in the element.
    pub(crate) leaf_metadata_offset: usize,
    /// Of the extent's state in that word; below it are slab and head.
    pub(crate) leaf_state_shift: u32,
    /// Of the same.
    pub(crate) leaf_state_bits: u32,
    /// Alignment of an extent's record.
    pub(crate) edata_align: usize,
    /// Size of an extent's record.
    pub(crate) edata_bytes: usize,
    /// Place of its bit field.
    pub(crate) edata_bits_offset: usize,
    /// Place of the address.
    pub(crate) edata_addr_offset: usize,
    /// Place of the size, whose bits below the page are another number.
    pub(crate) edata_size_offset: usize,
    /// Place of a slab's bitmap, in which a set bit is a free slot.
    pub(crate) edata_slab_offset: usize,
    /// Width of the arena's index, the lowest bits of the bit field.
    pub(crate) arena_bits: u32,
    /// Whether the huge page allocator owns the extent.
    pub(crate) pai_shift: u32,
    /// Whether pages that nobody may touch lie around the extent.
    pub(crate) guarded_shift: u32,
    /// Of the size class in the bit field.
    pub(crate) szind_shift: u32,
    /// Of the same.
    pub(crate) szind_bits: u32,
    /// Of a slab's free slots in the bit field.
    pub(crate) nfree_shift: u32,
    /// Of the same.
    pub(crate) nfree_bits: u32,
    /// Words of the bitmap.
    pub(crate) bitmap_words: usize,
    /// Of a base block: its size.
    pub(crate) block_size_offset: usize,
    /// Where its unused rest begins.
    pub(crate) block_addr_offset: usize,
    /// How long the rest is; both together end where the block ends.
    pub(crate) block_rest_offset: usize,
}
