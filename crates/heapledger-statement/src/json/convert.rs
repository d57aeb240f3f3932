//! Between a summary and its report, field by field, in both directions.

use super::{
    ClassReport, DEPTH_QUICK, FigureReport, JsonError, LineReport, NoteReport, RegionReport, Report, SCHEMA,
    SettingReport,
};
use crate::lines::Role;
use crate::{
    ClassFigure, Doubt, Figure, Flow, LineId, RegionFigures, SettingId, SettingValue, Summary, SummaryLine, Why,
};

pub(super) fn to_report(summary: &Summary) -> Report {
    let mut report = Report {
        schema: SCHEMA,
        depth: DEPTH_QUICK.to_owned(),
        pid: summary.pid,
        stage: summary.stage.clone(),
        rss_bytes: summary.figure(LineId::Rss).as_exact(),
        lines: Vec::new(),
        not_resident: Vec::new(),
        of_which: Vec::new(),
        totals: Vec::new(),
        retired_regions_omitted: summary.retired_omitted,
        settings: summary.settings.iter().map(|(id, value)| (id.row().key.to_owned(), value.into())).collect(),
        notes: summary.doubts.iter().map(NoteReport::from).collect(),
        cost_ns: summary.cost_ns,
    };
    for stated in &summary.lines {
        let line = stated.id.line();
        let (list, of) = match line.role {
            Role::Summand => (&mut report.lines, None),
            Role::NotResident => (&mut report.not_resident, None),
            Role::OfWhich(whole) => (&mut report.of_which, Some(whole.key().into())),
            Role::Total => (&mut report.totals, None),
        };
        let parts = if stated.id == LineId::Live { &summary.regions[..] } else { &[] };
        list.push(LineReport {
            id: line.key.into(),
            figure: (&stated.figure).into(),
            measure: line.measure.key().into(),
            of,
            source: line.source.into(),
            parts: parts.iter().map(RegionReport::from).collect(),
        });
    }
    report
}

pub(super) fn from_report(report: Report) -> Result<Summary, JsonError> {
    if report.schema != SCHEMA {
        return Err(JsonError::Schema { found: report.schema });
    }
    if report.depth != DEPTH_QUICK {
        return Err(JsonError::Depth { found: report.depth });
    }
    let mut regions = Vec::new();
    let mut lines = Vec::new();
    for line in report.lines.into_iter().chain(report.not_resident).chain(report.of_which).chain(report.totals) {
        let id = LineId::from_key(&line.id).ok_or_else(|| JsonError::Line { id: line.id.clone().into_owned() })?;
        regions.extend(line.parts.into_iter().map(RegionFigures::from));
        lines.push(SummaryLine { id, figure: line.figure.into() });
    }
    lines.sort_by_key(|line| line.id);
    let mut settings: Vec<(SettingId, SettingValue)> = report
        .settings
        .into_iter()
        .filter_map(|(key, value)| Some((SettingId::from_key(&key)?, value.into())))
        .collect();
    settings.sort_by_key(|(id, _)| *id);
    Ok(Summary {
        stage: report.stage,
        pid: report.pid,
        cost_ns: report.cost_ns,
        lines,
        regions,
        retired_omitted: report.retired_regions_omitted,
        settings,
        doubts: report.notes.into_iter().map(Doubt::from).collect(),
    })
}

impl From<&Figure> for FigureReport {
    fn from(figure: &Figure) -> Self {
        match figure {
            Figure::Exact(bytes) => Self::Exact { bytes: *bytes },
            Figure::Within { at_least, at_most } => Self::Within { at_least: *at_least, at_most: *at_most },
            Figure::Unknown { reason, remedy } => Self::Unknown { unknown: reason.clone(), remedy: remedy.clone() },
        }
    }
}

impl From<FigureReport> for Figure {
    fn from(report: FigureReport) -> Self {
        match report {
            FigureReport::Exact { bytes } => Self::Exact(bytes),
            FigureReport::Within { at_least, at_most } => Self::within(at_least, at_most),
            FigureReport::Unknown { unknown, remedy } => Self::unknown(unknown, remedy),
        }
    }
}

impl From<&RegionFigures> for RegionReport {
    fn from(region: &RegionFigures) -> Self {
        Self {
            id: region.name.clone(),
            bytes: region.self_bytes(),
            blocks: region.blocks.live(),
            subtree_bytes: region.subtree_bytes,
            usable_bytes: region.usable_bytes.live(),
            allocated_bytes: region.requested_bytes.allocated,
            freed_bytes: region.requested_bytes.freed,
            allocated_blocks: region.blocks.allocated,
            freed_blocks: region.blocks.freed,
            allocated_usable_bytes: region.usable_bytes.allocated,
            freed_usable_bytes: region.usable_bytes.freed,
            large_blocks: region.large_blocks,
            large_usable_bytes: region.large_usable_bytes,
            classes: region
                .classes
                .iter()
                .map(|class| ClassReport { usable_bytes: class.usable_bytes, blocks: class.blocks })
                .collect(),
            generation: region.generation,
            retired: region.retired,
        }
    }
}

impl From<RegionReport> for RegionFigures {
    fn from(report: RegionReport) -> Self {
        Self {
            name: report.id,
            generation: report.generation,
            retired: report.retired,
            requested_bytes: Flow::new(report.allocated_bytes, report.freed_bytes),
            subtree_bytes: report.subtree_bytes,
            usable_bytes: Flow::new(report.allocated_usable_bytes, report.freed_usable_bytes),
            blocks: Flow::new(report.allocated_blocks, report.freed_blocks),
            classes: report
                .classes
                .iter()
                .map(|class| ClassFigure { usable_bytes: class.usable_bytes, blocks: class.blocks })
                .collect(),
            large_blocks: report.large_blocks,
            large_usable_bytes: report.large_usable_bytes,
        }
    }
}

impl From<&SettingValue> for SettingReport {
    fn from(value: &SettingValue) -> Self {
        match value {
            SettingValue::Flag(flag) => Self::Flag(*flag),
            SettingValue::Count(number) => Self::Count(*number),
            SettingValue::Text(text) => Self::Text(text.clone()),
            SettingValue::Unknown(why) => Self::Unknown { unknown: why.reason.clone(), remedy: why.remedy.clone() },
        }
    }
}

impl From<SettingReport> for SettingValue {
    fn from(report: SettingReport) -> Self {
        match report {
            SettingReport::Flag(flag) => Self::Flag(flag),
            SettingReport::Count(number) => Self::Count(number),
            SettingReport::Text(text) => Self::Text(text),
            SettingReport::Unknown { unknown, remedy } => Self::Unknown(Why::new(unknown, remedy)),
        }
    }
}

impl From<&Doubt> for NoteReport {
    fn from(doubt: &Doubt) -> Self {
        Self { id: doubt.key.clone(), says: doubt.says.clone(), remedy: doubt.remedy.clone() }
    }
}

impl From<NoteReport> for Doubt {
    fn from(report: NoteReport) -> Self {
        Self { key: report.id, says: report.says, remedy: report.remedy }
    }
}
