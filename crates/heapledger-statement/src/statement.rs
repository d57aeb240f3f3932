//! What a look at every page says: a [`Figure`] for each line, which sum to RSS.

mod bounds;
mod build;
mod checks;
mod clock;
mod heap;
mod owners;
mod spans;

use std::borrow::Cow;

use crate::{
    Doubt, Figure, Flow, Fragmentation, FullReadings, GlibcReading, LineId, Reading, Readings, RegionFigures,
    SettingId, SettingValue, Why,
};

pub use checks::{Check, CheckId};
pub(crate) use clock::{ArenaFree, Clock};

/// Every resident byte of the process on a named line.
///
/// The lines that are summands and [`LineId::Unexplained`] sum to RSS: exactly where all are exact, and else the sum of
/// the lower ends is at most RSS and that of the upper ends at least. Unexplained is exact with PAGEMAP_SCAN, and an
/// interval where the kernel does not tell pages of zeroes from others (pagemap, mincore). It is computed from the
/// pages and the kernel's counters, never as what remains of RSS, so that the sum is a proof.
///
/// It is of one moment only as far as the process is quiet. [`Statement::skew`] bounds what moved between the kernel's
/// first and last word, [`Statement::traffic_bytes`] is what threads allocated and freed meanwhile; each line of the
/// heap is right within that traffic.
///
/// `Display` prints it at 80 columns; with feature `serde`, `to_json` gives one line of JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// A name that the caller gave to this moment, see [`Statement::with_stage`].
    pub stage: Option<String>,
    /// The process that it is of.
    pub pid: Option<u32>,
    /// How long the reading took, in nanoseconds.
    pub cost_ns: Option<u64>,
    pub(crate) lines: Vec<StatedLine>,
    pub(crate) regions: Vec<RegionFigures>,
    pub(crate) retired_omitted: u64,
    pub(crate) settings: Vec<(SettingId, SettingValue)>,
    pub(crate) doubts: Vec<Doubt>,
    pub(crate) backend: Option<Cow<'static, str>>,
    pub(crate) skew: Figure,
    pub(crate) traffic_bytes: Option<Flow>,
    pub(crate) unattributed: Vec<UnattributedRange>,
    pub(crate) checks: Vec<Check>,
    pub(crate) clock: Clock,
    pub(crate) fragmentation: Reading<Fragmentation>,
    pub(crate) glibc: Option<GlibcReading>,
}

/// A line, its figure and its parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatedLine {
    /// Which line.
    pub id: LineId,
    /// What it says.
    pub figure: Figure,
    /// Parts that sum to it; none where it has none. The parts of [`LineId::Live`] are the regions.
    pub parts: Vec<Part>,
}

impl StatedLine {
    pub(crate) fn plain(id: LineId, figure: Figure) -> Self {
        Self { id, figure, parts: Vec::new() }
    }
}

/// A part of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The name of a region, or one of [`Part::SHARED`], [`Part::MIXED`], [`Part::NOBODY`], or a kind of pages.
    pub name: Cow<'static, str>,
    /// How many regions had the id of that region before it.
    pub generation: u32,
    /// Its bytes.
    pub figure: Figure,
    /// Of free slots: what other regions pin together with this one. These overlap between parts, and are summed once
    /// in the part [`Part::SHARED`].
    pub shared: Option<Figure>,
}

impl Part {
    /// Free slots that several regions pin together.
    pub const SHARED: &'static str = "~shared";
    /// Pages on which blocks of several regions lay.
    pub const MIXED: &'static str = "~mixed";
    /// Pages on which no region ever had a block.
    pub const NOBODY: &'static str = "~nobody";

    pub(crate) fn plain(name: impl Into<Cow<'static, str>>, generation: u32, figure: Figure) -> Self {
        Self { name: name.into(), generation, figure, shared: None }
    }
}

/// A range with resident pages that no rule claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnattributedRange {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Resident bytes in it.
    pub figure: Figure,
}

impl Statement {
    /// Does the arithmetic. Reads nothing; the same readings give the same statement.
    pub fn from_readings(readings: Readings, full: FullReadings) -> Self {
        build::statement(readings, full)
    }

    /// The same statement under a name: the stage of the program that it was taken after.
    #[must_use]
    pub fn with_stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    /// What a line says. A line that this statement does not state is unknown, with that as its reason.
    pub fn figure(&self, id: LineId) -> Figure {
        crate::summary::figure_of(&self.lines, id)
    }

    /// All lines that it states, in the order of the table.
    pub fn lines(&self) -> &[StatedLine] {
        &self.lines
    }

    /// What a line says of one part: the resident bytes of a region, its dirty pages, what it pins alone. `None` if
    /// the line has no such part; for a region that means 0. Of namesakes, the region in use.
    pub fn part(&self, id: LineId, name: &str) -> Option<Figure> {
        if id == LineId::Live {
            return self.region(name).and_then(|region| region.resident.clone());
        }
        crate::summary::part_of(&self.lines, id, name)
    }

    /// Regions, those with the most resident bytes first, the ledger's own (`~…`) last.
    pub fn regions(&self) -> &[RegionFigures] {
        &self.regions
    }

    /// The region of this name; the one in use, if retired namesakes still have blocks.
    pub fn region(&self, name: &str) -> Option<&RegionFigures> {
        self.regions.iter().filter(|region| region.name == name).min_by_key(|region| region.retired)
    }

    /// How many retired regions were left out because nothing of them lives.
    pub fn retired_omitted(&self) -> u64 {
        self.retired_omitted
    }

    /// Resident ranges that no rule claims, by address; they sum to [`LineId::Unattributed`] unless there were too
    /// many, and then a doubt says so.
    pub fn unattributed(&self) -> &[UnattributedRange] {
        &self.unattributed
    }

    /// Who told which pages are resident; `None` if nobody did.
    pub fn backend(&self) -> Option<&str> {
        self.backend.as_deref()
    }

    /// What can have moved between the first and the last reading, in bytes: page faults, each of a page (of 2 MiB
    /// where huge pages are given to everybody), and what the kernel's counters changed by, up or down. It does not
    /// bound pages that come without a fault of their own while others go: a fault on a file maps up to 16 pages, and
    /// `MAP_POPULATE` and huge pages that the program asked for itself bring many at once.
    ///
    /// The counters rise by no more than was faulted in, and fall by no more than was given back. So by what is seen
    /// from outside the skew is at most twice what was faulted in, and what was given back meanwhile: by the program, in
    /// large blocks or maps of its own, and by jemalloc of itself, whose decay is neither a fault nor a free.
    pub fn skew(&self) -> &Figure {
        &self.skew
    }

    /// Bytes requested and freed on all threads while the readings were taken; `None` if that was not watched, or the
    /// id of a region that went was given away meanwhile.
    pub fn traffic_bytes(&self) -> Option<Flow> {
        self.traffic_bytes
    }

    /// What was checked against an independent source. A check that fails is a doubt too.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// A setting as it was read; `None` if it was not looked for.
    pub fn setting(&self, id: SettingId) -> Option<&SettingValue> {
        self.settings.iter().find(|(setting, _)| *setting == id).map(|(_, value)| value)
    }

    /// All settings that were read.
    pub fn settings(&self) -> &[(SettingId, SettingValue)] {
        &self.settings
    }

    /// Slabs by size class, and whose blocks keep free slots from going back; or why that is not known.
    pub fn fragmentation(&self) -> Result<&Fragmentation, &Why> {
        self.fragmentation.as_ref()
    }

    /// What to know before trusting the figures.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }
}
