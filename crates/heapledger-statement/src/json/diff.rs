//! A difference as JSON, in both directions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FigureReport, JsonError, LineReport, PartReport, SCHEMA};
use crate::lines::Role;
use crate::{Between, Depth, Diff, Flow, LineId, Moment, Part, RegionChange, StatedLine};

/// The word for a difference, under the key `kind`.
pub const KIND_DIFFERENCE: &str = "difference";

/// One difference as JSON: as the object of a statement, every number a change. Over `lines`, Σ low + unexplained <=
/// rss <= Σ high + unexplained, as in both statements that it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`KIND_DIFFERENCE`].
    pub kind: String,
    /// The depth of the two.
    pub depth: String,
    /// The earlier one.
    pub before: MomentReport,
    /// The later one.
    pub after: MomentReport,
    /// The change of RSS if it is exact, else `null`; then the line `rss` of `totals` says why.
    pub rss_bytes: Option<i64>,
    /// The change of what no line explains if it is exact, else `null`.
    pub unexplained_bytes: Option<i64>,
    /// Kinds of memory, which sum to the change of RSS.
    pub lines: Vec<LineReport>,
    /// Bytes that are not in RSS.
    pub not_resident: Vec<LineReport>,
    /// Parts of other lines.
    pub of_which: Vec<LineReport>,
    /// Totals that overlap the lines.
    pub totals: Vec<LineReport>,
    /// What changed of each region.
    pub regions: Vec<RegionChangeReport>,
}

/// Which statement a side is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MomentReport {
    /// The caller's name for it.
    #[serde(default)]
    pub stage: Option<String>,
    /// Its process.
    #[serde(default)]
    pub pid: Option<u32>,
}

/// What changed of one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegionChangeReport {
    /// Its name.
    pub id: Cow<'static, str>,
    /// How many regions had its id before it.
    #[serde(default)]
    pub generation: u32,
    /// Whether its owner has dropped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// Live requested bytes.
    pub live_bytes: i64,
    /// Live bytes of size classes.
    pub usable_bytes: i64,
    /// Live blocks.
    pub blocks: i64,
    /// Resident usable bytes; left out if a side counts no pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<FigureReport>,
    /// What was allocated and freed in between; left out if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<BetweenReport>,
}

/// What a region allocated and freed between two statements.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BetweenReport {
    /// Bytes requested.
    pub allocated_bytes: u64,
    /// Requested bytes of the blocks that were freed.
    pub freed_bytes: u64,
    /// The same in bytes of the size classes.
    pub allocated_usable_bytes: u64,
    /// The same in bytes of the size classes.
    pub freed_usable_bytes: u64,
    /// Blocks.
    pub allocated_blocks: u64,
    /// Blocks.
    pub freed_blocks: u64,
}

pub(super) fn to_report(diff: &Diff) -> DiffReport {
    let moment = |moment: &Moment| MomentReport { stage: moment.stage.clone(), pid: moment.pid };
    let mut report = DiffReport {
        schema: SCHEMA,
        kind: KIND_DIFFERENCE.to_owned(),
        depth: diff.depth.key().to_owned(),
        before: moment(&diff.before),
        after: moment(&diff.after),
        rss_bytes: diff.rss().as_exact(),
        unexplained_bytes: diff.figure(LineId::Unexplained).as_exact(),
        lines: Vec::new(),
        not_resident: Vec::new(),
        of_which: Vec::new(),
        totals: Vec::new(),
        regions: diff.regions.iter().map(RegionChangeReport::from).collect(),
    };
    for stated in &diff.lines {
        let line = stated.id.line();
        let (list, of) = match line.role {
            Role::Summand => (&mut report.lines, None),
            Role::NotResident => (&mut report.not_resident, None),
            Role::OfWhich(whole) => (&mut report.of_which, Some(whole.key().into())),
            Role::Total => (&mut report.totals, None),
        };
        list.push(LineReport {
            id: line.key.into(),
            figure: (&stated.figure).into(),
            measure: line.measure_in(diff.depth).key().into(),
            of,
            source: line.source_in(diff.depth).into(),
            parts: stated.parts.iter().map(PartReport::from).collect(),
        });
    }
    report
}

pub(super) fn from_report(report: DiffReport) -> Result<Diff, JsonError> {
    if report.schema != SCHEMA {
        return Err(JsonError::Schema { found: report.schema });
    }
    if report.kind != KIND_DIFFERENCE {
        return Err(JsonError::Kind { found: report.kind });
    }
    let depth = [Depth::Quick, Depth::Full].into_iter().find(|depth| depth.key() == report.depth);
    let depth = depth.ok_or(JsonError::Depth { found: report.depth })?;
    let mut lines = Vec::new();
    let lists = [report.lines, report.not_resident, report.of_which, report.totals];
    for line in lists.into_iter().flatten() {
        let id = LineId::from_key(&line.id).ok_or_else(|| JsonError::Line { id: line.id.clone().into_owned() })?;
        let parts = line.parts.into_iter().map(Part::from).collect();
        lines.push(StatedLine { id, figure: line.figure.into(), parts });
    }
    lines.sort_by_key(|line| line.id);
    let moment = |moment: MomentReport| Moment { stage: moment.stage, pid: moment.pid };
    Ok(Diff {
        before: moment(report.before),
        after: moment(report.after),
        depth,
        lines,
        regions: report.regions.into_iter().map(RegionChange::from).collect(),
    })
}

impl From<&RegionChange> for RegionChangeReport {
    fn from(change: &RegionChange) -> Self {
        Self {
            id: change.name.clone(),
            generation: change.generation,
            retired: change.retired,
            live_bytes: change.live_bytes,
            usable_bytes: change.usable_bytes,
            blocks: change.blocks,
            resident: change.resident.as_ref().map(FigureReport::from),
            between: change.between.map(BetweenReport::from),
        }
    }
}

impl From<RegionChangeReport> for RegionChange {
    fn from(report: RegionChangeReport) -> Self {
        Self {
            name: report.id,
            generation: report.generation,
            retired: report.retired,
            live_bytes: report.live_bytes,
            usable_bytes: report.usable_bytes,
            blocks: report.blocks,
            resident: report.resident.map(Into::into),
            between: report.between.map(Between::from),
        }
    }
}

impl From<Between> for BetweenReport {
    fn from(between: Between) -> Self {
        Self {
            allocated_bytes: between.requested_bytes.allocated,
            freed_bytes: between.requested_bytes.freed,
            allocated_usable_bytes: between.usable_bytes.allocated,
            freed_usable_bytes: between.usable_bytes.freed,
            allocated_blocks: between.blocks.allocated,
            freed_blocks: between.blocks.freed,
        }
    }
}

impl From<BetweenReport> for Between {
    fn from(report: BetweenReport) -> Self {
        Self {
            requested_bytes: Flow::new(report.allocated_bytes, report.freed_bytes),
            usable_bytes: Flow::new(report.allocated_usable_bytes, report.freed_usable_bytes),
            blocks: Flow::new(report.allocated_blocks, report.freed_blocks),
        }
    }
}
