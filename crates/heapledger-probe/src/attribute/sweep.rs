//! Runs × extents × owners → bytes per line, over one stretch of addresses after the other.

use super::ahead::Ahead;
use super::alike::Alike;
use super::full::Full;
use super::pagemap::{Counts, MapWriter};
use super::quick::Quick;
use super::runs::Runs;
use super::slots::Tags;
use super::tally::Tally;
use super::{
    CLASSES, ClassPages, Extent, ExtentState, FreeExtents, Gap, GapKind, LargePages, Moved, Owners, PageKind,
    PageOwner, RegionPages, Run, SlabPages, World,
};
use crate::read::Residency;

/// Alignment of jemalloc's base blocks.
const BASE_ALIGN: usize = 2 << 20;

/// Sums that grow while a walk goes on, but for those in slices.
#[derive(Copy, Clone, Debug, Default)]
pub struct Totals {
    /// All slabs.
    pub slabs: SlabPages,
    /// Freed extents.
    pub dirty: FreeExtents,
    /// Extents given back lazily.
    pub muzzy: FreeExtents,
    /// Addresses kept.
    pub retained: FreeExtents,
    /// Address space of base blocks.
    pub base_bytes: u64,
    /// Resident part of it.
    pub base_resident: Residency,
    /// What was changing.
    pub moved: Moved,
    /// Extents visited.
    pub extents: u64,
    /// Bytes of blocks of glibc's with mappings of their own, as their headers say.
    pub chunk_bytes: u64,
    /// How far what began in an earlier stretch reaches.
    claim: Claim,
    /// Free extents side by side, up to the last one.
    beside: Beside,
}

/// Extents of one state and arena side by side.
#[derive(Copy, Clone, Debug, Default)]
struct Beside {
    end: usize,
    arena: u16,
    state: ExtentState,
    bytes: u64,
}

impl Beside {
    fn add(&mut self, extent: &Extent, bytes: u64) {
        let joins = !extent.head && (self.end, self.arena, self.state) == (extent.start, extent.arena, extent.state);
        let before = if joins { self.bytes } else { 0 };
        *self = Self { end: extent.end, arena: extent.arena, state: extent.state, bytes: before + bytes };
    }
}

/// What a header says of the addresses up to `until`.
#[derive(Copy, Clone, Debug, Default)]
struct Claim {
    until: usize,
    kind: GapKind,
}

/// Where a walk adds up.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// By index of the region; the last is for pages that belong to no region, or to one that is newer than the walk.
    pub regions: &'a mut [RegionPages],
    /// By small size class.
    pub classes: &'a mut [ClassPages],
    /// By arena: active, dirty, muzzy, retained bytes.
    pub arenas: &'a mut [[u64; 4]],
    /// The rest.
    pub totals: &'a mut Totals,
    pub(super) tally: Tally,
    pub(super) tags: Tags,
    pub(super) alike: Alike,
    pub(super) full: [Full; CLASSES],
    pub(super) quick: Quick,
    pub(super) map: Option<MapWriter<'a>>,
    pub(super) counts: [Counts; 2],
}

impl<'a> Sheet<'a> {
    /// Adds to what is there.
    pub fn new(
        regions: &'a mut [RegionPages],
        classes: &'a mut [ClassPages],
        arenas: &'a mut [[u64; 4]],
        totals: &'a mut Totals,
    ) -> Self {
        let (tally, tags, alike) = (Tally::new(), Tags::new(), Alike::default());
        Self {
            regions,
            classes,
            arenas,
            totals,
            tally,
            tags,
            alike,
            full: [const { Full::new() }; CLASSES],
            quick: Quick::new(),
            map: None,
            counts: [const { Counts::new() }; 2],
        }
    }

    /// Adds up the addresses `window.0..window.1`, which follow those of the call before.
    ///
    /// `runs` and `extents` are by address and without overlap, and all that touch the window are among them; those at
    /// its ends may reach beyond, but for slabs. Each extent is in one call more than it is cut. `gap` gets what lies
    /// in no extent and no base block, resident or not.
    pub fn add(
        &mut self,
        world: &impl World,
        owners: &impl Owners,
        runs: &[Run],
        extents: &[Extent],
        window: (usize, usize),
        mut gap: impl FnMut(Gap),
    ) {
        let mut runs = Runs::new(runs);
        let mut behind = window.0;
        let mut ahead = Ahead::new();
        for (index, extent) in extents.iter().enumerate() {
            // PERF: where slab after slab is one region's, nothing lies apart.
            if !self.alike.steady {
                ahead.keep(world, owners, extents, index);
            }
            let (start, end) = (extent.start.max(window.0), extent.end.min(window.1));
            if behind < start {
                self.gap(world, &mut runs, behind, start, &mut gap);
            }
            if extent.start >= window.0 {
                self.count(extent);
            }
            match (extent.state, extent.slab) {
                (ExtentState::Active, true) => self.slab(world, owners, &mut runs, extent),
                (ExtentState::Active, false) => self.large(world, owners, &mut runs, extent, window),
                (ExtentState::Moved, _) => self.moved(&mut runs, start, end),
                (state, _) => self.free(owners, world.classes().page_bytes, &mut runs, (state, start, end)),
            }
            behind = end.max(behind);
        }
        self.add_alike();
        self.add_full();
        if behind < window.1 {
            self.gap(world, &mut runs, behind, window.1, &mut gap);
        }
    }

    /// Address space by arena and state.
    fn count(&mut self, extent: &Extent) {
        let bytes = (extent.end - extent.start) as u64;
        self.totals.extents += 1;
        let state = match extent.state {
            ExtentState::Active => 0,
            ExtentState::Dirty => 1,
            ExtentState::Muzzy => 2,
            ExtentState::Retained => 3,
            ExtentState::Moved => return self.totals.moved.extents += 1,
        };
        let free = match state {
            1 => Some(&mut self.totals.dirty),
            2 => Some(&mut self.totals.muzzy),
            3 => Some(&mut self.totals.retained),
            _ => None,
        };
        if let Some(free) = free {
            free.bytes += bytes;
            free.large.count(bytes);
            let beside = &mut self.totals.beside;
            beside.add(extent, bytes);
            free.largest_bytes = free.largest_bytes.max(beside.bytes);
        }
        if let Some(arena) = self.arenas.get_mut(usize::from(extent.arena)) {
            arena[state] += bytes;
        }
    }

    pub(super) fn moved(&mut self, runs: &mut Runs<'_>, start: usize, end: usize) {
        self.map_moved(runs, start, end);
        self.totals.moved.resident += runs.resident(start, end);
    }

    /// The index of the row of a page's owner.
    #[inline]
    pub(super) fn index(&self, region: Option<usize>) -> usize {
        let nobody = self.regions.len().wrapping_sub(1);
        region.map_or(nobody, |region| region.min(nobody))
    }

    /// The row of a page's owner.
    #[inline]
    pub(super) fn row(&mut self, region: Option<usize>) -> Option<&mut RegionPages> {
        let index = self.index(region);
        self.regions.get_mut(index)
    }

    /// A block with pages of its own.
    fn large(
        &mut self,
        world: &impl World,
        owners: &impl Owners,
        runs: &mut Runs<'_>,
        extent: &Extent,
        window: (usize, usize),
    ) {
        let bytes = extent.end - extent.start;
        let usable = world.classes().large_bytes(extent.szind, bytes);
        let block = extent.start + usize::from(extent.block_offset);
        let behind = (block + usable).min(extent.end);
        let resident = runs.resident(extent.start.max(window.0), extent.end.min(window.1));
        // A page that the block shares with its pad is the block's as far as it reaches.
        let inside = (block.max(window.0), behind.min(window.1));
        let usable_resident =
            if inside.0 < inside.1 { runs.resident(inside.0, inside.1) } else { Residency::default() };
        let owner = match owners.start_owner(owners.page(block)) {
            PageOwner::Region(region) => Some(region),
            PageOwner::Nobody | PageOwner::Mixed => None,
        };
        self.map_large(runs, extent, (block.min(behind), behind), (window, world.classes().page_bytes), owner);
        let Some(row) = self.row(owner) else { return };
        let large: &mut LargePages = &mut row.large;
        if extent.start >= window.0 {
            large.blocks += 1;
            large.usable_bytes += usable as u64;
            large.extent_bytes += bytes as u64;
        }
        large.usable_resident += usable_resident;
        large.pad_resident += Residency {
            at_least_bytes: resident.at_least_bytes - usable_resident.at_least_bytes,
            at_most_bytes: resident.at_most_bytes - usable_resident.at_most_bytes,
        };
    }

    /// Pages that no block lies in, by last owner.
    fn free(
        &mut self,
        owners: &impl Owners,
        page_bytes: usize,
        runs: &mut Runs<'_>,
        (state, start, end): (ExtentState, usize, usize),
    ) {
        for run in runs.within(start, end) {
            let mut page = run.start.max(start);
            let end = run.end.min(end);
            while page < end {
                // Pages of one owner come together.
                let owner = owners.last_owner(owners.page(page));
                let mut behind = page + page_bytes;
                while behind < end && owners.last_owner(owners.page(behind)) == owner {
                    behind += page_bytes;
                }
                self.map_free(state, owner, run.kind, (page, behind.min(end), page_bytes));
                self.free_pages(state, owner, run.resident_in(page, behind.min(end)));
                page = behind;
            }
        }
    }

    fn free_pages(&mut self, state: ExtentState, owner: PageOwner, resident: Residency) {
        let of_state = match state {
            ExtentState::Dirty => &mut self.totals.dirty,
            ExtentState::Muzzy => &mut self.totals.muzzy,
            _ => &mut self.totals.retained,
        };
        of_state.resident += resident;
        let region = match owner {
            PageOwner::Mixed => return of_state.mixed_resident += resident,
            PageOwner::Region(region) => Some(region),
            PageOwner::Nobody => None,
        };
        let Some(row) = self.row(region) else { return };
        match state {
            ExtentState::Dirty => row.dirty += resident,
            ExtentState::Muzzy => row.muzzy += resident,
            _ => row.retained += resident,
        }
    }

    /// Addresses in no extent: base blocks, and what is not jemalloc's.
    fn gap(
        &mut self,
        world: &impl World,
        runs: &mut Runs<'_>,
        mut start: usize,
        end: usize,
        each: &mut impl FnMut(Gap),
    ) {
        while start < end {
            let claim = self.totals.claim;
            if start < claim.until {
                let to = claim.until.min(end);
                self.claimed(claim.kind, start, to, runs.resident(start, to), each);
                start = to;
                continue;
            }
            let border = world.mapping_end(start).max(start + 1).min(end);
            let Some((at, kind, bytes)) = next_header(world, runs, start, border) else {
                plain(runs, start, border, each);
                start = border;
                continue;
            };
            plain(runs, start, at, each);
            match kind {
                GapKind::Base => self.totals.base_bytes += bytes as u64,
                GapKind::GlibcChunk => self.totals.chunk_bytes += bytes as u64,
                GapKind::GlibcArena | GapKind::ThreadStack | GapKind::Loader | GapKind::Plain => {}
            }
            self.totals.claim = Claim { until: at + bytes.max(1), kind };
            start = at;
        }
    }

    fn claimed(&mut self, kind: GapKind, start: usize, end: usize, resident: Residency, each: &mut impl FnMut(Gap)) {
        match kind {
            GapKind::Base => self.totals.base_resident += resident,
            _ if resident != Residency::default() => each(Gap { start, end, resident, kind }),
            _ => {}
        }
    }
}

/// The first place in `start..end` where something is known to begin: at its start, or where a base block could.
fn next_header(world: &impl World, runs: &mut Runs<'_>, start: usize, end: usize) -> Option<(usize, GapKind, usize)> {
    for run in runs.within(start, end).filter(|run| matches!(run.kind, PageKind::Anon | PageKind::AnonOrZero)) {
        let (from, to) = (run.start.max(start), run.end.min(end));
        if from == start
            && let Some((kind, bytes)) = world.header(start)
        {
            return Some((start, kind, bytes));
        }
        let first = from.next_multiple_of(BASE_ALIGN);
        for at in (first..to).step_by(BASE_ALIGN).filter(|at| *at != start) {
            match world.header(at) {
                Some((GapKind::GlibcChunk, _)) | None => {}
                Some((kind, bytes)) => return Some((at, kind, bytes)),
            }
        }
    }
    None
}

/// What is nobody's; also if nothing of it is resident, so that a range which windows cut is known from its start.
fn plain(runs: &mut Runs<'_>, start: usize, end: usize, each: &mut impl FnMut(Gap)) {
    if start < end {
        each(Gap { start, end, resident: runs.resident(start, end), kind: GapKind::Plain });
    }
}
