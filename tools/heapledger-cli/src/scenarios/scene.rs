//! What a scenario's program has at hand: statements, checks, and what else there is to tell.

use heapledger::json::FindingReport;
use heapledger::lines::Role;
use heapledger::{Figure, FindingId, LineId, Mark, Statement, Verdict, Verdicts};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::check::{Check, Measured, NONE, Tolerance};

/// Bytes of a page, of x86-64 and of jemalloc as it is built for it.
pub const PAGE: usize = 4096;
/// 1024 bytes.
pub const KIB: usize = 1 << 10;
/// 1024 KiB.
pub const MIB: usize = 1 << 20;

/// Begins a note of what was not looked at.
pub const SKIPPED: &str = "SKIPPED ";

/// Why a scenario's program could not do its work. What it found wrong is a check that fails, not an error.
#[derive(Debug, Error)]
pub enum SceneError {
    /// No statement.
    #[error("no statement at {stage}: {source}")]
    Statement {
        /// When.
        stage: String,
        /// What the library said.
        source: heapledger::Error,
    },
    /// A part of the program failed.
    #[error("cannot {doing}: {source}; {remedy}")]
    System {
        /// "map a file".
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The C library's heap has no memory.
    #[error("malloc gave no {bytes} bytes; raise the memory limit")]
    Malloc {
        /// The size of one block.
        bytes: usize,
    },
    /// The library refused something that the scenario asks of it.
    #[error("cannot {doing}: {source}")]
    Refused {
        /// "compare two marks".
        doing: &'static str,
        /// What the library said.
        source: heapledger::Error,
    },
    /// A thread of the scenario panicked.
    #[error("a thread of the scenario panicked; its message stands above")]
    Thread,
}

/// A row of the table of what the statements said.
#[derive(Clone, Copy, Debug)]
pub enum Row {
    /// Resident bytes of live blocks of a region.
    Region(&'static str),
    /// A line of the statement.
    Line(LineId),
    /// Bytes of free slots that a region pins, alone or with others.
    PinnedBy(&'static str),
    /// Dirty pages whose last owner a region was.
    DirtyOf(&'static str),
    /// Usable bytes of a region's live blocks without memory behind them.
    UntouchedOf(&'static str),
}

/// What one process of a scenario found; sent to the process that prints it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// In the order of the program.
    pub checks: Vec<Check>,
    /// What the machine decides, told and not judged.
    pub notes: Vec<String>,
    /// Labels of the table's rows.
    pub rows: Vec<String>,
    /// A column per statement: its stage, and a cell per row, in MiB.
    pub columns: Vec<(String, Vec<String>)>,
    /// What each statement finds, as it stands in its JSON.
    pub findings: Vec<FoundAt>,
}

/// A finding, and when it was found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FoundAt {
    /// The stage of its statement.
    pub stage: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: FindingReport,
}

/// The program's side of a report.
#[derive(Debug)]
pub struct Scene {
    rows: Vec<Row>,
    report: Report,
    /// Statements whose lines do not sum to RSS.
    without_sum: Vec<String>,
    /// Checks inside statements that fail.
    contradicted: Vec<String>,
}

impl Scene {
    /// A scene whose table has these rows, and those that every table has.
    pub fn new(rows: &[Row]) -> Self {
        let ends = [Row::Line(LineId::Unattributed), Row::Line(LineId::CounterGap), Row::Line(LineId::Rss)];
        let rows: Vec<Row> = rows.iter().chain(&ends).copied().collect();
        let report = Report { rows: rows.iter().map(|row| row.label()).collect(), ..Report::default() };
        Self { rows, report, without_sum: Vec::new(), contradicted: Vec::new() }
    }

    /// Takes a statement and keeps its column.
    ///
    /// # Errors
    /// The library gave none.
    pub fn take(&mut self, stage: &str) -> Result<Statement, SceneError> {
        let statement =
            heapledger::statement().map_err(|source| SceneError::Statement { stage: stage.to_owned(), source })?;
        self.keep(stage, &statement);
        Ok(statement)
    }

    /// Takes a mark, whose statement is kept like any other.
    ///
    /// # Errors
    /// The library gave none.
    pub fn mark(&mut self, stage: &str) -> Result<Mark, SceneError> {
        let mark = heapledger::mark().map_err(|source| SceneError::Statement { stage: stage.to_owned(), source })?;
        self.keep(stage, mark.statement());
        Ok(mark)
    }

    /// Keeps the column of a statement, and what must hold of every one.
    pub fn keep(&mut self, stage: &str, statement: &Statement) {
        let cells = self.rows.iter().map(|row| row.figure(statement).mib()).collect();
        self.report.columns.push((stage.to_owned(), cells));
        let found = statement.findings();
        let found = found.iter().map(|finding| FoundAt { stage: stage.to_owned(), finding: finding.into() });
        self.report.findings.extend(found);
        let rss = statement.figure(LineId::Rss);
        if !rss.as_exact().is_some_and(|rss| sum(statement).is_some_and(|(low, high)| low <= rss && rss <= high)) {
            self.without_sum.push(stage.to_owned());
        }
        let failed = statement.checks().iter().filter(|check| check.holds() == Some(false));
        self.contradicted.extend(failed.map(|check| format!("{} at {stage}: {}", check.id.key(), check.difference)));
    }

    /// The measured figure must be the truth to the byte.
    pub fn exactly(&mut self, what: &str, truth: usize, measured: impl Into<Measured>, reason: &str) {
        self.about(what, truth, NONE, measured, reason);
    }

    /// The measured figure must be the truth within a named tolerance.
    pub fn about(
        &mut self,
        what: &str,
        truth: usize,
        tolerance: Tolerance,
        measured: impl Into<Measured>,
        reason: &str,
    ) {
        self.report.checks.push(Check::exactly(what, bytes(truth), tolerance, measured, reason));
    }

    /// The measured figure must lie within bounds.
    pub fn within(&mut self, what: &str, least: usize, most: usize, measured: impl Into<Measured>, reason: &str) {
        let bounds = (Some(bytes(least)), Some(bytes(most)));
        self.report.checks.push(Check::within(what, bounds, measured, reason));
    }

    /// The measured figure must not be less.
    pub fn at_least(&mut self, what: &str, least: usize, measured: impl Into<Measured>, reason: &str) {
        self.report.checks.push(Check::within(what, (Some(bytes(least)), None), measured, reason));
    }

    /// The measured figure must not be more.
    pub fn at_most(&mut self, what: &str, most: usize, measured: impl Into<Measured>, reason: &str) {
        self.report.checks.push(Check::within(what, (None, Some(bytes(most))), measured, reason));
    }

    /// A finding must be told of a region, or of the process, and of nobody else.
    pub fn finds(&mut self, statement: &Statement, earlier: &[&Statement], id: FindingId, whose: Option<&str>) {
        let found = statement.findings_since(earlier);
        let regions: Vec<Option<&str>> =
            found.iter().filter(|finding| finding.id == id).map(|finding| finding.region.as_deref()).collect();
        let key = id.row().key;
        let right = regions.iter().filter(|region| **region == whose).count();
        let wrong = regions.len() - right;
        let of = whose.map_or(String::new(), |region| format!(" of {region}"));
        self.exactly(&format!("count of findings {key}{of}"), 1, Measured::Exact(bytes(right)), id.row().when);
        self.exactly(
            &format!("count of findings {key} of others"),
            0,
            Measured::Exact(bytes(wrong)),
            "nobody else gives cause",
        );
    }

    /// What a verdict says of a region must be the truth within a tolerance.
    pub fn judged(
        &mut self,
        verdicts: &Verdicts,
        region: &str,
        verdict: Verdict,
        truth: usize,
        tolerance: Tolerance,
        reason: &str,
    ) {
        let figure = verdicts.region(region).map_or(Figure::Exact(0), |judged| judged.of(verdict));
        self.about(&format!("{region}, {}", verdict.key()), truth, tolerance, figure, reason);
    }

    /// Tells what the machine decided.
    pub fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// Tells what the machine did not let happen, and so was not looked at.
    pub fn skip(&mut self, what: &str, reason: &str) {
        self.note(format!("{SKIPPED}{what}: {reason}"));
    }

    /// The report, with what must hold of every statement.
    pub fn finish(mut self) -> Report {
        let count = self.report.columns.len();
        if count == 0 {
            return self.report;
        }
        let of_all = |what: String, failed: Vec<String>, reason: &str| {
            let reason = if failed.is_empty() { reason.to_owned() } else { format!("{reason}; {}", failed.join(", ")) };
            Check::exactly(what, 0, NONE, Measured::Exact(bytes(failed.len())), reason)
        };
        self.report.checks.push(of_all(
            format!("count of the {count} statements whose lines do not sum to RSS"),
            self.without_sum,
            "low ends and unexplained <= RSS <= high ends and unexplained",
        ));
        self.report.checks.push(of_all(
            format!("count of checks that fail in the {count} statements"),
            self.contradicted,
            "pages against the kernel's counters and jemalloc's statistics",
        ));
        self.report
    }
}

/// Sizes of scenarios are far below 2⁶³.
fn bytes(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What the lines of a statement sum to, unexplained included: the lowest and the highest.
fn sum(statement: &Statement) -> Option<(i64, i64)> {
    let summands = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    let sum = summands.map(|line| line.figure.clone()).sum::<Figure>() + statement.figure(LineId::Unexplained);
    sum.ends()
}

impl Row {
    fn label(self) -> String {
        match self {
            Self::Region(name) => name.to_owned(),
            Self::Line(LineId::Rss) => "= RSS".to_owned(),
            Self::Line(id) => id.line().label.to_owned(),
            Self::PinnedBy(name) => format!("free slots pinned by {name}"),
            Self::DirtyOf(name) => format!("dirty, last {name}"),
            Self::UntouchedOf(name) => format!("{name}, untouched"),
        }
    }

    fn figure(self, statement: &Statement) -> Figure {
        match self {
            Self::Region(name) => resident(statement, name),
            Self::Line(id) => statement.figure(id),
            Self::PinnedBy(name) => pinned_by(statement, name),
            Self::DirtyOf(name) => part(statement, LineId::Dirty, name),
            Self::UntouchedOf(name) => part(statement, LineId::Untouched, name),
        }
    }
}

/// Resident bytes of the live blocks of a region; 0 if it never had any.
pub fn resident(statement: &Statement, region: &str) -> Figure {
    part(statement, LineId::Live, region)
}

/// Requested bytes of the live blocks of a region; 0 if it never had any.
pub fn requested(statement: &Statement, region: &str) -> Figure {
    Figure::Exact(statement.region(region).map_or(0, |region| region.self_bytes()))
}

/// What a line says of one region; a line without that part says 0 of it, an unknown line nothing.
pub fn part(statement: &Statement, id: LineId, region: &str) -> Figure {
    let line = statement.figure(id);
    if line.is_unknown() {
        return line;
    }
    statement.part(id, region).unwrap_or(Figure::Exact(0))
}

/// Free slots that a region pins alone or with others.
pub fn pinned_by(statement: &Statement, region: &str) -> Figure {
    let line = statement.lines().iter().find(|line| line.id == LineId::FreeSlots);
    let part = line.and_then(|line| line.parts.iter().find(|part| part.name == region));
    let shared = part.and_then(|part| part.shared.clone()).unwrap_or(Figure::Exact(0));
    self::part(statement, LineId::FreeSlots, region) + shared
}

/// By how much a line rose between two statements.
pub fn rise(before: &Statement, after: &Statement, id: LineId) -> Figure {
    after.figure(id) - before.figure(id)
}

/// Where in its first page a block begins. jemalloc lets large blocks begin anywhere in it, in steps of 64 B.
pub fn offset_in_page(block: &[u8]) -> usize {
    block.as_ptr().addr() % PAGE
}

/// Bytes of all pages that a block lies on.
pub fn bytes_of_pages(block: &[u8]) -> usize {
    (offset_in_page(block) + block.len()).next_multiple_of(PAGE)
}

/// By how much anonymous RSS rose, less what keeps books of it: the ledger's tables, which have a word for each page,
/// jemalloc's records of extents, and the statement's buffers.
pub fn rise_without_books(before: &Statement, after: &Statement) -> Figure {
    let books = [LineId::OwnTables, LineId::Base, LineId::Scratch];
    rise(before, after, LineId::RssAnon) - books.into_iter().map(|line| rise(before, after, line)).sum::<Figure>()
}

/// What a statement leaves in [`rise_without_books`].
pub const STATEMENT: Tolerance =
    Tolerance { at_most: 64 * KIB as i64, why: "blocks and stack of the main thread, which takes the statements" };
