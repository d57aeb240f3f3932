//! What a quick look says: a [`Figure`] for each line, and the regions.

pub(crate) mod build;

use std::borrow::Cow;

use crate::{Doubt, Figure, Flow, LineId, Readings, SettingId, SettingValue, StatedLine};

/// A quick look at memory: the kernel's split of RSS, every region's live bytes, jemalloc's totals.
///
/// Every figure is exact, an interval that is true, or unknown with a reason. It does NOT sum to RSS and states nothing
/// as unexplained: how much of a block is resident takes a walk over its pages, which a summary does not do.
///
/// A summary is of one moment only as far as the process is quiet. Its sources are read one after the other within
/// microseconds; what threads allocated meanwhile is told as a doubt.
///
/// `Display` prints it at 80 columns; with feature `serde`, `to_json` gives one line of JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// A name that the caller gave to this moment, see [`Summary::with_stage`].
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
}

/// One region. Its counts are exact, each as of the moment at which it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RegionFigures {
    /// Its name, as it was given.
    pub name: Cow<'static, str>,
    /// How many regions had its id before it; with the name, what tells it from a namesake.
    pub generation: u32,
    /// Whether its owner has dropped it, although blocks of it live on.
    pub retired: bool,
    /// Whether it has an arena of its own, so that its blocks lie beside nobody else's.
    pub isolated: bool,
    /// Bytes requested, of this region alone; only these sum up over regions.
    pub requested_bytes: Flow,
    /// Live requested bytes of this region and of all below its path.
    pub subtree_bytes: i64,
    /// Bytes of the size classes of its blocks.
    pub usable_bytes: Flow,
    /// Blocks.
    pub blocks: Flow,
    /// Live blocks by small size class, smallest first; classes without a live block are left out.
    pub classes: Vec<ClassFigure>,
    /// Live blocks larger than every small class.
    pub large_blocks: i64,
    /// Their usable bytes.
    pub large_usable_bytes: i64,
    /// Resident usable bytes of its live blocks; `None` in a summary, which counts no pages.
    pub resident: Option<Figure>,
}

impl RegionFigures {
    /// Live requested bytes of this region alone.
    pub fn self_bytes(&self) -> i64 {
        self.requested_bytes.live()
    }

    /// Whether any block of it lives, or memory behind one is still found.
    pub(crate) fn is_alive(&self) -> bool {
        let resident = self.resident.as_ref().is_some_and(|figure| *figure != Figure::Exact(0));
        resident || self.requested_bytes.live() != 0 || self.blocks.live() != 0
    }

    /// Whether nothing was ever allocated in it.
    pub fn is_unused(&self) -> bool {
        self.requested_bytes == Flow::default() && self.blocks == Flow::default()
    }
}

/// Live blocks of one size class.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ClassFigure {
    /// Usable bytes of one block.
    pub usable_bytes: u32,
    /// Live blocks.
    pub blocks: i64,
}

impl Summary {
    /// Does the arithmetic. Reads nothing; the same readings give the same summary.
    pub fn from_readings(readings: Readings) -> Self {
        build::summary(readings)
    }

    /// The same summary under a name: the stage of the program that it was taken after.
    #[must_use]
    pub fn with_stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    /// What a line says. A line that this summary does not state is unknown, with that as its reason.
    pub fn figure(&self, id: LineId) -> Figure {
        figure_of(&self.lines, id)
    }

    /// All lines that it states, in the order of the table.
    pub fn lines(&self) -> &[StatedLine] {
        &self.lines
    }

    /// Regions, the largest first, the ledger's own (`~…`) last. Retired regions without a live block are left out.
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

    /// A setting as it was read; `None` if it was not looked for.
    pub fn setting(&self, id: SettingId) -> Option<&SettingValue> {
        self.settings.iter().find(|(setting, _)| *setting == id).map(|(_, value)| value)
    }

    /// All settings that were read.
    pub fn settings(&self) -> &[(SettingId, SettingValue)] {
        &self.settings
    }

    /// What to know before trusting the figures.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }
}

/// What a line says of the part with this name, of the latest generation where there are several.
pub(crate) fn part_of(lines: &[StatedLine], id: LineId, name: &str) -> Option<Figure> {
    let line = lines.iter().find(|line| line.id == id)?;
    let parts = line.parts.iter().filter(|part| part.name == name);
    parts.max_by_key(|part| part.generation).map(|part| part.figure.clone())
}

/// What a line says, or that it is not stated.
pub(crate) fn figure_of(lines: &[StatedLine], id: LineId) -> Figure {
    match lines.iter().find(|line| line.id == id) {
        Some(line) => line.figure.clone(),
        None => Figure::unknown("this report does not state it", "see the guide for when the line is stated"),
    }
}
