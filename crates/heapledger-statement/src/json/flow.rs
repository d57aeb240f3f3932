//! A page flow as JSON, in both directions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FigureReport, JsonError, SCHEMA};
use crate::{Figure, FlowCell, FlowRow, Held, PageFlow, RegionName, Went};

/// The word for a page flow, under the key `kind`.
pub const KIND_FLOW: &str = "page_flow";

/// One page flow as JSON. The cells of a row sum to it, or embrace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FlowReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// [`KIND_FLOW`].
    pub kind: String,
    /// Bytes that jemalloc gave back in between, resident or not; `null` if it does not tell.
    pub given_back_bytes: Option<u64>,
    /// Where the bytes of each region went.
    pub rows: Vec<FlowRowReport>,
}

/// Where the bytes of one region went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FlowRowReport {
    /// The region, `~mixed` or `~nobody`.
    pub region: Cow<'static, str>,
    /// How many regions had its id before it.
    #[serde(default)]
    pub generation: u32,
    /// `in_use`, `freed`, `other` or `absent`.
    pub held: Cow<'static, str>,
    /// What it had.
    #[serde(flatten)]
    pub figure: FigureReport,
    /// Where that is.
    pub cells: Vec<FlowCellReport>,
    /// Of what is still its own, what was freed and allocated again.
    pub allocated_again: FigureReport,
}

/// Bytes that went to one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FlowCellReport {
    /// `own`, `cached`, `region`, `free_slots`, `dirty`, `muzzy`, `retained`, `pads`, `moved` or `returned`.
    pub went: Cow<'static, str>,
    /// The other region, or who pins the free slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Cow<'static, str>>,
    /// Its generation.
    #[serde(default)]
    pub generation: u32,
    /// How many bytes.
    #[serde(flatten)]
    pub figure: FigureReport,
    /// How many of them did not leave memory in between.
    pub reused: FigureReport,
}

const HELD: [(&str, Held); 4] =
    [("in_use", Held::InUse), ("freed", Held::Freed), ("other", Held::Other), ("absent", Held::Absent)];

/// Places without a region.
const PLACES: [(&str, Went); 8] = [
    ("own", Went::Own),
    ("cached", Went::Cached),
    ("dirty", Went::Dirty),
    ("muzzy", Went::Muzzy),
    ("retained", Went::Retained),
    ("pads", Went::Pads),
    ("moved", Went::Moved),
    ("returned", Went::Returned),
];

pub(super) fn to_report(flow: &PageFlow) -> FlowReport {
    let row = |row: &FlowRow| FlowRowReport {
        region: row.region.name.clone(),
        generation: row.region.generation,
        held: HELD.iter().find(|(_, held)| *held == row.held).map_or("", |(key, _)| key).into(),
        figure: (&row.bytes).into(),
        cells: row.cells.iter().map(cell).collect(),
        allocated_again: (&row.allocated_again).into(),
    };
    FlowReport {
        schema: SCHEMA,
        kind: KIND_FLOW.to_owned(),
        given_back_bytes: flow.given_back,
        rows: flow.rows.iter().map(row).collect(),
    }
}

fn cell(cell: &FlowCell) -> FlowCellReport {
    let (went, region) = match &cell.went {
        Went::Region(region) => ("region", Some(region)),
        Went::FreeSlots(region) => ("free_slots", Some(region)),
        place => (PLACES.iter().find(|(_, known)| known == place).map_or("", |(key, _)| key), None),
    };
    FlowCellReport {
        went: went.into(),
        region: region.map(|region| region.name.clone()),
        generation: region.map(|region| region.generation).unwrap_or_default(),
        figure: (&cell.bytes).into(),
        reused: (&cell.reused).into(),
    }
}

pub(super) fn from_report(report: FlowReport) -> Result<PageFlow, JsonError> {
    if report.schema != SCHEMA {
        return Err(JsonError::Schema { found: report.schema });
    }
    if report.kind != KIND_FLOW {
        return Err(JsonError::Kind { found: report.kind });
    }
    let rows = report.rows.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok(PageFlow { rows, given_back: report.given_back_bytes })
}

fn row(report: FlowRowReport) -> Result<FlowRow, JsonError> {
    let held = HELD.iter().find(|(key, _)| *key == report.held).map(|(_, held)| *held);
    Ok(FlowRow {
        region: RegionName { name: report.region, generation: report.generation },
        held: held.ok_or_else(|| JsonError::Line { id: report.held.into_owned() })?,
        bytes: report.figure.into(),
        cells: report.cells.into_iter().map(cell_of).collect::<Result<_, _>>()?,
        allocated_again: report.allocated_again.into(),
    })
}

fn cell_of(report: FlowCellReport) -> Result<FlowCell, JsonError> {
    let region = RegionName { name: report.region.unwrap_or_default(), generation: report.generation };
    let went = match &*report.went {
        "region" => Went::Region(region),
        "free_slots" => Went::FreeSlots(region),
        word => match PLACES.iter().find(|(key, _)| *key == word) {
            Some((_, place)) => place.clone(),
            None => return Err(JsonError::Line { id: word.to_owned() }),
        },
    };
    Ok(FlowCell { went, bytes: Figure::from(report.figure), reused: report.reused.into() })
}
