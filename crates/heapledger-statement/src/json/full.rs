//! What a statement has beyond a summary, in both directions.

use super::convert::{self, Common};
use super::{CheckReport, FigureReport, FullReport, JsonError, RangeReport};
use crate::{Check, CheckId, Depth, Figure, Flow, LineId, Statement, UnattributedRange};

pub(super) fn to_report(statement: &Statement) -> FullReport {
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
    })
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
