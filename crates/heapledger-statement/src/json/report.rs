//! The objects, key by key.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FindingReport, FragmentationReport, is_zero};

/// One summary as JSON, and what a statement has in common with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// [`DEPTH_QUICK`](super::DEPTH_QUICK) or [`DEPTH_FULL`](super::DEPTH_FULL).
    pub depth: String,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The caller's name for the moment; `null` if it gave none.
    #[serde(default)]
    pub stage: Option<String>,
    /// RSS if it is exact, else `null`; then the line `rss` of `totals` says why.
    pub rss_bytes: Option<i64>,
    /// Kinds of memory. A full statement sums them to RSS; a summary does not.
    pub lines: Vec<LineReport>,
    /// Bytes that are not in RSS.
    pub not_resident: Vec<LineReport>,
    /// Parts of other lines.
    pub of_which: Vec<LineReport>,
    /// Totals that overlap the lines.
    pub totals: Vec<LineReport>,
    /// Retired regions that were left out because nothing of them lives.
    pub retired_regions_omitted: u64,
    /// Settings as they were read.
    pub settings: BTreeMap<String, SettingReport>,
    /// What to know before trusting the figures.
    pub notes: Vec<NoteReport>,
    /// How long the reading took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_ns: Option<u64>,
}

/// One statement as JSON. Always Σ low + unexplained <= rss <= Σ high + unexplained over `lines`, where low = high =
/// `bytes` if a figure is exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FullReport {
    /// What a summary states too.
    #[serde(flatten)]
    pub common: Report,
    /// The line `unexplained` of `totals` if it is exact, else `null`.
    pub unexplained_bytes: Option<i64>,
    /// The line `unattributed` if it is exact, else `null`.
    pub unattributed_bytes: Option<i64>,
    /// The line `counter_gap` if it is exact, else `null`; its parts are the kinds.
    pub counter_gap_bytes: Option<i64>,
    /// What can have moved between the first and the last reading; `null` if that is not known, and then
    /// `skew_unknown` says why.
    pub skew_bytes: Option<i64>,
    /// Why there is no `skew_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_unknown: Option<FigureReport>,
    /// The line `slabs_resident` of `totals` if it is exact, else `null`.
    pub slabs_resident_bytes: Option<i64>,
    /// Bytes requested meanwhile; `null` if that was not watched.
    pub traffic_allocated_bytes: Option<u64>,
    /// Bytes freed meanwhile; `null` if that was not watched.
    pub traffic_freed_bytes: Option<u64>,
    /// Who told which pages are resident; `null` if nobody did.
    pub pages_by: Option<Cow<'static, str>>,
    /// Resident ranges that no rule claims.
    pub unattributed: Vec<RangeReport>,
    /// What was checked against an independent source.
    pub checks: Vec<CheckReport>,
    /// What a forecast is made from; older objects lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockReport>,
    /// Slabs by size class, and whose blocks keep free slots; older objects lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragmentation: Option<FragmentationReport>,
    /// glibc's heaps, by its own word; left out if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<GlibcReport>,
    /// What would give memory back or make figures known, the largest gain first; older objects lack it.
    #[serde(default)]
    pub findings: Vec<FindingReport>,
}

/// glibc's heaps, those of threads too.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GlibcReport {
    /// Bytes in use, headers included.
    pub used_bytes: u64,
    /// Free bytes, resident or not.
    pub free_bytes: u64,
    /// In how many pieces these lie.
    pub free_pieces: u64,
}

/// What decides when free pages go back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClockReport {
    /// When the statement was taken, in nanoseconds since some moment of its process; `null` if nobody looked.
    pub taken_ns: Option<u64>,
    /// How long before that the statement before it was taken; `null` if there was none.
    pub earlier_ago_ns: Option<u64>,
    /// What jemalloc gave back since then, address space; left out if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_bytes: Option<u64>,
    /// Address space of the most dirty extents that lie side by side: they go as a whole.
    pub largest_dirty_bytes: u64,
    /// Dirty extents of more than 4 MiB each; left out if there is none.
    #[serde(default, skip_serializing_if = "LargeReport::is_none")]
    pub large_dirty: LargeReport,
    /// Arenas with free pages.
    pub arenas: Vec<ArenaReport>,
    /// Why the arenas are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<FigureReport>,
}

/// Large extents: address space.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LargeReport {
    /// How many there are.
    pub extents: u64,
    /// What they sum to.
    pub bytes: u64,
    /// The smallest of them.
    pub smallest_bytes: u64,
}

impl LargeReport {
    fn is_none(&self) -> bool {
        self.extents == 0
    }
}

/// Free pages of one arena: address space, resident or not.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArenaReport {
    /// Decay time of dirty pages; -1 is never.
    pub dirty_decay_ms: i64,
    /// Decay time of muzzy pages; -1 is never.
    pub muzzy_decay_ms: i64,
    /// Bytes of dirty extents.
    pub dirty_bytes: u64,
    /// Bytes of muzzy extents.
    pub muzzy_bytes: u64,
    /// Dirty at the statement before; `null` if there was none.
    pub earlier_dirty_bytes: Option<u64>,
    /// Whether it is jemalloc's arena for oversize blocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oversize: bool,
}

/// A range without a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeReport {
    /// First byte, hexadecimal as in `/proc/self/maps`.
    pub from: String,
    /// Behind the last byte.
    pub to: String,
    /// Resident bytes.
    #[serde(flatten)]
    pub figure: FigureReport,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name.
    pub id: Cow<'static, str>,
    /// What the pages say less what the other source says.
    pub difference: FigureReport,
    /// By how much they may differ; `null` if nothing was judged.
    pub allowed_bytes: Option<i64>,
    /// Whether they agree; `null` if nothing was judged.
    pub holds: Option<bool>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LineReport {
    /// Its id in the table of lines.
    pub id: Cow<'static, str>,
    /// What it says.
    #[serde(flatten)]
    pub figure: FigureReport,
    /// Which bytes it counts.
    pub measure: Cow<'static, str>,
    /// The line that contains it, for a line of `of_which`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Cow<'static, str>>,
    /// What it is read from.
    pub source: Cow<'static, str>,
    /// Its parts, which sum to it. Left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReport>,
}

/// A part of a line: a region, or one of the parts that the ledger names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartReport {
    /// The name.
    pub id: Cow<'static, str>,
    /// Its bytes, of the measure of the line.
    #[serde(flatten)]
    pub figure: FigureReport,
    /// How many regions had the id of this one before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Of free slots: what other regions pin together with this one. These overlap between parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<FigureReport>,
    /// Of the line `live`: what the counters say of the region.
    #[serde(flatten)]
    pub region: Option<RegionReport>,
}

/// A figure: told apart by its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FigureReport {
    /// Exact.
    Exact {
        /// This many bytes.
        bytes: i64,
    },
    /// An interval.
    Within {
        /// The lower end, inclusive.
        at_least: i64,
        /// The upper end, inclusive.
        at_most: i64,
    },
    /// Not known.
    Unknown {
        /// The reason.
        unknown: Cow<'static, str>,
        /// What would make it known.
        remedy: Cow<'static, str>,
    },
}

/// What the counters say of one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegionReport {
    /// Live bytes requested, of this region alone.
    pub requested_bytes: i64,
    /// Live blocks.
    pub blocks: i64,
    /// Live bytes of this region and of all below its path; these overlap.
    pub subtree_bytes: i64,
    /// Usable bytes of the live blocks.
    pub usable_bytes: i64,
    /// Bytes requested since the process started.
    pub allocated_bytes: u64,
    /// Bytes requested by the blocks that were freed.
    pub freed_bytes: u64,
    /// Blocks allocated since the process started.
    pub allocated_blocks: u64,
    /// Blocks freed.
    pub freed_blocks: u64,
    /// Usable bytes allocated since the process started.
    pub allocated_usable_bytes: u64,
    /// Usable bytes of the blocks that were freed.
    pub freed_usable_bytes: u64,
    /// Live blocks larger than every small size class.
    pub large_blocks: i64,
    /// Their usable bytes.
    pub large_usable_bytes: i64,
    /// Live blocks by small size class; classes without one are left out.
    pub classes: Vec<ClassReport>,
    /// Whether its owner has dropped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// Whether it has an arena of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
}

/// Live blocks of one size class.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Usable bytes of one block.
    pub usable_bytes: u32,
    /// Live blocks.
    pub blocks: i64,
}

/// A setting: a flag, a number, a word, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingReport {
    /// On or off.
    Flag(bool),
    /// A number.
    Count(i64),
    /// A word.
    Text(Cow<'static, str>),
    /// Not known.
    Unknown {
        /// The reason.
        unknown: Cow<'static, str>,
        /// What would make it known.
        remedy: Cow<'static, str>,
    },
}

/// A doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteReport {
    /// Its key in the table of doubts.
    pub id: Cow<'static, str>,
    /// What is so.
    pub says: Cow<'static, str>,
    /// What to do about it.
    pub remedy: Cow<'static, str>,
}
