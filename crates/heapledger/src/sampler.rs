//! A thread that looks at memory at an interval: opt-in, bounded, and nothing of it is lost in silence.

mod sink;
mod thread;

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use heapledger_core::{RegionId, is_installed};
use heapledger_statement::{Growth, Statement, Summary};

use crate::Error;
use thread::Work;

/// How a [`Sampler`] works.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "it does nothing until it is started"]
pub struct SamplerOptions {
    every: Duration,
    keep: usize,
    file: Option<PathBuf>,
    log: bool,
}

/// Takes a [`Summary`] at an interval on a thread of its own, and full statements on request.
///
/// The last summaries are kept in memory; with [`SamplerOptions::json_lines`] each is also appended to a file as a line
/// of JSON, and with [`SamplerOptions::log`] told in a line through `log`. What it keeps is charged to `~ledger`.
///
/// # Cost
/// That of [`quick`](crate::quick()) at each interval, tens of microseconds; a kept summary takes some KiB for each
/// region. The thread sleeps in between. jemalloc's refresh takes locks of arenas for microseconds.
///
/// # When the file cannot be written
/// Lines wait in memory, as many as summaries are kept, and are tried again at each interval, so a disk that was full
/// for a while leaves no hole and no half line. What comes beyond is counted as lost. [`Sampler::report`] tells, a
/// warning is logged once, and [`Sampler::stop`] is an [`Error::Sink`] if anything was lost.
///
/// # When it ends
/// When it is stopped or dropped: the thread ends after the sample that is under way, and what waits is written. A
/// forked child has no such thread: its calls are [`Error::SamplerGone`].
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// use std::time::Duration;
///
/// let sampler = heapledger::SamplerOptions::every(Duration::from_millis(10)).keep(100).start()?;
/// std::thread::sleep(Duration::from_millis(50));
/// println!("{}", sampler.statement()?);
/// for growth in sampler.growth()? {
///     println!("{growth}");
/// }
/// let report = sampler.stop()?;
/// assert!(report.taken > 0 && report.lost == 0);
/// # Ok::<(), heapledger::Error>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    commands: Sender<Command>,
    thread: Option<JoinHandle<SamplerReport>>,
    /// Only this process has the thread.
    process: u32,
}

/// What a sampler did so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SamplerReport {
    /// Summaries and statements that were taken.
    pub taken: u64,
    /// Times that one was due and could not be taken: the thread was late, or there was no memory for it.
    pub missed: u64,
    /// Lines that were written to the file.
    pub written: u64,
    /// Lines that wait to be written.
    pub waiting: u64,
    /// Lines that are in memory no more and were never written.
    pub lost: u64,
    /// Why the file could not be written the last time; `None` if it could.
    pub sink_error: Option<ErrorKind>,
}

/// What the thread is told.
enum Command {
    Statement(Sender<Result<Statement, Error>>),
    History(Sender<Vec<Summary>>),
    Growth(Sender<Vec<Growth>>),
    Report(Sender<SamplerReport>),
    Stop,
}

/// Summaries that are kept if nothing else is said.
const KEEP: usize = 600;

impl SamplerOptions {
    /// A sample at this interval; the last 600 are kept. Intervals under a millisecond are taken as one.
    pub fn every(interval: Duration) -> Self {
        Self { every: interval.max(Duration::from_millis(1)), keep: KEEP, file: None, log: false }
    }

    /// So many summaries are kept, the last ones; at least one.
    pub fn keep(mut self, summaries: usize) -> Self {
        self.keep = summaries.max(1);
        self
    }

    /// Appends each sample to this file, one object a line, see [`json`](crate::json). The file is made if need be.
    pub fn json_lines(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Logs a line for each sample at level info, target `heapledger`, and a warning for each leak suspect, once.
    pub fn log(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Starts the thread; the first sample is taken at once.
    ///
    /// # Errors
    ///
    /// [`Error::NotInstalled`] without a ledger, [`Error::Sink`] if the file cannot be opened, [`Error::NoThread`] if
    /// the system gives no thread.
    pub fn start(self) -> Result<Sampler, Error> {
        if !is_installed() {
            return Err(Error::NotInstalled);
        }
        let _ours = RegionId::LEDGER.enter();
        let sink = self.file.clone().map(|file| sink::Sink::open(file, self.keep)).transpose()?;
        // A command waits for the thread, so there are few at a time.
        let (commands, received) = bounded(16);
        let work = Work::new(self, sink, received);
        let builder = std::thread::Builder::new().name("heapledger".to_owned());
        let thread = builder.spawn(move || work.run()).map_err(|error| Error::NoThread { kind: error.kind() })?;
        Ok(Sampler { commands, thread: Some(thread), process: std::process::id() })
    }
}

impl Sampler {
    /// A full statement, taken by the sampler's thread, and written to its file too.
    ///
    /// # Errors
    ///
    /// Those of [`statement`](crate::statement()), and [`Error::SamplerGone`].
    pub fn statement(&self) -> Result<Statement, Error> {
        self.ask(Command::Statement)?
    }

    /// The summaries that are kept, the oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::SamplerGone`] in a forked child.
    pub fn history(&self) -> Result<Vec<Summary>, Error> {
        self.ask(Command::History)
    }

    /// Regions that grew from each kept summary to the next up to the last: see [`growth`](crate::growth).
    ///
    /// # Errors
    ///
    /// [`Error::SamplerGone`] in a forked child.
    pub fn growth(&self) -> Result<Vec<Growth>, Error> {
        self.ask(Command::Growth)
    }

    /// What it did so far.
    ///
    /// # Errors
    ///
    /// [`Error::SamplerGone`] in a forked child.
    pub fn report(&self) -> Result<SamplerReport, Error> {
        self.ask(Command::Report)
    }

    /// Ends the thread, after what waits was written.
    ///
    /// # Errors
    ///
    /// [`Error::Sink`] if lines were lost or still cannot be written, [`Error::SamplerGone`] in a forked child.
    pub fn stop(mut self) -> Result<SamplerReport, Error> {
        self.end().ok_or(Error::SamplerGone)?.into_result()
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, Error> {
        if self.process != std::process::id() {
            return Err(Error::SamplerGone);
        }
        let _ours = RegionId::LEDGER.enter();
        let (reply, answer): (_, Receiver<T>) = bounded(1);
        self.commands.send(command(reply)).map_err(|_| Error::SamplerGone)?;
        answer.recv().map_err(|_| Error::SamplerGone)
    }

    /// The last report; `None` if the thread is not there.
    fn end(&mut self) -> Option<SamplerReport> {
        let thread = self.thread.take()?;
        if self.process != std::process::id() {
            // Its thread is the parent's.
            std::mem::forget(thread);
            return None;
        }
        // A thread that is gone already has no use for it.
        let _ = self.commands.send(Command::Stop);
        thread.join().ok()
    }
}

impl Drop for Sampler {
    /// As [`Sampler::stop`]; what was lost is logged as a warning, for nobody can be told otherwise.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.end().map(SamplerReport::into_result) {
            log::warn!(target: "heapledger", "{error}");
        }
    }
}

impl SamplerReport {
    fn into_result(self) -> Result<Self, Error> {
        match self.sink_error {
            Some(kind) if self.lost + self.waiting > 0 => Err(Error::Sink { kind, lost: self.lost + self.waiting }),
            _ if self.lost > 0 => Err(Error::Sink { kind: ErrorKind::Other, lost: self.lost }),
            _ => Ok(self),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Statement(_) => "Statement",
            Self::History(_) => "History",
            Self::Growth(_) => "Growth",
            Self::Report(_) => "Report",
            Self::Stop => "Stop",
        })
    }
}
