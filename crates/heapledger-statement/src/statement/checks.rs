//! What two independent sources must agree on, by name.

use super::heap::{self, HeapLines};
use super::spans::Span;
use crate::summary::build as quick;
use crate::{Figure, Flow, FullReadings, JemallocReading, MotionReading, Readings, RegionReading, StatusReading};
use crate::{HeapReading, RegionPagesReading, Resident, RollupReading, WalkReading};

/// Names a check.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CheckId {
    /// Pages by kind = pages by line.
    PagesSum,
    /// RssAnon = anonymous pages found, within the skew.
    KernelAnon,
    /// RssFile = file pages found, within the skew.
    KernelFile,
    /// RssShmem = shared pages found, within the skew.
    KernelShmem,
    /// RssAnon = anonymous pages by the page tables, where these were asked.
    TablesAnonCounted,
    /// RssFile + RssShmem = other pages by the page tables, where these were asked.
    TablesMappedCounted,
    /// Anonymous pages found = those by the page tables, where these were asked.
    TablesAnonFound,
    /// Other pages found = those by the page tables, where these were asked.
    TablesMappedFound,
    /// Bytes of extents by state and arena, as walked = jemalloc's statistics.
    ExtentStates,
    /// Slabs and allocated slots of each class, as walked = jemalloc's statistics.
    SlabClasses,
    /// Bytes of base blocks found = mapped - active - dirty - muzzy.
    BaseBlocks,
    /// Allocated slots and large extents by the walk = jemalloc's allocated.
    Allocated,
    /// Allocated slots and large extents by the walk - the counters' live blocks = jemalloc's caches, internal blocks,
    /// and what passed the ledger, which is not negative.
    Caches,
    /// No region has more live bytes by its counters than allocated ones on its pages.
    LiveHasPages,
    /// Allocated slots by region = allocated slots by slab.
    SlotsByRegion,
    /// Resident slabs = allocated slots + free ones.
    Slabs,
    /// Dirty, muzzy and retained pages by last owner = by extent.
    LastOwners,
}

impl CheckId {
    /// Every check.
    pub const ALL: [Self; 17] = [
        Self::PagesSum,
        Self::KernelAnon,
        Self::KernelFile,
        Self::KernelShmem,
        Self::TablesAnonCounted,
        Self::TablesMappedCounted,
        Self::TablesAnonFound,
        Self::TablesMappedFound,
        Self::ExtentStates,
        Self::SlabClasses,
        Self::BaseBlocks,
        Self::Allocated,
        Self::Caches,
        Self::LiveHasPages,
        Self::SlotsByRegion,
        Self::Slabs,
        Self::LastOwners,
    ];

    /// Its id in the JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PagesSum => "pages_sum",
            Self::KernelAnon => "kernel_anon",
            Self::KernelFile => "kernel_file",
            Self::KernelShmem => "kernel_shmem",
            Self::TablesAnonCounted => "tables_anon_counted",
            Self::TablesMappedCounted => "tables_mapped_counted",
            Self::TablesAnonFound => "tables_anon_found",
            Self::TablesMappedFound => "tables_mapped_found",
            Self::ExtentStates => "extent_states",
            Self::SlabClasses => "slab_classes",
            Self::BaseBlocks => "base_blocks",
            Self::Allocated => "allocated",
            Self::Caches => "caches",
            Self::LiveHasPages => "live_has_pages",
            Self::SlotsByRegion => "slots_by_region",
            Self::Slabs => "slabs",
            Self::LastOwners => "last_owners",
        }
    }

    /// What it compares.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::PagesSum => "All pages found, by kind and by line: no page is on two lines or on none.",
            Self::KernelAnon => "The kernel's RssAnon and the anonymous pages found, within the skew.",
            Self::KernelFile => "The kernel's RssFile and the file pages found, within the skew.",
            Self::KernelShmem => "The kernel's RssShmem and the shared pages found, within the skew.",
            Self::TablesAnonCounted => "RssAnon and smaps_rollup, which is read where counters and pages are apart.",
            Self::TablesMappedCounted => "RssFile with RssShmem and smaps_rollup, likewise.",
            Self::TablesAnonFound => "The anonymous pages found and smaps_rollup, likewise.",
            Self::TablesMappedFound => "The pages of files and shared memory found and smaps_rollup, likewise.",
            Self::ExtentStates => {
                "Bytes of active, dirty, muzzy and retained extents in each arena, as walked and as counted by jemalloc."
            }
            Self::SlabClasses => "Slabs and allocated slots of each small class, as walked and as counted by jemalloc.",
            Self::BaseBlocks => "Bytes of jemalloc's base blocks found, and mapped less active, dirty and muzzy.",
            Self::Allocated => "Allocated slots and large extents found, and jemalloc's allocated.",
            Self::Caches => {
                "Allocated slots and large extents found less the counters' live blocks, and jemalloc's thread caches, \
                 internal blocks and what passed the ledger."
            }
            Self::LiveHasPages => "No region has more live bytes by its counters than allocated ones on its pages.",
            Self::SlotsByRegion => "Allocated slots by region and by slab.",
            Self::Slabs => "Resident bytes of slabs, and of allocated and free slots.",
            Self::LastOwners => "Dirty, muzzy and retained pages by extent and by last owner.",
        }
    }

    /// The check with this id; `None` if this version has none.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|id| id.key() == key)
    }
}

/// One comparison of two independent sources.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// Which.
    pub id: CheckId,
    /// By how much the two differ, signed: what the pages say less what the other source says; of counters judged by the
    /// page tables, what they say less what those do. Zero, or an interval around zero, is agreement.
    pub difference: Figure,
    /// By how much they may differ; `None` if other threads allocated meanwhile, and then nothing is judged.
    pub allowed_bytes: Option<i64>,
}

impl Check {
    /// Whether the sources agree; `None` if that could not be judged.
    pub fn holds(&self) -> Option<bool> {
        let allowed = self.allowed_bytes?;
        let (low, high) = self.difference.ends()?;
        Some(low <= allowed && high >= -allowed)
    }
}

/// What can have moved: every page that came was faulted in, and what went is what came less what the counters changed
/// by. So faults and change together bound how far the pages found can be from the last word of the kernel.
pub(super) fn skew(motion: &MotionReading, after: &StatusReading) -> Figure {
    let before = &motion.status_before;
    let kinds = [
        (&before.rss_anon_bytes, &after.rss_anon_bytes),
        (&before.rss_file_bytes, &after.rss_file_bytes),
        (&before.rss_shmem_bytes, &after.rss_shmem_bytes),
    ];
    let change = |(before, after): (&crate::Reading<u64>, &crate::Reading<u64>)| match (before, after) {
        (Ok(before), Ok(after)) => Figure::exact(before.abs_diff(*after)),
        (Err(why), _) | (_, Err(why)) => Figure::from(why.clone()),
    };
    let by_kind: Figure = kinds.into_iter().map(change).sum();
    // Kernels before 4.5 do not tell the kinds.
    let changed = if by_kind.is_unknown() { change((&before.rss_bytes, &after.rss_bytes)) } else { by_kind };
    let faulted = match &motion.faults {
        Ok(faults) => faults.checked_mul(motion.fault_bytes).map_or_else(|| Figure::exact(u64::MAX), Figure::exact),
        Err(why) => Figure::from(why.clone()),
    };
    faulted + changed
}

/// All checks that the readings allow.
pub(super) fn all(
    readings: &Readings,
    regions: &[RegionReading],
    full: &FullReadings,
    skew: &Figure,
    heap_lines: Option<&HeapLines>,
) -> Vec<Check> {
    let Ok(walk) = &full.walk else { return Vec::new() };
    let still = readings.traffic_bytes == Some(Flow::default()) && full.motion.heap_still == Some(true);
    let quiet = still && walk.moved == Resident::default() && readings.jemalloc.as_ref().is_ok_and(is_settled);
    let orphans = full.motion.threads_left_behind > 0;
    let mut checks = Checks { quiet, orphans, all: Vec::new() };
    checks.exact(CheckId::PagesSum, of_kinds(walk), of_lines(walk));
    let status = &readings.status;
    for (id, found, counted) in [
        (CheckId::KernelAnon, walk.anon, &status.rss_anon_bytes),
        (CheckId::KernelFile, walk.file, &status.rss_file_bytes),
        (CheckId::KernelShmem, walk.shmem, &status.rss_shmem_bytes),
    ] {
        if let Ok(counted) = counted {
            checks.all.push(Check {
                id,
                difference: found.figure() - Figure::exact(*counted),
                allowed_bytes: skew.as_exact(),
            });
        }
    }
    if let Some(Ok(rollup)) = full.rollup {
        checks.tables(rollup, status, walk, skew.as_exact());
    }
    if let (Ok(heap), Some(lines)) = (&walk.heap, heap_lines) {
        checks.heap(heap, lines);
        if let Ok(jemalloc) = &readings.jemalloc {
            checks.statistics(heap, lines, regions, jemalloc);
        }
    }
    checks.all
}

/// Base blocks are multiples of this.
const BASE_BLOCK_BYTES: i128 = 2 << 20;

/// What jemalloc has mapped beyond the pages of extents: base blocks, and pages that a purge under way has taken out of
/// their states and not yet given back.
fn beyond_extents(jemalloc: &JemallocReading) -> i128 {
    let extents = [jemalloc.pactive, jemalloc.pdirty, jemalloc.pmuzzy].into_iter().map(i128::from).sum::<i128>();
    i128::from(jemalloc.mapped_bytes) - i128::from(jemalloc.page_bytes) * extents
}

/// Whether no purge is under way, as far as base blocks alone come in whole blocks. A purge that waits for a processor
/// moves nothing, and still its pages are in no state.
fn is_settled(jemalloc: &JemallocReading) -> bool {
    beyond_extents(jemalloc).rem_euclid(BASE_BLOCK_BYTES) == 0
}

struct Checks {
    /// Nothing moved meanwhile.
    quiet: bool,
    /// This process was forked while other threads may have been in the middle of jemalloc.
    orphans: bool,
    all: Vec<Check>,
}

impl Checks {
    /// Both are of the same pages: they agree at any time.
    fn exact(&mut self, id: CheckId, one: Span, other: Span) {
        self.all.push(Check { id, difference: difference(one, other), allowed_bytes: Some(0) });
    }

    /// They are of different moments: they agree if nothing moved meanwhile. What a thread was doing when it was left
    /// behind by a fork stays half done, so that a difference there proves nothing.
    fn quiet(&mut self, id: CheckId, bytes: i128) {
        let difference = Span { low: bytes, high: bytes }.figure();
        let judged = self.quiet && (bytes == 0 || !self.orphans);
        self.all.push(Check { id, difference, allowed_bytes: judged.then_some(0) });
    }

    /// The judge between the kernel's counters and the pages found: nothing moved while it was read.
    fn tables(&mut self, rollup: RollupReading, status: &StatusReading, walk: &WalkReading, allowed: Option<i64>) {
        let anon = Figure::exact(rollup.anon_bytes);
        let mapped = Figure::exact(rollup.rss_bytes) - anon.clone();
        let counted_mapped = quick::exact(&status.rss_file_bytes) + quick::exact(&status.rss_shmem_bytes);
        let found_mapped = walk.file.figure() + walk.shmem.figure();
        let differences = [
            (CheckId::TablesAnonCounted, quick::exact(&status.rss_anon_bytes) - anon.clone()),
            (CheckId::TablesMappedCounted, counted_mapped - mapped.clone()),
            (CheckId::TablesAnonFound, walk.anon.figure() - anon),
            (CheckId::TablesMappedFound, found_mapped - mapped),
        ];
        self.all.extend(differences.map(|(id, difference)| Check { id, difference, allowed_bytes: allowed }));
    }

    fn heap(&mut self, heap: &HeapReading, lines: &HeapLines) {
        self.quiet(CheckId::LiveHasPages, lines.homeless_bytes);
        let everybody = || heap.regions.iter().chain([&heap.unowned]);
        let by_region: i128 =
            everybody().flat_map(|region| &region.small).map(|slots| of_slots(slots.slot_bytes, slots.slots)).sum();
        let by_slab: i128 = heap.slots.iter().map(|(bytes, slots)| of_slots(*bytes, *slots)).sum();
        self.exact(CheckId::SlotsByRegion, at(by_region), at(by_slab));
        let allocated: Span =
            everybody().flat_map(|region| &region.small).map(|slots| Span::from(slots.resident)).sum();
        self.exact(CheckId::Slabs, heap.slabs.into(), allocated + heap.free_slots.into());
        let sum =
            |of: fn(&RegionPagesReading) -> Resident| everybody().map(|region| Span::from(of(region))).sum::<Span>();
        let owned = sum(|region| region.dirty) + sum(|region| region.muzzy) + sum(|region| region.retained);
        let states = [heap.dirty, heap.muzzy, heap.retained];
        let mixed: Span = states.iter().map(|state| Span::from(state.mixed)).sum();
        let extents: Span = states.iter().map(|state| Span::from(state.resident)).sum();
        self.exact(CheckId::LastOwners, extents, owned + mixed);
    }

    fn statistics(
        &mut self,
        heap: &HeapReading,
        lines: &HeapLines,
        regions: &[RegionReading],
        jemalloc: &JemallocReading,
    ) {
        let off = [(CheckId::ExtentStates, heap.states_off_bytes), (CheckId::SlabClasses, heap.slabs_off_bytes)];
        for (id, bytes) in off {
            match &heap.uncounted {
                Some(why) => self.all.push(Check { id, difference: why.clone().into(), allowed_bytes: None }),
                None => self.quiet(id, i128::from(bytes)),
            }
        }
        self.quiet(CheckId::BaseBlocks, i128::from(heap.base_bytes) - beyond_extents(jemalloc));
        self.quiet(CheckId::Allocated, lines.allocated_bytes - i128::from(jemalloc.allocated_bytes));
        let live: i128 = regions.iter().map(heap::live_usable).sum();
        // What passed the ledger is a difference itself; that it is not negative is what can be checked.
        let past = heap::past_bytes(jemalloc, live).max(0);
        self.quiet(CheckId::Caches, lines.allocated_bytes - live - past - heap::cached_bytes(jemalloc));
    }
}

fn of_slots(bytes: u32, slots: u64) -> i128 {
    i128::from(bytes) * i128::from(slots)
}

fn at(bytes: i128) -> Span {
    Span { low: bytes, high: bytes }
}

/// Ends less ends: two counts of the same pages have the same ends, whatever the width.
fn difference(one: Span, other: Span) -> Figure {
    let (low, high) = (one.low - other.low, one.high - other.high);
    Span { low: low.min(high), high: low.max(high) }.figure()
}

fn of_kinds(walk: &WalkReading) -> Span {
    [walk.anon, walk.file, walk.shmem].into_iter().map(Span::from).sum()
}

/// All that the walk put anywhere.
fn of_lines(walk: &WalkReading) -> Span {
    let beside: Span = [walk.own_tables, walk.scratch, walk.unlisted, walk.moved].into_iter().map(Span::from).sum();
    let places: Span = walk.places.iter().map(|(_, resident)| Span::from(*resident)).sum();
    let unattributed: Span = walk.unattributed.iter().map(|range| Span::from(range.resident)).sum();
    let heap = Span::from(walk.heap.as_ref().map(of_heap).unwrap_or_default());
    beside + places + unattributed + heap
}

/// All of jemalloc's pages.
pub(super) fn of_heap(heap: &HeapReading) -> Resident {
    let mut sum = Resident::default();
    for part in [heap.slabs, heap.dirty.resident, heap.muzzy.resident, heap.retained.resident, heap.base] {
        sum += part;
    }
    for region in heap.regions.iter().chain([&heap.unowned]) {
        sum += region.large;
        sum += region.large_pads;
    }
    sum
}

/// The first check that shows jemalloc's records not to be read rightly: its own statistics say otherwise, and nothing
/// moved meanwhile.
pub(super) fn distrusted(checks: &[Check]) -> Option<&Check> {
    let of_records = [CheckId::ExtentStates, CheckId::SlabClasses, CheckId::BaseBlocks, CheckId::Allocated];
    checks.iter().find(|check| of_records.contains(&check.id) && check.holds() == Some(false))
}
