//! The result of a walk: plain numbers, all in bytes unless the name says otherwise.

use super::{CLASSES, Outside, Pins};
use crate::ReadError;
use crate::read::{Backend, Residency};

/// Where every resident byte of the process was found.
///
/// # How it sums
/// With a backend that tells pages of zeroes apart every `Residency` in here has equal ends, and
///
/// ```text
/// pages.anon + pages.file + pages.shmem            what a scan of all pages says RSS is
///   = heap: Σ regions (small.allocated_resident + large.usable_resident + large.pad_resident
///                      + dirty + muzzy + retained)
///         + slabs.free_resident
///         + dirty.mixed_resident + muzzy.mixed_resident + retained.mixed_resident
///         + base_resident
///   + own_tables + scratch
///   + Σ outside
///   + Σ unattributed + unlisted_resident
///   + moved.resident
/// ```
///
/// The kernel's RSS minus the first row is the *counter gap*, for each kind by itself.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Who told which pages are resident.
    pub backend: Backend,
    /// All pages found, by the kind under which the kernel counts them.
    pub pages: KernelPages,
    /// jemalloc's memory, or why its extents were not walked; then its pages are among the unattributed.
    pub heap: Result<Heap, ReadError>,
    /// The ledger's own tables, at the addresses that the caller gave.
    pub own_tables: Residency,
    /// The buffers of the walk itself.
    pub scratch: Residency,
    /// What is not jemalloc's and has a name, by [`Place`](super::Place).
    pub outside: Outside,
    /// Resident ranges that no rule claims, by address.
    pub unattributed: Vec<Unattributed>,
    /// Resident bytes of further such ranges, which did not fit into the list.
    pub unlisted_resident: Residency,
    /// Pages whose extent changed while it was read.
    pub moved: Moved,
}

/// Pages by the kind under which the kernel counts them.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct KernelPages {
    /// `RssAnon`.
    pub anon: Residency,
    /// `RssFile`.
    pub file: Residency,
    /// `RssShmem`.
    pub shmem: Residency,
    /// Mapped to the kernel's page of zeroes: in the address space, not in RSS. 0 if the backend cannot tell, and then
    /// they make `anon` an interval.
    pub zero_bytes: u64,
    /// Told as swapped: what is in swap, and guards and marks inside mappings, of which nothing is in memory.
    pub swapped_bytes: u64,
    /// Bytes of ranges whose file pages the backend cannot count; if not 0, `file` and `shmem` lack them.
    pub unknown_file_bytes: u64,
}

/// jemalloc's memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Heap {
    /// By index of the region; one more at the end for pages that no region was ever charged for: blocks that threads
    /// cache and never handed out, jemalloc's internal blocks, and what passed the ledger by.
    pub regions: Vec<RegionPages>,
    /// By small size class, over all regions.
    pub classes: Vec<ClassPages>,
    /// All slabs.
    pub slabs: SlabPages,
    /// Freed, not given back.
    pub dirty: FreeExtents,
    /// Given back lazily.
    pub muzzy: FreeExtents,
    /// Addresses that were kept; nothing of them is resident unless huge pages spill over.
    pub retained: FreeExtents,
    /// Address space of base blocks.
    pub base_bytes: u64,
    /// Resident part of it: jemalloc's metadata.
    pub base_resident: Residency,
    /// For each arena the bytes of its extents by state, as walked and as jemalloc counts them.
    pub sums: Vec<ArenaSums>,
    /// Extents that were visited.
    pub extents: u64,
    /// Why jemalloc's counts of arenas and classes are unknown, if they are; then those of [`ArenaSums`] and
    /// [`ClassPages`] are nothing to compare with.
    pub uncounted: Option<ReadError>,
}

/// What was found of one region.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct RegionPages {
    /// By small size class.
    pub small: [SmallPages; CLASSES],
    /// Blocks with pages of their own.
    pub large: LargePages,
    /// Resident free slots of slabs in which all allocated slots are this region's: only it keeps them from going back.
    pub free_pinned_alone: Residency,
    /// Resident free slots of slabs in which this region has allocated slots and others have too. Counted for each of
    /// them, so these do not sum; [`SlabPages::free_shared_resident`] has each once.
    pub free_pinned_shared: Residency,
    /// Resident dirty pages whose last owner was this region.
    pub dirty: Residency,
    /// The same, muzzy.
    pub muzzy: Residency,
    /// The same, retained.
    pub retained: Residency,
}

impl Default for RegionPages {
    fn default() -> Self {
        let zero = Residency::default();
        Self {
            small: [SmallPages::default(); CLASSES],
            large: LargePages::default(),
            free_pinned_alone: zero,
            free_pinned_shared: zero,
            dirty: zero,
            muzzy: zero,
            retained: zero,
        }
    }
}

/// Slots of one class that are allocated on pages of one region. jemalloc counts a block that a thread caches as
/// allocated, so this minus the counters' live blocks is what threads cache of it.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct SmallPages {
    /// How many, resident or not.
    pub allocated_slots: u64,
    /// Resident bytes of them. What of it lives is in the interval from
    /// `allocated_resident - (allocated - live)` to `min(live, allocated_resident)`, ends that meet when every slab of
    /// the class is resident.
    pub allocated_resident: Residency,
    /// Slabs that are held for some of them.
    pub pins: Pins,
}

/// Large blocks of one region, cached ones included.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct LargePages {
    /// How many.
    pub blocks: u64,
    /// Usable bytes, resident or not.
    pub usable_bytes: u64,
    /// Bytes of their extents, with the pad.
    pub extent_bytes: u64,
    /// Resident part of the usable bytes; the rest was never touched.
    pub usable_resident: Residency,
    /// Resident part of what their extents have beyond.
    pub pad_resident: Residency,
}

/// Slabs of one small size class.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ClassPages {
    /// How many slabs.
    pub slabs: u64,
    /// Slots in use, cached ones included.
    pub allocated_slots: u64,
    /// Slots that are free.
    pub free_slots: u64,
    /// Resident bytes of the free slots.
    pub free_resident: Residency,
    /// Bytes of one slab.
    pub slab_bytes: u32,
    /// How many slabs jemalloc counts, as of the last refresh (`curslabs` of the bin, all arenas).
    pub counted_slabs: u64,
    /// How many slots in use jemalloc counts (`curregs`).
    pub counted_slots: u64,
}

/// Slabs of all classes.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct SlabPages {
    /// Address space.
    pub bytes: u64,
    /// Resident bytes: allocated slots and free ones together.
    pub resident: Residency,
    /// Resident bytes of free slots, and of what a slab has beyond its slots.
    pub free_resident: Residency,
    /// Of that, in slabs in which several regions have allocated slots.
    pub free_shared_resident: Residency,
}

/// Background threads leave so many bytes of an arena to the next decay time (`ARENA_DEFERRED_PURGE_NPAGES_THRESHOLD`
/// pages of 4 KiB), so that only larger extents surely go in this one.
pub const LARGE_EXTENT_BYTES: u64 = 4 << 20;

/// Extents of more than [`LARGE_EXTENT_BYTES`] each: address space.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct LargeExtents {
    /// How many there are.
    pub extents: u64,
    /// What they sum to.
    pub bytes: u64,
    /// The smallest of them; 0 if there is none.
    pub smallest_bytes: u64,
}

impl LargeExtents {
    /// Counts an extent, if it is one of them.
    #[inline]
    pub(crate) fn count(&mut self, bytes: u64) {
        if bytes > LARGE_EXTENT_BYTES {
            self.smallest_bytes = if self.extents == 0 { bytes } else { self.smallest_bytes.min(bytes) };
            self.extents += 1;
            self.bytes += bytes;
        }
    }
}

/// Extents in one state that no block lies in.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct FreeExtents {
    /// Address space; statistics know only this.
    pub bytes: u64,
    /// That of the most that lies side by side in one arena and one mapping of jemalloc's: before extents are given
    /// back they grow together, and then they go as a whole.
    pub largest_bytes: u64,
    /// The large ones among them, each for itself.
    pub large: LargeExtents,
    /// Resident bytes.
    pub resident: Residency,
    /// Of that, pages on which blocks of several regions lay; the rest is with the regions.
    pub mixed_resident: Residency,
}

/// What one arena's extents sum to, beside what jemalloc says.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ArenaSums {
    /// Index of the arena.
    pub arena: u32,
    /// Active, dirty, muzzy, retained bytes of the extents that were walked.
    pub walked_bytes: [u64; 4],
    /// The same by `stats.arenas.<i>`, as of the last refresh.
    pub counted_bytes: [u64; 4],
}

impl ArenaSums {
    /// By how much the two differ at most.
    pub fn difference_bytes(&self) -> u64 {
        let pairs = self.walked_bytes.iter().zip(&self.counted_bytes);
        pairs.map(|(walked, counted)| walked.abs_diff(*counted)).max().unwrap_or_default()
    }
}

/// Pages whose extent was being changed at every try.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    /// Times that an extent was given up.
    pub extents: u64,
    /// Resident bytes of these pages.
    pub resident: Residency,
}

/// A range that is resident and has no name.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Unattributed {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Resident bytes in it.
    pub resident: Residency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_extents_are_those_that_background_threads_never_leave() {
        let mut large = LargeExtents::default();
        for bytes in [LARGE_EXTENT_BYTES, 4096, 6 << 20, LARGE_EXTENT_BYTES + 4096, 16 << 20] {
            large.count(bytes);
        }
        let smallest_bytes = LARGE_EXTENT_BYTES + 4096;
        assert_eq!(large, LargeExtents { extents: 3, bytes: smallest_bytes + (22 << 20), smallest_bytes });
    }
}
