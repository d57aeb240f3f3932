//! Where the bytes of each region went between two marks, by the pages that they lay on.

mod cells;
mod memo;
mod merge;
mod rows;
mod stretch;
mod transport;

use std::borrow::Cow;

use crate::{Figure, Part};

pub use stretch::{FlowCounters, FlowReadings, Holder, PageOwner, Share, Stretch, Stretches};

/// A region by name and generation, or one of [`Part::MIXED`] and [`Part::NOBODY`] where the owner map keeps no owner.
#[derive(Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub struct RegionName {
    /// Its name.
    pub name: Cow<'static, str>,
    /// How many regions had its id before it.
    pub generation: u32,
}

impl RegionName {
    /// A region.
    pub fn new(name: impl Into<Cow<'static, str>>, generation: u32) -> Self {
        Self { name: name.into(), generation }
    }

    /// Pages on which blocks of several regions lay.
    pub const MIXED: RegionName = RegionName { name: Cow::Borrowed(Part::MIXED), generation: 0 };

    /// Pages on which no region ever had a block.
    pub const NOBODY: RegionName = RegionName { name: Cow::Borrowed(Part::NOBODY), generation: 0 };
}

/// Where the resident bytes of each region went between two marks: the difference of their page maps.
///
/// It follows pages, not blocks. Within the pages of one slab it is net: what a region has there at both marks counts
/// as its own, whichever slots it is in. Each row sums to what it began with; where a slab's pages do not tell which
/// bytes went where, the cells are intervals that embrace the truth, and the sum stays exact.
///
/// Two maps cannot see pages that jemalloc gave back and that were faulted in again in between, so bytes that are *in*
/// another region are *reused* only as far as [`FlowCell::reused`] says; where nothing was given back, that is all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PageFlow {
    pub(crate) rows: Vec<FlowRow>,
    pub(crate) given_back: Option<u64>,
}

/// What a row of the flow began with.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Held {
    /// Resident bytes of its blocks at the first mark, those that threads cached included.
    InUse,
    /// Resident bytes that it was the last to use and that were free at the first mark: slots, dirty, muzzy and
    /// retained pages.
    Freed,
    /// What large extents had beyond their blocks, and extents that changed while they were read.
    Other,
    /// Nothing: these pages were not in memory at the first mark, or not jemalloc's. Its cells are what came.
    Absent,
}

/// Where the bytes of one region went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowRow {
    /// The region.
    pub region: RegionName,
    /// What it had.
    pub held: Held,
    /// How many bytes, at the first mark; exact.
    pub bytes: Figure,
    /// Where they are at the second mark, largest first. They sum to `bytes`, or embrace it.
    pub cells: Vec<FlowCell>,
    /// Of what is still its own: freed and allocated again in between, by the counters; 0 if it freed nothing.
    pub allocated_again: Figure,
}

/// Bytes that went to one place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowCell {
    /// Where they are.
    pub went: Went,
    /// How many.
    pub bytes: Figure,
    /// Of what is in another region: how much surely stayed in memory in between, and how much can have.
    pub reused: Figure,
}

/// Where bytes of a page are at the second mark.
#[derive(Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Went {
    /// In blocks of the same region.
    Own,
    /// Allocated on pages of the same region and not live: thread caches keep them.
    Cached,
    /// In blocks of another region.
    Region(RegionName),
    /// Free slots of a slab that blocks of this region keep; [`RegionName::MIXED`] if those of several do.
    FreeSlots(RegionName),
    /// Dirty pages.
    Dirty,
    /// Muzzy pages.
    Muzzy,
    /// Retained pages that are resident all the same.
    Retained,
    /// What large extents have beyond their blocks.
    Pads,
    /// In an extent that changed while it was read.
    Moved,
    /// Not in memory, or not jemalloc's any more.
    Returned,
}

impl PageFlow {
    /// Where the bytes of one map are in a later one. Reads nothing but the two; costs a pass over both.
    pub fn between(before: &mut impl Stretches, after: &mut impl Stretches, readings: &FlowReadings) -> Self {
        rows::flow(before, after, readings)
    }

    /// All rows, the largest first.
    pub fn rows(&self) -> &[FlowRow] {
        &self.rows
    }

    /// The row of a region; of namesakes, the one of the latest generation.
    pub fn row(&self, region: &str, held: Held) -> Option<&FlowRow> {
        let rows = self.rows.iter().filter(|row| row.region.name == region && row.held == held);
        rows.max_by_key(|row| row.region.generation)
    }

    /// Bytes of pages that jemalloc gave back between the marks, resident or not, which bounds what was faulted in
    /// again;
    /// `None` if its statistics do not tell.
    pub fn given_back_bytes(&self) -> Option<u64> {
        self.given_back
    }

    /// How many bytes that `from` had, in use or freed, `by` uses at the second mark without their having left memory.
    pub fn reused(&self, from: &str, by: &str) -> Figure {
        let rows = self.rows.iter().filter(|row| row.region.name == from && row.held != Held::Absent);
        let cells = rows.flat_map(|row| &row.cells);
        cells
            .filter(|cell| matches!(&cell.went, Went::Region(region) if region.name == by))
            .map(|cell| cell.reused.clone())
            .sum()
    }
}

impl FlowRow {
    /// How many bytes went there; 0 if none did.
    pub fn went(&self, went: &Went) -> Figure {
        let cell = self.cells.iter().find(|cell| cell.went == *went);
        cell.map_or(Figure::Exact(0), |cell| cell.bytes.clone())
    }

    /// Free slots, whoever keeps their slabs.
    pub fn free_slots(&self) -> Figure {
        let cells = self.cells.iter().filter(|cell| matches!(cell.went, Went::FreeSlots(_)));
        cells.map(|cell| cell.bytes.clone()).sum()
    }

    /// In blocks of other regions, and returned, together: exact where the cells are.
    pub fn reused_or_returned(&self) -> Figure {
        let cells = self.cells.iter().filter(|cell| matches!(cell.went, Went::Region(_) | Went::Returned));
        cells.map(|cell| cell.bytes.clone()).sum()
    }
}
