//! What each resident page is for: arithmetic over what was read, without the operating system.
//!
//! Address ranges with their pages ([`Run`]), jemalloc's extents ([`Extent`]) and the owner map ([`Owners`]) go in,
//! byte counts per line come out ([`Walk`]). The size of a page, the classes of small blocks and the owners are inputs;
//! nothing here calls the kernel or jemalloc, so all of it is tested on worlds that never existed.

mod walk;
mod world;

/// How many small size classes jemalloc has with 4 KiB pages.
pub const CLASSES: usize = 36;

pub use walk::{
    ArenaSums, ClassPages, FreeExtents, Heap, KernelPages, LargePages, Moved, Outside, Place, RegionPages, SlabPages,
    SmallPages, Unattributed, Walk,
};
pub use world::{PageKind, Run};
