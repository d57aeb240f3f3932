//! Findings: what would give memory back, or make a figure known; each with its proof, its gain, its remedy and price.

mod pages;
mod program;
mod slabs;
mod table;

use std::borrow::Cow;
use std::fmt;

use crate::{Figure, Growth, LineId, Statement, growth};

pub use table::{FINDINGS, FindingId, FindingRow};

/// Nothing smaller is found: less than this is not worth a change.
pub(crate) const BYTES_AT_LEAST: i64 = 16 << 20;

/// And less than this share of RSS is not either.
pub(crate) const SHARE_OF_RSS: i64 = 20;

/// A gain whose interval is wider than this, and than a fifth of its upper end, is not claimed.
const WIDTH_AT_MOST: i64 = 1 << 20;

/// Half of that: what a measurement of the gain may be off by for other reasons, such as the stacks of threads that the
/// remedy starts.
pub(crate) const MEASURED_WITHIN: i64 = 512 << 10;

/// One finding. The list of kinds is closed: [`FINDINGS`]; what its price is, and how to check it, stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// Which kind.
    pub id: FindingId,
    /// The region that it concerns; `None` if it concerns the process.
    pub region: Option<Cow<'static, str>>,
    /// What is so, in one line.
    pub says: String,
    /// The lines that prove it.
    pub proof: Vec<(LineId, Figure)>,
    /// By how many bytes the line [`Finding::gain_on`] falls when the remedy is applied: an interval at most a fifth or
    /// 1 MiB wide; unknown where the figures do not tell it so well. 0 where the gain is knowledge.
    pub gain: Figure,
    /// The line on which the gain shows: RSS, but for what only changes hands.
    pub gain_on: LineId,
    /// What to do: an expression of Rust, or a setting, to be taken literally.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(id: FindingId, says: String, proof: Vec<(LineId, Figure)>, remedy: impl Into<String>) -> Self {
        Self { id, region: None, says, proof, gain: Figure::Exact(0), gain_on: LineId::Rss, remedy: remedy.into() }
    }

    pub(crate) fn gaining(mut self, low: i64, high: i64) -> Self {
        self.gain = match high - low {
            width if width <= WIDTH_AT_MOST.max(high / 5) => Figure::within(low, high),
            _ => Figure::unknown(
                format!("it is between {low} and {high} bytes, which is too wide to claim"),
                "apply the remedy and compare two statements",
            ),
        };
        self
    }

    pub(crate) fn of_region(mut self, region: Cow<'static, str>) -> Self {
        self.region = Some(region);
        self
    }

    /// What the remedy costs.
    pub fn price(&self) -> &'static str {
        self.id.row().price
    }

    /// How to see that it worked.
    pub fn check(&self) -> &'static str {
        self.id.row().check
    }
}

/// Three lines: what is so and the gain, the remedy, the price.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.id.row().key, self.says)?;
        match &self.gain {
            Figure::Exact(0) => {}
            gain if self.gain_on == LineId::Rss => write!(out, " (gain {} MiB)", gain.mib())?,
            gain => write!(out, " (gain {} MiB of {})", gain.mib(), self.gain_on.line().label)?,
        }
        write!(out, "\n  do:    {}\n  price: {}\n  check: {}", self.remedy, self.price(), self.check())
    }
}

impl Statement {
    /// What would give memory back or make figures known, the largest gain first; empty if nothing is worth a change.
    ///
    /// Each is proved by lines of this statement. Nothing below 16 MiB and a twentieth of RSS is told.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings_since(&[])
    }

    /// The same, and regions that grew at every mark: `earlier` are statements of this process from before, in order.
    pub fn findings_since(&self, earlier: &[&Statement]) -> Vec<Finding> {
        let grown: Vec<Growth> = growth(earlier.iter().copied().chain([self]));
        let mut found = Vec::new();
        pages::find(self, &mut found);
        slabs::find(self, &mut found);
        program::find(self, &grown, &mut found);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.gain.high().unwrap_or_default()));
        found
    }

    /// Whether so many bytes are worth a finding.
    pub(crate) fn is_much(&self, bytes: i64) -> bool {
        let rss = self.figure(LineId::Rss).high().unwrap_or_default();
        bytes >= BYTES_AT_LEAST && bytes >= rss / SHARE_OF_RSS
    }
}
