//! What a walk over all pages found: plain numbers, in bytes unless the name says otherwise.

use std::borrow::Cow;

use crate::{ArenaFreeReading, ClockReading, Figure, LargeExtentsReading, LineId, Reading, StatusReading, Why};

/// How many bytes are resident: exactly, if both ends are equal.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct Resident {
    /// Surely so many.
    pub at_least_bytes: u64,
    /// Surely not more.
    pub at_most_bytes: u64,
}

impl Resident {
    /// Known exactly.
    pub const fn exactly(bytes: u64) -> Self {
        Self { at_least_bytes: bytes, at_most_bytes: bytes }
    }

    /// As a figure.
    pub fn figure(self) -> Figure {
        Figure::between(self.at_least_bytes, self.at_most_bytes)
    }
}

impl std::ops::AddAssign for Resident {
    fn add_assign(&mut self, more: Self) {
        self.at_least_bytes += more.at_least_bytes;
        self.at_most_bytes += more.at_most_bytes;
    }
}

/// Everything that a full statement is made from beside the readings of a summary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FullReadings {
    /// Where every page is, or why none was looked at.
    pub walk: Reading<WalkReading>,
    /// What moved while the readings were taken.
    pub motion: MotionReading,
    /// What decides when free pages go back.
    pub clock: ClockReading,
    /// What the page tables have, or why that is not known; `None` if nobody asked, because the kernel's counters and
    /// the pages found agree within the skew.
    pub rollup: Option<Reading<RollupReading>>,
    /// glibc's heaps, by its own word; `None` if it does not tell.
    pub glibc: Option<GlibcReading>,
}

/// What /proc/self/smaps_rollup says.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct RollupReading {
    /// Rss.
    pub rss_bytes: u64,
    /// Anonymous.
    pub anon_bytes: u64,
}

/// glibc's heaps, those of threads too. Blocks with a mapping of their own are not in them.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct GlibcReading {
    /// Bytes in use, headers included.
    pub used_bytes: u64,
    /// Free bytes, resident or not.
    pub free_bytes: u64,
    /// In how many pieces these lie.
    pub free_pieces: u64,
}

/// What moved between the first and the last reading of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MotionReading {
    /// The kernel's figures at the first reading; those of the last are the statement's.
    pub status_before: StatusReading,
    /// Minor and major page faults of the process meanwhile.
    pub faults: Reading<u64>,
    /// What one fault can bring in: a page, or a huge page where these are given to everybody.
    pub fault_bytes: u64,
    /// Whether jemalloc's pages by state were the same at the last reading as at the first; `None` if nobody looked.
    pub heap_still: Option<bool>,
    /// Threads that ran on in the parent when this process was forked. What they cached, or were just allocating, is
    /// allocated here for ever, and counted by some sources only.
    pub threads_left_behind: u64,
}

impl MotionReading {
    /// Nothing was watched, for one reason.
    pub fn unread(why: &Why) -> Self {
        Self {
            status_before: StatusReading::unread(why),
            faults: Err(why.clone()),
            fault_bytes: 0,
            heap_still: None,
            threads_left_behind: 0,
        }
    }
}

/// Where every resident byte of the process was found.
///
/// The pages by kind sum to the same as everything else in here: heap, own tables, scratch, places, unattributed,
/// unlisted and moved. The statement checks that and does not rely on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WalkReading {
    /// Who told which pages are resident, by name.
    pub backend: Cow<'static, str>,
    /// Resident anonymous pages.
    pub anon: Resident,
    /// Resident pages of files.
    pub file: Resident,
    /// Resident pages of shared memory.
    pub shmem: Resident,
    /// Pages mapped to the kernel's page of zeroes; `None` if the backend cannot tell, which makes `anon` an interval.
    pub zero_bytes: Option<u64>,
    /// Ranges whose file pages the backend could not count; `file` and `shmem` lack them.
    pub unknown_file_bytes: u64,
    /// jemalloc's memory; if it could not be walked its pages are among the unattributed.
    pub heap: Reading<HeapReading>,
    /// The ledger's own tables.
    pub own_tables: Resident,
    /// The buffers of the reading itself.
    pub scratch: Resident,
    /// What is not jemalloc's and has a name: lines of the section *outside*.
    pub places: Vec<(LineId, Resident)>,
    /// Resident ranges that no rule claims, by address.
    pub unattributed: Vec<RangeReading>,
    /// Resident bytes of further such ranges.
    pub unlisted: Resident,
    /// Resident pages whose extent changed at every try.
    pub moved: Resident,
}

impl Default for WalkReading {
    /// Nothing is resident, and the backend can tell.
    fn default() -> Self {
        let none = Resident::default();
        Self {
            backend: Cow::Borrowed(""),
            anon: none,
            file: none,
            shmem: none,
            zero_bytes: Some(0),
            unknown_file_bytes: 0,
            heap: Ok(HeapReading::default()),
            own_tables: none,
            scratch: none,
            places: Vec::new(),
            unattributed: Vec::new(),
            unlisted: none,
            moved: none,
        }
    }
}

/// A resident range that no rule claims.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct RangeReading {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Resident bytes in it.
    pub resident: Resident,
}

/// jemalloc's memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HeapReading {
    /// By index of the region.
    pub regions: Vec<RegionPagesReading>,
    /// Pages that no region was ever charged for: blocks that threads cache and never handed out, jemalloc's internal
    /// blocks, and what passed the ledger by.
    pub unowned: RegionPagesReading,
    /// Allocated slots by small size class over all slabs: bytes of a slot, and how many. Counted apart from the
    /// regions' own, which must sum to it.
    pub slots: Vec<(u32, u64)>,
    /// Resident bytes of slabs.
    pub slabs: Resident,
    /// Of that, free slots, and what a slab has beyond its slots.
    pub free_slots: Resident,
    /// Of that, in slabs in which several regions have allocated slots.
    pub free_slots_shared: Resident,
    /// Dirty extents.
    pub dirty: FreeExtentsReading,
    /// Muzzy extents.
    pub muzzy: FreeExtentsReading,
    /// Retained extents.
    pub retained: FreeExtentsReading,
    /// Dirty and muzzy extents of each arena that has some.
    pub arenas: Vec<ArenaFreeReading>,
    /// Bytes of the most dirty extents that lie side by side and can grow together: they go as a whole.
    pub largest_dirty_bytes: u64,
    /// Dirty extents of more than 4 MiB each.
    pub large_dirty: LargeExtentsReading,
    /// Slabs by size class; classes without any may be left out.
    pub classes: Vec<ClassPagesReading>,
    /// Address space of base blocks.
    pub base_bytes: u64,
    /// Resident bytes of them.
    pub base: Resident,
    /// The largest difference between the bytes of extents in one state of one arena, as walked, and jemalloc's count.
    pub states_off_bytes: u64,
    /// The largest difference between the bytes of slots in slabs of one class, or in use there, as walked, and
    /// jemalloc's count.
    pub slabs_off_bytes: u64,
    /// Why jemalloc's counts are unknown, if they are; then neither difference is one.
    pub uncounted: Option<Why>,
}

/// Pages of one region.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RegionPagesReading {
    /// Allocated slots by small size class; classes without any may be left out.
    pub small: Vec<SlotsReading>,
    /// Usable bytes of large blocks, cached ones included, resident or not.
    pub large_usable_bytes: u64,
    /// Resident bytes of them.
    pub large: Resident,
    /// Resident bytes of their extents beyond.
    pub large_pads: Resident,
    /// Resident free slots of slabs in which no other region has allocated slots.
    pub pinned_alone: Resident,
    /// Resident free slots of slabs in which others have too; these overlap between regions.
    pub pinned_shared: Resident,
    /// Resident dirty pages whose last owner it was.
    pub dirty: Resident,
    /// The same, muzzy.
    pub muzzy: Resident,
    /// The same, retained.
    pub retained: Resident,
}

/// Allocated slots of one class on pages of one region. jemalloc counts slots that threads cache as allocated.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct SlotsReading {
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// How many.
    pub slots: u64,
    /// Resident bytes of them.
    pub resident: Resident,
    /// Slabs that are held for some of them.
    pub pins: PinsReading,
}

/// Slabs with free slots in which one region has allocated slots of one class.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct PinsReading {
    /// Slabs in which all allocated slots are this region's.
    pub slabs: u64,
    /// Slabs in which others have allocated slots too.
    pub shared_slabs: u64,
    /// This region's slots in the former.
    pub slots: u64,
    /// Resident free slots of the former.
    pub free: Resident,
}

/// All slabs of one class.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct ClassPagesReading {
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// Bytes of a slab.
    pub slab_bytes: u32,
    /// How many slabs.
    pub slabs: u64,
    /// Slots in use, cached ones included.
    pub allocated_slots: u64,
    /// Slots that are free.
    pub free_slots: u64,
    /// Resident bytes of the free slots, and of what slabs have beyond their slots.
    pub free: Resident,
}

/// Extents that no block lies in.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct FreeExtentsReading {
    /// Resident bytes.
    pub resident: Resident,
    /// Of that, pages on which blocks of several regions lay; the rest is with the regions.
    pub mixed: Resident,
}
