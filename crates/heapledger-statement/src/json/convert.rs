//! Between a summary and its report, field by field, in both directions.

use std::borrow::Cow;

use super::{
    ClassReport, FigureReport, JsonError, LineReport, NoteReport, PartReport, RegionReport, Report, SCHEMA,
    SettingReport,
};
use crate::lines::Role;
use crate::view::View;
use crate::{
    ClassFigure, Depth, Doubt, Figure, Flow, LineId, Part, RegionFigures, SettingId, SettingValue, StatedLine, Summary,
    Why,
};

pub(super) fn to_report(view: View<'_>) -> Report {
    let mut report = Report {
        schema: SCHEMA,
        depth: view.depth.key().to_owned(),
        pid: view.pid,
        stage: view.stage.map(str::to_owned),
        rss_bytes: view.figure(LineId::Rss).as_exact(),
        lines: Vec::new(),
        not_resident: Vec::new(),
        of_which: Vec::new(),
        totals: Vec::new(),
        retired_regions_omitted: view.retired_omitted,
        settings: view.settings.iter().map(|(id, value)| (id.row().key.to_owned(), value.into())).collect(),
        notes: view.doubts.iter().map(NoteReport::from).collect(),
        cost_ns: view.cost_ns,
    };
    for stated in view.lines {
        let line = stated.id.line();
        let (list, of) = match line.role {
            Role::Summand => (&mut report.lines, None),
            Role::NotResident => (&mut report.not_resident, None),
            Role::OfWhich(whole) => (&mut report.of_which, Some(whole.key().into())),
            Role::Total => (&mut report.totals, None),
        };
        let parts = match stated.id {
            LineId::Live => view.regions.iter().map(region_part).collect(),
            _ => stated.parts.iter().map(PartReport::from).collect(),
        };
        list.push(LineReport {
            id: line.key.into(),
            figure: (&stated.figure).into(),
            measure: line.measure_in(view.depth).key().into(),
            of,
            source: line.source_in(view.depth).into(),
            parts,
        });
    }
    report
}

/// The fields that a summary and a statement share.
pub(super) struct Common {
    pub lines: Vec<StatedLine>,
    pub regions: Vec<RegionFigures>,
    pub settings: Vec<(SettingId, SettingValue)>,
    pub doubts: Vec<Doubt>,
}

/// Takes the lists out of a report of the depth wanted.
pub(super) fn common(report: &mut Report, depth: Depth) -> Result<Common, JsonError> {
    if report.schema != SCHEMA {
        return Err(JsonError::Schema { found: report.schema });
    }
    if report.depth != depth.key() {
        return Err(JsonError::Depth { found: std::mem::take(&mut report.depth) });
    }
    let mut regions = Vec::new();
    let mut lines = Vec::new();
    let lists = [&mut report.lines, &mut report.not_resident, &mut report.of_which, &mut report.totals];
    for line in lists.into_iter().flat_map(std::mem::take) {
        let id = LineId::from_key(&line.id).ok_or_else(|| JsonError::Line { id: line.id.clone().into_owned() })?;
        let mut stated = StatedLine::plain(id, line.figure.into());
        for part in line.parts {
            match part.region {
                Some(region) => regions.push(region_figures(part.id, part.generation, part.figure, region, depth)),
                None => stated.parts.push(part.into()),
            }
        }
        lines.push(stated);
    }
    lines.sort_by_key(|line| line.id);
    let mut settings: Vec<(SettingId, SettingValue)> = std::mem::take(&mut report.settings)
        .into_iter()
        .filter_map(|(key, value)| Some((SettingId::from_key(&key)?, value.into())))
        .collect();
    settings.sort_by_key(|(id, _)| *id);
    let doubts = std::mem::take(&mut report.notes).into_iter().map(Doubt::from).collect();
    Ok(Common { lines, regions, settings, doubts })
}

pub(super) fn summary(mut report: Report) -> Result<Summary, JsonError> {
    let Common { lines, regions, settings, doubts } = common(&mut report, Depth::Quick)?;
    Ok(Summary {
        stage: report.stage,
        pid: report.pid,
        cost_ns: report.cost_ns,
        lines,
        regions,
        retired_omitted: report.retired_regions_omitted,
        settings,
        doubts,
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

impl From<&Part> for PartReport {
    fn from(part: &Part) -> Self {
        Self {
            id: part.name.clone(),
            figure: (&part.figure).into(),
            generation: part.generation,
            shared: part.shared.as_ref().map(FigureReport::from),
            region: None,
        }
    }
}

impl From<PartReport> for Part {
    fn from(report: PartReport) -> Self {
        Self {
            name: report.id,
            generation: report.generation,
            figure: report.figure.into(),
            shared: report.shared.map(Figure::from),
        }
    }
}

/// A region as a part of the line `live`: in a summary of what was requested, in a statement of what is resident.
fn region_part(region: &RegionFigures) -> PartReport {
    let figure = region.resident.clone().unwrap_or(Figure::Exact(region.self_bytes()));
    PartReport {
        id: region.name.clone(),
        figure: (&figure).into(),
        generation: region.generation,
        shared: None,
        region: Some(region.into()),
    }
}

impl From<&RegionFigures> for RegionReport {
    fn from(region: &RegionFigures) -> Self {
        Self {
            requested_bytes: region.self_bytes(),
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
            retired: region.retired,
            isolated: region.isolated,
        }
    }
}

fn region_figures(
    name: Cow<'static, str>,
    generation: u32,
    figure: FigureReport,
    report: RegionReport,
    depth: Depth,
) -> RegionFigures {
    RegionFigures {
        name,
        generation,
        retired: report.retired,
        isolated: report.isolated,
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
        resident: (depth == Depth::Full).then(|| figure.into()),
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
