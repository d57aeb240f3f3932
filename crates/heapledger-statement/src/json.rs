//! JSON: one object per summary or statement, integers only, `schema` is the version.
//!
//! [`Report`] is the object of a [`Summary`], [`FullReport`] that of a [`Statement`]: the same keys and a few more.
//! Either is made from its report and gives it back, so a saved object can be rendered again or compared. Within one
//! `schema` keys are added and never change their meaning; readers must pass over keys they do not know.

mod convert;
mod diff;
mod finding;
mod flow;
mod fragmentation;
mod full;
mod report;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Depth, Diff, PageFlow, Statement, Summary};

pub use diff::{BetweenReport, DiffReport, KIND_DIFFERENCE, MomentReport, RegionChangeReport};
pub use finding::{FindingReport, ProofReport};
pub use flow::{FlowCellReport, FlowReport, FlowRowReport, KIND_FLOW};
pub use fragmentation::{ClassSlabsReport, FragmentationReport, PinReport};

pub use report::{
    ArenaReport, CheckReport, ClassReport, ClockReport, FigureReport, FullReport, GlibcReport, LargeReport, LineReport,
    NoteReport, PartReport, RangeReport, RegionReport, Report, SettingReport,
};

/// The version of the objects written here.
pub const SCHEMA: u32 = 1;

/// The word for a summary.
pub const DEPTH_QUICK: &str = Depth::Quick.key();

/// The word for a full statement.
pub const DEPTH_FULL: &str = Depth::Full.key();

/// Why a JSON object is not a summary or statement of this version.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// It is no JSON, or a key is missing or of the wrong type.
    Malformed(serde_json::Error),
    /// It has another `schema`.
    Schema {
        /// The version found.
        found: u32,
    },
    /// It is of another `kind`: a difference is no statement, and the other way round.
    Kind {
        /// The word found; empty if there is none.
        found: String,
    },
    /// It is of another `depth`.
    Depth {
        /// The word found.
        found: String,
    },
    /// It names a line that this version has not.
    Line {
        /// The id found.
        id: String,
    },
    /// It names a check that this version has not.
    Check {
        /// The id found.
        id: String,
    },
    /// It names a finding that this version has not.
    Finding {
        /// The id found.
        id: String,
    },
    /// An address is no hexadecimal number.
    Address {
        /// The word found.
        found: String,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(out, "not the JSON of a report: {error}; pass one whole object"),
            Self::Schema { found } => {
                write!(out, "schema {found} is not schema {SCHEMA}: read it with the version that wrote it")
            }
            Self::Kind { found } if found.is_empty() => {
                write!(out, "it is a statement or a summary: read it as that")
            }
            Self::Kind { found } => write!(out, "it is a {found}: read it as that"),
            Self::Depth { found } => write!(
                out,
                "depth {found:?} is another: a summary is {DEPTH_QUICK:?}, a statement {DEPTH_FULL:?}; read it as that"
            ),
            Self::Line { id } => write!(out, "line {id:?} is not in the table: read it with the version that wrote it"),
            Self::Check { id } => write!(out, "check {id:?} is not known: read it with the version that wrote it"),
            Self::Finding { id } => {
                write!(out, "finding {id:?} is not in the list: read it with the version that wrote it")
            }
            Self::Address { found } => write!(out, "{found:?} is no address: read what wrote it as it was written"),
        }
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}

/// What every object of ours begins with; read first, so that an object of another kind or of a newer version is
/// refused by name and not for the first key that it lacks.
#[derive(Deserialize)]
struct Head {
    schema: u32,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    depth: String,
}

fn read<T: DeserializeOwned>(json: &str, kind: &str, depth: Option<Depth>) -> Result<T, JsonError> {
    let head: Head = serde_json::from_str(json).map_err(JsonError::Malformed)?;
    if head.schema != SCHEMA {
        return Err(JsonError::Schema { found: head.schema });
    }
    if head.kind != kind {
        return Err(JsonError::Kind { found: head.kind });
    }
    if depth.is_some_and(|depth| head.depth != depth.key()) {
        return Err(JsonError::Depth { found: head.depth });
    }
    serde_json::from_str(json).map_err(JsonError::Malformed)
}

/// Numbers that are left out where they are 0.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A report has string keys only and its types refuse nothing, so an error is not reached; an object that says so is
/// better than a panic in whoever logs it.
fn line_of_json(depth: Depth, report: &impl Serialize) -> String {
    serde_json::to_string(report).unwrap_or_else(|error| {
        let reason = error.to_string();
        format!("{{\"schema\":{SCHEMA},\"depth\":{:?},\"error\":{reason:?}}}", depth.key())
    })
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Summary {
    /// The summary as one line of JSON, without a line break at its end.
    pub fn to_json(&self) -> String {
        line_of_json(Depth::Quick, &self.to_report())
    }

    /// The object that [`Summary::to_json`] writes, to write in another format or to pick from.
    pub fn to_report(&self) -> Report {
        convert::to_report(self.into())
    }

    /// The summary that a JSON object was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is no such object, or one of a version that this one cannot read.
    pub fn from_json(json: &str) -> Result<Self, JsonError> {
        Self::from_report(read(json, "", Some(Depth::Quick))?)
    }

    /// The summary that a report was made from. Settings that this version has not are left out.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the report is of a version that this one cannot read.
    pub fn from_report(report: Report) -> Result<Self, JsonError> {
        convert::summary(report)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Statement {
    /// The statement as one line of JSON, without a line break at its end.
    pub fn to_json(&self) -> String {
        line_of_json(Depth::Full, &self.to_report())
    }

    /// The same, with the findings of [`Statement::findings_since`]: `earlier` are statements of this process from
    /// before, in order.
    pub fn to_json_since(&self, earlier: &[&Statement]) -> String {
        line_of_json(Depth::Full, &self.to_report_since(earlier))
    }

    /// The object that [`Statement::to_json`] writes, to write in another format or to pick from.
    pub fn to_report(&self) -> FullReport {
        self.to_report_since(&[])
    }

    /// The object that [`Statement::to_json_since`] writes.
    pub fn to_report_since(&self, earlier: &[&Statement]) -> FullReport {
        full::to_report(self, &self.findings_since(earlier))
    }

    /// The statement that a JSON object was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is no such object, one of a version that this one cannot read, or a summary.
    pub fn from_json(json: &str) -> Result<Self, JsonError> {
        Self::from_report(read(json, "", Some(Depth::Full))?)
    }

    /// The statement that a report was made from. Settings that this version has not are left out. Its findings are
    /// made anew from its lines, so those that `earlier` statements added are only in the report.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the report is of a version that this one cannot read.
    pub fn from_report(report: FullReport) -> Result<Self, JsonError> {
        full::from_report(report)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Diff {
    /// The difference as one line of JSON, without a line break at its end.
    pub fn to_json(&self) -> String {
        line_of_json(self.depth, &self.to_report())
    }

    /// The object that [`Diff::to_json`] writes, to write in another format or to pick from.
    pub fn to_report(&self) -> DiffReport {
        diff::to_report(self)
    }

    /// The difference that a JSON object was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is no such object, or one of a version that this one cannot read.
    pub fn from_json(json: &str) -> Result<Self, JsonError> {
        Self::from_report(read(json, KIND_DIFFERENCE, None)?)
    }

    /// The difference that a report was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the report is of a version that this one cannot read.
    pub fn from_report(report: DiffReport) -> Result<Self, JsonError> {
        diff::from_report(report)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl PageFlow {
    /// The flow as one line of JSON, without a line break at its end.
    pub fn to_json(&self) -> String {
        line_of_json(Depth::Full, &self.to_report())
    }

    /// The object that [`PageFlow::to_json`] writes, to write in another format or to pick from.
    pub fn to_report(&self) -> FlowReport {
        flow::to_report(self)
    }

    /// The flow that a JSON object was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is no such object, or one of a version that this one cannot read.
    pub fn from_json(json: &str) -> Result<Self, JsonError> {
        Self::from_report(read(json, KIND_FLOW, None)?)
    }

    /// The flow that a report was made from.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the report is of a version that this one cannot read.
    pub fn from_report(report: FlowReport) -> Result<Self, JsonError> {
        flow::from_report(report)
    }
}
