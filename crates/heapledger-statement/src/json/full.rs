//! What a statement has beyond a summary, in both directions.

use super::convert::{self, Common};
use super::fragmentation;
use super::{
    ArenaReport, CheckReport, ClockReport, FigureReport, FindingReport, FullReport, GlibcReport, JsonError,
    LargeReport, RangeReport,
};
use crate::statement::{ArenaFree, Clock};
use crate::{
    Check, CheckId, Depth, Figure, Finding, Flow, GlibcReading, LargeExtentsReading, LineId, Statement,
    UnattributedRange,
};

pub(super) fn to_report(statement: &Statement, findings: &[Finding]) -> FullReport {
    let exact = |id| statement.figure(id).as_exact();
    let skew_bytes = statement.skew.as_exact();
    FullReport {
        common: convert::to_report(statement.into()),
        unexplained_bytes: exact(LineId::Unexplained),
        unattributed_bytes: exact(LineId::Unattributed),
        counter_gap_bytes: exact(LineId::CounterGap),
        skew_bytes,
        skew_unknown: skew_bytes.is_none().then(|| (&statement.skew).into()),
        slabs_resident_bytes: exact(LineId::SlabsResident),
        traffic_allocated_bytes: statement.traffic_bytes.map(|traffic| traffic.allocated),
        traffic_freed_bytes: statement.traffic_bytes.map(|traffic| traffic.freed),
        pages_by: statement.backend.clone(),
        unattributed: statement.unattributed.iter().map(RangeReport::from).collect(),
        checks: statement.checks.iter().map(CheckReport::from).collect(),
        clock: Some(ClockReport::from(&statement.clock)),
        fragmentation: Some(fragmentation::to_report(&statement.fragmentation)),
        glibc: statement.glibc.map(GlibcReport::from),
        findings: findings.iter().map(FindingReport::from).collect(),
    }
}

pub(super) fn from_report(mut report: FullReport) -> Result<Statement, JsonError> {
    let Common { lines, regions, settings, doubts } = convert::common(&mut report.common, Depth::Full)?;
    let traffic = report.traffic_allocated_bytes.zip(report.traffic_freed_bytes);
    let unknown = || Figure::unknown("the object does not say why", "read it with the version that wrote it");
    Ok(Statement {
        stage: report.common.stage,
        pid: report.common.pid,
        cost_ns: report.common.cost_ns,
        lines,
        regions,
        retired_omitted: report.common.retired_regions_omitted,
        settings,
        doubts,
        backend: report.pages_by,
        skew: match report.skew_bytes {
            Some(bytes) => Figure::Exact(bytes),
            None => report.skew_unknown.map_or_else(unknown, Figure::from),
        },
        traffic_bytes: traffic.map(|(allocated, freed)| Flow::new(allocated, freed)),
        unattributed: report.unattributed.into_iter().map(UnattributedRange::try_from).collect::<Result<_, _>>()?,
        checks: report.checks.into_iter().map(Check::try_from).collect::<Result<_, _>>()?,
        clock: report.clock.map(Clock::from).unwrap_or_default(),
        fragmentation: fragmentation::from_report(report.fragmentation),
        glibc: report.glibc.map(GlibcReading::from),
    })
}

impl From<GlibcReading> for GlibcReport {
    fn from(glibc: GlibcReading) -> Self {
        let GlibcReading { used_bytes, free_bytes, free_pieces } = glibc;
        Self { used_bytes, free_bytes, free_pieces }
    }
}

impl From<GlibcReport> for GlibcReading {
    fn from(report: GlibcReport) -> Self {
        let GlibcReport { used_bytes, free_bytes, free_pieces } = report;
        Self { used_bytes, free_bytes, free_pieces }
    }
}

impl From<&UnattributedRange> for RangeReport {
    fn from(range: &UnattributedRange) -> Self {
        let figure = FigureReport::from(&range.figure);
        Self { from: format!("{:x}", range.start), to: format!("{:x}", range.end), figure }
    }
}

impl TryFrom<RangeReport> for UnattributedRange {
    type Error = JsonError;

    fn try_from(report: RangeReport) -> Result<Self, JsonError> {
        let address = |word: String| u64::from_str_radix(&word, 16).map_err(|_| JsonError::Address { found: word });
        Ok(Self { start: address(report.from)?, end: address(report.to)?, figure: report.figure.into() })
    }
}

impl From<&Check> for CheckReport {
    fn from(check: &Check) -> Self {
        Self {
            id: check.id.key().into(),
            difference: (&check.difference).into(),
            allowed_bytes: check.allowed_bytes,
            holds: check.holds(),
        }
    }
}

impl TryFrom<CheckReport> for Check {
    type Error = JsonError;

    fn try_from(report: CheckReport) -> Result<Self, JsonError> {
        let id = CheckId::from_key(&report.id).ok_or_else(|| JsonError::Check { id: report.id.into_owned() })?;
        Ok(Self { id, difference: report.difference.into(), allowed_bytes: report.allowed_bytes })
    }
}

impl From<&Clock> for ClockReport {
    fn from(clock: &Clock) -> Self {
        Self {
            taken_ns: clock.taken_ns,
            earlier_ago_ns: clock.earlier_ago_ns,
            gone_bytes: clock.gone_bytes,
            largest_dirty_bytes: clock.largest_dirty_bytes,
            large_dirty: LargeReport {
                extents: clock.large_dirty.extents,
                bytes: clock.large_dirty.bytes,
                smallest_bytes: clock.large_dirty.smallest_bytes,
            },
            arenas: clock
                .arenas
                .as_ref()
                .map(|arenas| arenas.iter().map(ArenaReport::from).collect())
                .unwrap_or_default(),
            unknown: clock.arenas.as_ref().err().map(|why| (&Figure::from(why.clone())).into()),
        }
    }
}

impl From<ClockReport> for Clock {
    fn from(report: ClockReport) -> Self {
        let why = report.unknown.and_then(|figure| Figure::from(figure).why());
        Self {
            taken_ns: report.taken_ns,
            earlier_ago_ns: report.earlier_ago_ns,
            gone_bytes: report.gone_bytes,
            largest_dirty_bytes: report.largest_dirty_bytes,
            large_dirty: LargeExtentsReading {
                extents: report.large_dirty.extents,
                bytes: report.large_dirty.bytes,
                smallest_bytes: report.large_dirty.smallest_bytes,
            },
            arenas: why.map_or_else(|| Ok(report.arenas.into_iter().map(ArenaFree::from).collect()), Err),
        }
    }
}

impl From<&ArenaFree> for ArenaReport {
    fn from(arena: &ArenaFree) -> Self {
        Self {
            dirty_decay_ms: arena.dirty_decay_ms,
            muzzy_decay_ms: arena.muzzy_decay_ms,
            dirty_bytes: arena.dirty_bytes,
            muzzy_bytes: arena.muzzy_bytes,
            earlier_dirty_bytes: arena.earlier_dirty_bytes,
            oversize: arena.oversize,
        }
    }
}

impl From<ArenaReport> for ArenaFree {
    fn from(report: ArenaReport) -> Self {
        Self {
            dirty_decay_ms: report.dirty_decay_ms,
            muzzy_decay_ms: report.muzzy_decay_ms,
            dirty_bytes: report.dirty_bytes,
            muzzy_bytes: report.muzzy_bytes,
            earlier_dirty_bytes: report.earlier_dirty_bytes,
            oversize: report.oversize,
        }
    }
}
