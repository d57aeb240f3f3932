//! What the arithmetic is given: plain numbers, and reasons where a number could not be read.

mod clock;
mod walk;

use std::borrow::Cow;

use crate::{SettingId, SettingValue, Why};

pub use clock::{ArenaDecayReading, ArenaFreeReading, ClockReading, EarlierReading, LargeExtentsReading};
pub use walk::{
    ClassPagesReading, FreeExtentsReading, FullReadings, GlibcReading, HeapReading, MotionReading, PinsReading,
    RangeReading, RegionPagesReading, Resident, RollupReading, SlotsReading, WalkReading,
};

/// A number that was read, or why it was not.
pub type Reading<T> = Result<T, Why>;

/// A counter's two words: what came in and what went out since the process started. Both only grow.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct Flow {
    /// Everything that was ever allocated.
    pub allocated: u64,
    /// Everything that was ever freed.
    pub freed: u64,
}

impl Flow {
    /// Pairs the two words.
    pub const fn new(allocated: u64, freed: u64) -> Self {
        Self { allocated, freed }
    }

    /// What is live: allocated less freed. Signed and not clamped: a negative value is a defect of the counting and
    /// must show.
    pub const fn live(self) -> i64 {
        self.allocated.wrapping_sub(self.freed).cast_signed()
    }
}

/// One region's counters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RegionReading {
    /// Its name: a path whose parts are joined by `/`.
    pub name: Cow<'static, str>,
    /// Its index in the ledger.
    pub index: usize,
    /// How many regions had this index before it.
    pub generation: u32,
    /// Whether its owner has dropped it; its blocks may outlive it.
    pub retired: bool,
    /// Whether it has an arena of its own.
    pub isolated: bool,
    /// It was to have one and has none: why.
    pub not_isolated: Option<Why>,
    /// Bytes requested.
    pub requested_bytes: Flow,
    /// Blocks of each small size class that ever had any: usable bytes of one block, and the count of blocks.
    pub classes: Vec<(u32, Flow)>,
    /// Blocks larger than every small class.
    pub large_blocks: Flow,
    /// Their usable bytes.
    pub large_usable_bytes: Flow,
}

/// What /proc/self/status says. Fields that a kernel does not have are missing one by one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusReading {
    /// VmRSS.
    pub rss_bytes: Reading<u64>,
    /// RssAnon, from Linux 4.5.
    pub rss_anon_bytes: Reading<u64>,
    /// RssFile, from Linux 4.5.
    pub rss_file_bytes: Reading<u64>,
    /// RssShmem, from Linux 4.5.
    pub rss_shmem_bytes: Reading<u64>,
    /// VmHWM.
    pub peak_rss_bytes: Reading<u64>,
    /// VmSwap.
    pub swap_bytes: Reading<u64>,
    /// VmPTE.
    pub page_tables_bytes: Reading<u64>,
}

/// What jemalloc says, all of it after one refresh of its statistics.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct JemallocReading {
    /// Bytes of one page, in which `pactive`, `pdirty` and `pmuzzy` count.
    pub page_bytes: u64,
    /// `stats.allocated`.
    pub allocated_bytes: u64,
    /// `stats.mapped`.
    pub mapped_bytes: u64,
    /// `stats.retained`.
    pub retained_bytes: u64,
    /// `stats.arenas.4096.tcache_bytes`.
    pub tcache_bytes: u64,
    /// `stats.arenas.4096.tcache_stashed_bytes`.
    pub tcache_stashed_bytes: u64,
    /// `stats.arenas.4096.internal`.
    pub internal_bytes: u64,
    /// `stats.arenas.4096.base`: bytes handed out of base blocks.
    pub base_allocated_bytes: u64,
    /// `stats.arenas.4096.pactive`, in pages.
    pub pactive: u64,
    /// `stats.arenas.4096.pdirty`, in pages.
    pub pdirty: u64,
    /// `stats.arenas.4096.pmuzzy`, in pages.
    pub pmuzzy: u64,
    /// `opt.hpa`: whether the huge page allocator is on; `None` if jemalloc does not say.
    pub hpa: Option<bool>,
    /// Whether no other thread refreshed the statistics while these were read.
    pub one_epoch: bool,
}

/// What the process's own control group says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CgroupReading {
    /// Bytes charged.
    pub current_bytes: Reading<u64>,
    /// Bytes that may be charged; `None` if no limit is set.
    pub limit_bytes: Reading<Option<u64>>,
}

/// The ledger's account of its own mappings.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnTablesReading {
    /// Address space mapped.
    pub mapped_bytes: u64,
    /// Bytes of whole pages that the ledger may have written.
    pub written_bytes: u64,
    /// Mappings that the kernel refused; what they would have tracked is charged to `~other`.
    pub refused_maps: u64,
}

/// Names that got no id of their own.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct FallenNames {
    /// Charged to the region of their parent path, because ids ran out.
    pub to_parent: u64,
    /// Charged to `~other`, because ids ran out and no parent had one.
    pub to_other: u64,
    /// Charged to `~other`, because the name was not allowed.
    pub refused: u64,
}

/// The kernel's setting of transparent huge pages.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ThpMode {
    /// Huge pages for everybody.
    Always,
    /// Huge pages where they were asked for.
    Madvise,
    /// None.
    Never,
}

/// Everything that a summary is made from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readings {
    /// The process.
    pub pid: Option<u32>,
    /// A name that the caller gives to this moment.
    pub stage: Option<String>,
    /// One entry for each region that has an id.
    pub regions: Vec<RegionReading>,
    /// Bytes allocated and freed on all threads while the readings were taken; `None` if that was not watched, or the id
    /// of a region that went was given away meanwhile.
    pub traffic_bytes: Option<Flow>,
    /// The kernel's figures.
    pub status: StatusReading,
    /// jemalloc's figures.
    pub jemalloc: Reading<JemallocReading>,
    /// The control group's figures.
    pub cgroup: CgroupReading,
    /// The ledger's own memory.
    pub own_tables: Reading<OwnTablesReading>,
    /// Names without an id.
    pub fallen_names: FallenNames,
    /// The kernel's setting of transparent huge pages.
    pub system_thp: Reading<ThpMode>,
    /// Settings as they were read.
    pub settings: Vec<(SettingId, SettingValue)>,
    /// How long the reading took; `None` if nobody looked.
    pub cost_ns: Option<u64>,
}

impl StatusReading {
    /// Nothing was read, for one reason.
    pub fn unread(why: &Why) -> Self {
        let missing = || Err(why.clone());
        Self {
            rss_bytes: missing(),
            rss_anon_bytes: missing(),
            rss_file_bytes: missing(),
            rss_shmem_bytes: missing(),
            peak_rss_bytes: missing(),
            swap_bytes: missing(),
            page_tables_bytes: missing(),
        }
    }
}

impl Readings {
    /// Nothing was read, for one reason: where to start from, and what a platform without any source says.
    pub fn unread(why: Why) -> Self {
        Self {
            pid: None,
            stage: None,
            regions: Vec::new(),
            traffic_bytes: None,
            status: StatusReading::unread(&why),
            jemalloc: Err(why.clone()),
            cgroup: CgroupReading { current_bytes: Err(why.clone()), limit_bytes: Err(why.clone()) },
            own_tables: Err(why.clone()),
            fallen_names: FallenNames::default(),
            system_thp: Err(why),
            settings: Vec::new(),
            cost_ns: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_is_what_came_in_less_what_went_out_and_is_not_clamped() {
        assert_eq!(Flow::new(10, 4).live(), 6);
        assert_eq!(Flow::new(4, 10).live(), -6);
        assert_eq!(Flow::new(u64::MAX, u64::MAX - 1).live(), 1);
    }
}
