//! A finding, in both directions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FigureReport, JsonError};
use crate::{Finding, FindingId, LineId};

/// One finding. A statement makes its own anew when it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingReport {
    /// Its key in the list of findings.
    pub id: Cow<'static, str>,
    /// The region that it concerns; left out if it concerns the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Cow<'static, str>>,
    /// What is so.
    pub says: String,
    /// The lines that prove it.
    pub proof: Vec<ProofReport>,
    /// By how much the line `gain_on` falls when the remedy is applied; 0 where the gain is knowledge.
    pub gain: FigureReport,
    /// The id of that line.
    pub gain_on: Cow<'static, str>,
    /// What to do, literally.
    pub remedy: String,
    /// What that costs. By `id`, and passed over when read.
    pub price: Cow<'static, str>,
    /// How to see that it worked. By `id`, and passed over when read.
    pub check: Cow<'static, str>,
}

/// What a line said that proves a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofReport {
    /// The id of the line.
    pub id: Cow<'static, str>,
    /// What it said.
    #[serde(flatten)]
    pub figure: FigureReport,
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        let proof = finding.proof.iter().map(|(id, figure)| ProofReport { id: id.key().into(), figure: figure.into() });
        Self {
            id: finding.id.row().key.into(),
            region: finding.region.clone(),
            says: finding.says.clone(),
            proof: proof.collect(),
            gain: (&finding.gain).into(),
            gain_on: finding.gain_on.key().into(),
            remedy: finding.remedy.clone(),
            price: finding.price().into(),
            check: finding.check().into(),
        }
    }
}

/// Gives back the finding that a report was made from, unless it names a finding or a line that this version has not.
impl TryFrom<FindingReport> for Finding {
    type Error = JsonError;

    fn try_from(report: FindingReport) -> Result<Self, JsonError> {
        let line = |key: &str| LineId::from_key(key).ok_or_else(|| JsonError::Line { id: key.to_owned() });
        let proof = report.proof.into_iter().map(|proof| Ok((line(&proof.id)?, proof.figure.into())));
        Ok(Self {
            id: FindingId::from_key(&report.id).ok_or_else(|| JsonError::Finding { id: report.id.into_owned() })?,
            region: report.region,
            says: report.says,
            proof: proof.collect::<Result<_, JsonError>>()?,
            gain: report.gain.into(),
            gain_on: line(&report.gain_on)?,
            remedy: report.remedy,
        })
    }
}
