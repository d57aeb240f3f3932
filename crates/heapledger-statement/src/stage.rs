//! A stage of a program: what changed between two marks, in bytes and in one line.

mod line;
mod pattern;

use crate::{Diff, Figure, LineId, PageFlow, Statement, Why};

pub use pattern::Pattern;

/// What happened between two marks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Since {
    /// By how much each line changed.
    pub diff: Diff,
    /// Where the bytes went, or why that is not known.
    pub flow: Result<PageFlow, Why>,
}

/// How much a release is expected to give back.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Expect {
    bytes: Option<u64>,
}

impl Expect {
    /// So many bytes of RSS.
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes: Some(bytes) }
    }

    /// Whatever it is: nothing is expected in particular.
    pub const fn any() -> Self {
        Self { bytes: None }
    }

    /// The number of bytes, if one is expected.
    pub const fn as_bytes(self) -> Option<u64> {
        self.bytes
    }
}

/// What ended a stage.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum StageKind {
    /// The first mark: the baseline.
    Start,
    /// A mark.
    Mark,
    /// A release: the stage is what its closure did.
    Release,
}

/// One stage of a program, from one mark to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What ended it.
    pub kind: StageKind,
    /// The statement at its end.
    pub statement: Statement,
    /// What changed within it; nothing for the first mark. Of a release, what its closure changed.
    pub change: Option<Since>,
    /// Of a release: what had changed between the mark before and the beginning of the closure.
    pub before_release: Option<Since>,
    /// RSS at its end, settled if that was asked for, less RSS at the first mark.
    pub cumulative_bytes: Figure,
    /// The highest RSS within it. Exact if the kernel's peak was reset at its beginning or rose within it, else from
    /// the highest RSS at its marks up to the kernel's peak.
    pub peak_rss_bytes: Figure,
    /// Of a release: what was expected.
    pub expected: Option<Expect>,
    /// Of a release: by how much RSS fell, as soon as the closure was done.
    pub released_bytes: Option<Figure>,
    /// Of a release that settled: by how much RSS fell in all, once freed pages were given back.
    pub settled_bytes: Option<Figure>,
    /// The three patterns, for each region that allocated, freed or grew.
    pub patterns: Vec<Pattern>,
    /// The line that was logged.
    pub line: String,
}

/// What a stage is made from: two marks, and what lies between them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StageReadings {
    /// Its name.
    pub name: String,
    /// RSS at the first mark of all.
    pub baseline_bytes: Figure,
    /// The statement at its beginning.
    pub before: Statement,
    /// The statement at its end.
    pub after: Statement,
    /// What changed between the two.
    pub change: Since,
    /// Whether the kernel's peak was reset at its beginning.
    pub peak_was_reset: bool,
}

/// What a release is made from, beside a stage's readings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReleaseReadings {
    /// What was expected.
    pub expected: Expect,
    /// What had changed between the mark before and the beginning of the closure.
    pub before: Since,
    /// RSS after freed pages were given back, if that was asked for.
    pub settled_rss_bytes: Option<Figure>,
}

impl Stage {
    /// The first mark.
    pub fn start(statement: Statement) -> Self {
        let rss = statement.figure(LineId::Rss);
        let line = format!("start: {} MiB RSS", rss.mib());
        Self {
            name: "start".to_owned(),
            kind: StageKind::Start,
            change: None,
            before_release: None,
            cumulative_bytes: Figure::Exact(0),
            peak_rss_bytes: rss,
            expected: None,
            released_bytes: None,
            settled_bytes: None,
            patterns: Vec::new(),
            line,
            statement,
        }
    }

    /// A stage that a mark ended. `earlier` are the stages before it, so that reuse can be told with the stage that
    /// freed.
    pub fn mark(readings: StageReadings, earlier: &[Stage]) -> Self {
        let mut stage = Self::between(readings, StageKind::Mark);
        stage.line = line::of_mark(&stage, earlier);
        stage
    }

    /// A stage that was a release.
    pub fn release(readings: StageReadings, release: ReleaseReadings) -> Self {
        let rss_before = readings.before.figure(LineId::Rss);
        let baseline_bytes = readings.baseline_bytes.clone();
        let mut stage = Self::between(readings, StageKind::Release);
        stage.released_bytes = Some(rss_before.clone() - stage.statement.figure(LineId::Rss));
        if let Some(rss) = release.settled_rss_bytes {
            stage.cumulative_bytes = rss.clone() - baseline_bytes;
            stage.settled_bytes = Some(rss_before - rss);
        }
        stage.expected = Some(release.expected);
        stage.before_release = Some(release.before);
        stage.line = line::of_release(&stage);
        stage
    }

    fn between(readings: StageReadings, kind: StageKind) -> Self {
        let StageReadings { name, baseline_bytes, before, after, change, peak_was_reset } = readings;
        Self {
            name,
            kind,
            cumulative_bytes: after.figure(LineId::Rss) - baseline_bytes,
            peak_rss_bytes: peak(&before, &after, peak_was_reset),
            patterns: pattern::of(&change, &after),
            change: Some(change),
            before_release: None,
            expected: None,
            released_bytes: None,
            settled_bytes: None,
            line: String::new(),
            statement: after,
        }
    }
}

/// The highest RSS between two statements. The kernel keeps the peak since the process started or since it was reset:
/// if that rose in between, it is the peak of the time in between, and else no more than a bound.
fn peak(before: &Statement, after: &Statement, was_reset: bool) -> Figure {
    let (earlier, later) = (before.figure(LineId::PeakRss), after.figure(LineId::PeakRss));
    match (earlier.as_exact(), later.as_exact()) {
        (Some(earlier), Some(later)) if !was_reset && later <= earlier => {
            let marks = [before, after].map(|statement| statement.figure(LineId::Rss).high());
            // The kernel updates its peak when RSS falls, so RSS can be above it for a moment.
            let seen = marks.into_iter().flatten().max().unwrap_or_default();
            Figure::within(seen.min(later), later)
        }
        _ => later,
    }
}
