//! Reports each stage: the library's statement, and the truth of arithmetic beside what the ledger measured.

use std::fmt::Write;
use std::time::{Duration, Instant};

use heapledger::{CheckForecast, Expect, Finding, LineId, Statement};

use super::error::DemoError;
use super::progress::Progress;
use super::{cure, story};
use crate::output::{self, Look, Tone};

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

/// The width of the word before what was done.
const CURE_COLUMNS: usize = 10;

/// How often a forecast is compared with what is there.
const LOOKS: u32 = 4;

/// How long it is looked at whether what never goes stays.
const NEVER_LOOKED_AT: Duration = Duration::from_secs(4);

/// Prints stages as they end.
#[derive(Debug)]
pub struct Stages {
    started: Instant,
    json: bool,
    look: Look,
    /// The library's own, from the first report on.
    library: Option<heapledger::Stages>,
    notes: Vec<String>,
    /// The line on stderr for stages that take long.
    pub progress: Progress,
}

impl Stages {
    /// Text or JSON; times count from `started`.
    pub fn new(json: bool, started: Instant) -> Self {
        let (look, progress) = (Look::of_stdout(), Progress::new(!json));
        Self { started, json, look, library: None, notes: Vec::new(), progress }
    }

    /// Says something more about the stage that is reported next. In text only: JSON has one form for all programs.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Ends a stage with a mark, prints it, and compares each truth with what the ledger says.
    ///
    /// # Errors
    /// Stdout failed, no statement could be taken, or a truth does not hold. The stage is printed before a truth is
    /// judged.
    pub fn report(&mut self, stage: &'static str, truths: &[Truth]) -> Result<(), DemoError> {
        let ended = Ended::now(self.started, truths);
        let failed = |source| DemoError::Statement { stage, source };
        match &mut self.library {
            Some(library) => {
                library.mark(stage).map_err(failed)?;
            }
            None => self.library = Some(heapledger::Stages::start().map_err(failed)?),
        }
        self.show(stage, truths, &ended)
    }

    /// A stage that is a release: `body` is expected to give so many bytes back.
    ///
    /// # Errors
    /// As [`Stages::report`].
    pub fn release(
        &mut self,
        stage: &'static str,
        expected_bytes: u64,
        body: impl FnOnce(),
        truths: &[Truth],
    ) -> Result<(), DemoError> {
        if let Some(library) = &mut self.library {
            let released = library.release(stage, Expect::bytes(expected_bytes), body);
            released.map_err(|source| DemoError::Statement { stage, source })?;
        } else {
            body();
        }
        self.show(stage, truths, &Ended::now(self.started, truths))
    }

    /// Stays until what is free has gone by the forecast of the last stage, and looks at it meanwhile. What never goes
    /// is looked at for a while too.
    ///
    /// # Errors
    /// As [`Stages::report`].
    pub fn wait(&mut self) -> Result<(), DemoError> {
        self.wait_for("waited")
    }

    /// The same, as a stage of this name.
    fn wait_for(&mut self, stage: &'static str) -> Result<(), DemoError> {
        let Some(last) = self.library.as_ref().and_then(heapledger::Stages::last) else { return Ok(()) };
        let forecast = last.statement.forecast();
        let whole = forecast.over_after().unwrap_or(NEVER_LOOKED_AT);
        let began = Instant::now();
        for look in 1..=LOOKS {
            while began.elapsed() < whole * look / LOOKS {
                self.progress.count(stage, began.elapsed().as_secs(), whole.as_secs());
                std::thread::sleep(Duration::from_millis(50));
            }
            let check = forecast.check().map_err(|source| DemoError::Statement { stage, source })?;
            self.say(&story::check(self.look, &check))?;
        }
        self.say("\n")?;
        self.report(stage, &[])
    }

    /// What the last statement and those before it find.
    fn findings(&self) -> Vec<Finding> {
        self.of_last(Statement::findings_since).unwrap_or_default()
    }

    /// What is made of the last statement and those before it.
    fn of_last<T>(&self, make: impl Fn(&Statement, &[&Statement]) -> T) -> Option<T> {
        let (last, earlier) = self.library.as_ref()?.history().split_last()?;
        let earlier: Vec<&Statement> = earlier.iter().map(|stage| &stage.statement).collect();
        Some(make(&last.statement, &earlier))
    }

    /// Applies what the last stage found, as far as a program can do that to itself, stays until it has had its effect
    /// by the forecast, and shows what changed.
    ///
    /// # Errors
    /// As [`Stages::report`], and jemalloc refused a setting.
    pub fn cure(&mut self) -> Result<(), DemoError> {
        const STAGE: &str = "cured";
        let findings = self.findings();
        let history = self.library.as_ref().map(heapledger::Stages::history).unwrap_or_default();
        let Some(before) = history.last().map(|stage| stage.statement.clone()) else { return Ok(()) };
        if findings.is_empty() {
            self.say(&self.look.entry(
                Tone::Good,
                "cure",
                CURE_COLUMNS,
                "nothing was found, so there is nothing to do",
            ))?;
        }
        for finding in &findings {
            let applied = cure::apply(finding).map_err(|source| DemoError::Cure { source })?;
            let (tone, word) = if applied { (Tone::Good, "applied") } else { (Tone::Notable, "left") };
            let words = format!("{}: {}", finding.id.row().key, finding.remedy);
            self.say(&self.look.entry(tone, word, CURE_COLUMNS, &words))?;
        }
        // What is free now goes by a forecast of its own, for its settings are new.
        self.report("applied", &[])?;
        self.wait_for(STAGE)?;
        let Some(last) = self.library.as_ref().and_then(heapledger::Stages::last) else { return Ok(()) };
        let difference = format!("{}\n", last.statement.since(&before));
        let gained = before.figure(LineId::Rss) - last.statement.figure(LineId::Rss);
        let claimed: Vec<String> = findings.iter().map(|finding| finding.gain.mib()).collect();
        let words = format!(
            "RSS fell by {} MiB; the findings claimed {}",
            gained.mib(),
            if claimed.is_empty() { "nothing".to_owned() } else { claimed.join(", ") }
        );
        self.say(&difference)?;
        self.say(&self.look.entry(Tone::Title, "gained", CURE_COLUMNS, &words))?;
        self.say("\n")
    }

    /// Says something that is text only.
    fn say(&mut self, text: &str) -> Result<(), DemoError> {
        if self.json { Ok(()) } else { self.print(text) }
    }

    /// Prints the stage that ended last, and judges it.
    fn show(&mut self, stage: &'static str, truths: &[Truth], ended: &Ended) -> Result<(), DemoError> {
        let Some(last) = self.library.as_ref().and_then(heapledger::Stages::last) else { return Ok(()) };
        let mut text = String::new();
        if self.json {
            text = self.of_last(Statement::to_json_since).unwrap_or_default();
            text.push('\n');
        } else {
            let title = format!("== {stage}, {:.2} s after the start ==", ended.seconds);
            text.push_str(&format!("{}\n{}", self.look.paint(Tone::Title, &title), last.statement));
            text.push_str(&story::of(self.look, last, &self.findings()));
            for note in self.notes.drain(..) {
                let _ = writeln!(text, "  {note}");
            }
            for (truth, measured) in truths.iter().zip(&ended.measured) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", line(self.look, truth, *measured));
            }
            text.push('\n');
        }
        self.print(&text)?;
        judge(stage, truths, &ended.measured)
    }

    /// Writes to stdout, with nothing of the progress left on the terminal.
    fn print(&mut self, text: &str) -> Result<(), DemoError> {
        self.progress.clear();
        output::print(text).map_err(|source| match source.kind() {
            std::io::ErrorKind::BrokenPipe => DemoError::StdoutClosed,
            _ => DemoError::Stdout(source),
        })
    }
}

/// When a stage ended, and what the ledger said then of the regions that have truths.
#[derive(Debug)]
struct Ended {
    seconds: f64,
    measured: Vec<i64>,
}

impl Ended {
    fn now(started: Instant, truths: &[Truth]) -> Self {
        let seconds = started.elapsed().as_secs_f64();
        let live = heapledger::live();
        Self { seconds, measured: truths.iter().map(|truth| live_bytes(&live, truth.region)).collect() }
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
fn line(look: Look, truth: &Truth, measured_bytes: i64) -> String {
    let (tone, verdict) = match truth.live {
        _ if !truth.live.holds(measured_bytes) => (Tone::Bad, "DIFFERS"),
        Expected::Exactly(_) => (Tone::Good, "equal"),
        Expected::AtLeast(_) => (Tone::Good, "holds"),
    };
    let verdict = look.paint(tone, verdict);
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
