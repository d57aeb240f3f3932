//! Stages of a program: marks with names, and releases with an expectation.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use heapledger_core::{RegionId, current};
use heapledger_statement::{Expect, Figure, LineId, ReleaseReadings, Since, Stage, StageReadings};

use crate::control::purge::purge_now;
use crate::{Error, Mark, mark};

/// The process in which there are stages, or 0. A number rather than a flag, so that a forked child can have its own.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Follows a program from stage to stage: what each changed, what it left behind, and why memory did not come back.
///
/// Each [`mark`](Stages::mark) ends a stage that began at the mark before; a [`release`](Stages::release) runs a
/// closure between two marks of its own. Either logs one line at level `info` through the `log` crate, target
/// `heapledger`, and is kept in [`history`](Stages::history).
///
/// One `Stages` can exist at a time. Dropping it ends the tracking and frees what it kept.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// use heapledger::{Expect, Region, Stages};
///
/// static WEIGHTS: Region = Region::new("weights");
///
/// let mut stages = Stages::start()?;
/// let weights = WEIGHTS.scope(|| vec![1_u8; 8 << 20]);
/// stages.mark("load_model")?;
/// stages.release("to_gpu", Expect::bytes(8 << 20), || drop(weights))?;
/// println!("peak RSS {}", stages.peak_rss_bytes());
/// for stage in stages.history() {
///     println!("{}", stage.line);
/// }
/// # Ok::<(), heapledger::Error>(())
/// ```
#[derive(Debug)]
pub struct Stages {
    options: StageOptions,
    baseline_bytes: Figure,
    /// The mark that the stage under way began with.
    last: Mark,
    /// Whether the kernel's peak was reset after it.
    peak_was_reset: bool,
    history: Vec<Stage>,
    _running: Running,
}

/// What [`Stages`] do beside looking.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct StageOptions {
    settle: bool,
    reset_peaks: bool,
}

impl StageOptions {
    /// They look and change nothing.
    pub const fn new() -> Self {
        Self { settle: false, reset_peaks: false }
    }

    /// After each release have jemalloc give its freed pages back, and show RSS before and after that.
    #[must_use]
    pub const fn settle(mut self, settle: bool) -> Self {
        self.settle = settle;
        self
    }

    /// Reset the kernel's peak of the process at each mark, which makes the peak of every stage exact. Other readers of
    /// `VmHWM` then see the peak since the last mark.
    #[must_use]
    pub const fn reset_peaks(mut self, reset: bool) -> Self {
        self.reset_peaks = reset;
        self
    }
}

impl Stages {
    /// Takes the first mark, from which everything is counted.
    ///
    /// # Errors
    ///
    /// [`Error::StagesRunning`] if there are others in this process, and those of [`mark()`].
    pub fn start() -> Result<Self, Error> {
        Self::start_with(StageOptions::new())
    }

    /// As [`Stages::start`], with options.
    ///
    /// # Errors
    ///
    /// As [`Stages::start`].
    pub fn start_with(options: StageOptions) -> Result<Self, Error> {
        let running = Running::claim()?;
        let last = mark()?.with_stage("start");
        let caller = current();
        let _ours = RegionId::LEDGER.enter();
        let stage = Stage::start(last.statement().clone());
        log(caller, &stage);
        let baseline_bytes = last.statement().figure(LineId::Rss);
        let peak_was_reset = options.reset_peaks && reset_peak();
        Ok(Self { options, baseline_bytes, last, peak_was_reset, history: vec![stage], _running: running })
    }

    /// Ends a stage.
    ///
    /// # Errors
    ///
    /// Those of [`mark()`]; the stage then goes on.
    pub fn mark(&mut self, name: impl Into<String>) -> Result<&Stage, Error> {
        let caller = current();
        let _ours = RegionId::LEDGER.enter();
        let name = name.into();
        let mark = mark()?.with_stage(&*name);
        let change = mark.since(&self.last)?;
        let stage = Stage::mark(self.readings(name, &mark, change), &self.history);
        Ok(self.ended(caller, mark, stage))
    }

    /// Runs `body`, which is expected to give memory back, between two marks. Gives what `body` gives.
    ///
    /// The second mark keeps its page map until the next one, so that what is allocated then on pages that were freed
    /// here is told as reuse.
    ///
    /// # Errors
    ///
    /// Those of [`mark()`], and of [`purge`](crate::purge()) if it settles. `body` is run in every case.
    pub fn release<T>(
        &mut self,
        name: impl Into<String>,
        expect: Expect,
        body: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let name = name.into();
        let began = self.begin(&name);
        let given = body();
        let (before, before_change) = began?;
        let caller = current();
        let _ours = RegionId::LEDGER.enter();
        let mark = mark()?.with_stage(&*name);
        let change = mark.since(&before)?;
        self.last = before;
        let readings = self.readings(name, &mark, change);
        let settled = if self.options.settle { Some(settle(&mark)?) } else { None };
        let settled_rss_bytes = settled.as_ref().map(|settled| settled.statement().figure(LineId::Rss));
        let release = ReleaseReadings { expected: expect, before: before_change, settled_rss_bytes };
        let stage = Stage::release(readings, release);
        self.ended(caller, settled.unwrap_or(mark), stage);
        Ok(given)
    }

    /// The first mark of a release.
    fn begin(&mut self, name: &str) -> Result<(Mark, Since), Error> {
        let _ours = RegionId::LEDGER.enter();
        let before = mark()?.with_stage(format!("before {name}"));
        let change = before.since(&self.last)?;
        self.peak_was_reset = self.options.reset_peaks && reset_peak();
        Ok((before, change))
    }

    fn readings(&self, name: String, after: &Mark, change: Since) -> StageReadings {
        StageReadings {
            name,
            baseline_bytes: self.baseline_bytes.clone(),
            before: self.last.statement().clone(),
            after: after.statement().clone(),
            change,
            peak_was_reset: self.peak_was_reset,
        }
    }

    fn ended(&mut self, caller: RegionId, mark: Mark, stage: Stage) -> &Stage {
        log(caller, &stage);
        self.last = mark;
        self.peak_was_reset = self.options.reset_peaks && reset_peak();
        self.history.push(stage);
        &self.history[self.history.len() - 1]
    }

    /// Every stage so far, the first mark among them.
    pub fn history(&self) -> &[Stage] {
        &self.history
    }

    /// The stage that ended last; at first the first mark.
    pub fn last(&self) -> Option<&Stage> {
        self.history.last()
    }

    /// The highest RSS from the first mark to the last: the kernel's, never polled. Exact where the peak of the stage
    /// that has it is, see [`Stage::peak_rss_bytes`].
    pub fn peak_rss_bytes(&self) -> Figure {
        highest(self.history.iter().map(|stage| &stage.peak_rss_bytes))
    }
}

/// The highest of figures: no lower than the highest lower end.
fn highest<'a>(figures: impl Iterator<Item = &'a Figure>) -> Figure {
    let mut highest = Figure::Exact(0);
    for figure in figures {
        highest = match (highest.ends(), figure.ends()) {
            (Some(one), Some(other)) => Figure::within(one.0.max(other.0), one.1.max(other.1)),
            (None, _) => highest,
            (_, None) => figure.clone(),
        };
    }
    highest
}

/// Gives freed pages back, and takes a mark of what is left, from which the next stage is counted.
fn settle(mark: &Mark) -> Result<Mark, Error> {
    purge_now()?;
    let stage = mark.statement().stage.as_deref().unwrap_or_default();
    Ok(crate::mark()?.with_stage(format!("{stage}, settled")))
}

/// What the logger allocates is charged to the caller's region, as if the caller had logged.
fn log(caller: RegionId, stage: &Stage) {
    caller.scope(|| log::info!(target: "heapledger", "{}", stage.line));
}

/// Writes what makes the kernel count its peak from now on; `false` where it does not.
fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// That there are stages in this process.
#[derive(Debug)]
struct Running {
    process: u32,
}

impl Running {
    fn claim() -> Result<Self, Error> {
        let process = std::process::id();
        // Nothing but the number itself hangs on it, so Relaxed suffices. A parent's number does not bind its child.
        let claimed = RUNNING.fetch_update(Relaxed, Relaxed, |holder| (holder != process).then_some(process));
        claimed.map(|_| Self { process }).map_err(|_| Error::StagesRunning)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In a forked child the number is the parent's still, or the child's own.
        let _ = RUNNING.compare_exchange(self.process, 0, Relaxed, Relaxed);
    }
}
