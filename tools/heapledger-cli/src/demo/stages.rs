//! Reports each stage: the library's statement, and the truth of arithmetic beside what the ledger measured.

use std::fmt::Write;
use std::time::Instant;

use super::error::DemoError;
use super::progress::Progress;
use crate::output;

/// What a region must hold after a stage, known without the ledger.
#[derive(Debug)]
pub struct Truth {
    /// The region; regions below it (`region/…`) count as well.
    pub region: &'static str,
    /// What it must hold.
    pub live: Expected,
    /// Where that number comes from, in a few words.
    pub reason: String,
}

/// A number of live bytes, exact or bounded from below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// To the byte.
    Exactly(u64),
    /// No less than this; used where the standard library decides the rest.
    AtLeast(u64),
}

impl Expected {
    fn holds(self, measured_bytes: i64) -> bool {
        let Ok(measured_bytes) = u64::try_from(measured_bytes) else { return false };
        match self {
            Self::Exactly(bytes) => measured_bytes == bytes,
            Self::AtLeast(bytes) => measured_bytes >= bytes,
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(bytes) => write!(f, "{bytes}"),
            Self::AtLeast(bytes) => write!(f, ">= {bytes}"),
        }
    }
}

impl Truth {
    /// A truth to the byte.
    pub fn exactly(region: &'static str, bytes: u64, reason: impl Into<String>) -> Self {
        Self { region, live: Expected::Exactly(bytes), reason: reason.into() }
    }

    /// A truth from below.
    pub fn at_least(region: &'static str, bytes: u64, reason: impl Into<String>) -> Self {
        Self { region, live: Expected::AtLeast(bytes), reason: reason.into() }
    }
}

/// Prints stages as they end.
#[derive(Debug)]
pub struct Stages {
    started: Instant,
    json: bool,
    notes: Vec<String>,
    /// The line on stderr for stages that take long.
    pub progress: Progress,
}

impl Stages {
    /// Text or JSON; times count from `started`.
    pub fn new(json: bool, started: Instant) -> Self {
        Self { started, json, notes: Vec::new(), progress: Progress::new(!json) }
    }

    /// Says something more about the stage that is reported next. In text only: JSON has one form for all programs.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Takes a statement, prints it with the stage's name, and compares each truth with what the ledger says.
    ///
    /// # Errors
    /// Stdout failed, no statement could be taken, or a truth does not hold. The stage is printed before a truth is judged.
    pub fn report(&mut self, stage: &'static str, truths: &[Truth]) -> Result<(), DemoError> {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        let live = heapledger::live();
        let statement =
            heapledger::statement().map_err(|source| DemoError::Statement { stage, source })?.with_stage(stage);
        let measured: Vec<i64> = truths.iter().map(|truth| live_bytes(&live, truth.region)).collect();

        let mut text = String::new();
        if self.json {
            text = statement.to_json();
            text.push('\n');
        } else {
            text.push_str(&format!("== {stage}, {elapsed_s:.2} s after the start ==\n{statement}"));
            for note in self.notes.drain(..) {
                let _ = writeln!(text, "  {note}");
            }
            for (truth, measured) in truths.iter().zip(&measured) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", line(truth, *measured));
            }
            text.push('\n');
        }
        self.progress.clear();
        output::print(&text).map_err(|source| match source.kind() {
            std::io::ErrorKind::BrokenPipe => DemoError::StdoutClosed,
            _ => DemoError::Stdout(source),
        })?;
        judge(stage, truths, &measured)
    }
}

/// The first truth that does not hold.
fn judge(stage: &'static str, truths: &[Truth], measured: &[i64]) -> Result<(), DemoError> {
    match truths.iter().zip(measured).find(|(truth, measured)| !truth.live.holds(**measured)) {
        None => Ok(()),
        Some((truth, measured)) => Err(DemoError::Mismatch {
            stage,
            region: truth.region,
            expected: truth.live.to_string(),
            reason: truth.reason.clone(),
            measured: measured.to_string(),
        }),
    }
}

/// One line of at most 80 columns, for the reasons and regions that the demo has.
fn line(truth: &Truth, measured_bytes: i64) -> String {
    let verdict = match truth.live {
        _ if !truth.live.holds(measured_bytes) => "DIFFERS",
        Expected::Exactly(_) => "equal",
        Expected::AtLeast(_) => "holds",
    };
    let Truth { region, live, reason } = truth;
    format!("  {region}: expected {live} B, measured {measured_bytes} B: {verdict} ({reason})")
}

/// Live requested bytes of a region and of those below it.
fn live_bytes(live: &heapledger::Live, region: &str) -> i64 {
    let belongs = |name: &str| name.strip_prefix(region).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    live.regions.iter().filter(|one| belongs(one.name)).map(|one| one.self_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truth_that_does_not_hold_names_region_and_both_numbers() {
        let truths = [Truth::exactly("a", 5, "five"), Truth::at_least("b", 7, "seven")];
        assert!(judge("x", &truths, &[5, 8]).is_ok());
        let text = judge("x", &truths, &[5, 6]).unwrap_err().to_string();
        assert!(text.contains("region b") && text.contains(">= 7") && text.contains("says 6"), "{text}");
        assert!(judge("x", &truths, &[-1, 8]).is_err());
        assert!(judge("x", &truths, &[6, 8]).is_err());
    }
}
