//! What each resident page is for: arithmetic over what was read, without the operating system.
//!
//! Address ranges with their pages ([`Run`]), jemalloc's extents ([`Extent`]) and the owner map ([`Owners`]) go in,
//! byte counts per line come out ([`Walk`]). The size of a page, the classes of small blocks and the owners are inputs;
//! nothing here calls the kernel or jemalloc, so all of it is tested on worlds that never existed.
//!
//! A walk goes from low to high addresses in windows, so that it needs no room for all pages and extents at once:
//! [`Sheet::add`] takes one window after the other.

mod ahead;
mod alike;
mod full;
mod outside;
pub mod pagemap;
mod pins;
mod quick;
mod runs;
mod slab;
mod slots;
mod sweep;
mod tally;
mod walk;
mod world;

/// How many small size classes jemalloc has with 4 KiB pages.
pub const CLASSES: usize = 36;

pub use outside::{Outside, Place};
pub use pins::Pins;
#[cfg(target_os = "linux")]
pub(crate) use slab::SLAB_PAGES_MAX;
pub use sweep::{Sheet, Totals};
pub use walk::{
    ArenaSums, ClassPages, FreeExtents, Heap, KernelPages, LARGE_EXTENT_BYTES, LargeExtents, LargePages, Moved,
    RegionPages, SlabPages, SmallPages, Unattributed, Walk,
};
pub use world::{Bitmap, Classes, Extent, ExtentState, Gap, GapKind, Owners, PageKind, PageOwner, Run, Starts, World};
