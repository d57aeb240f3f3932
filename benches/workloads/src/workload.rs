//! What a workload is.

use std::time::{Duration, Instant};

use crate::Tagger;

/// What a workload says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its name on the command line, in records and in tables.
    pub id: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What one operation is, in the singular: the unit of [`Outcome::operations`].
    pub operation: &'static str,
    /// How the regions lie on its pages when the engine tags.
    pub mix: Mix,
    /// Whether it is a pattern or a program, and which build of an engine holds it.
    pub class: Class,
    /// How often its timed part repeats unless the caller says otherwise; chosen for 40 to 250 ms with plain jemalloc.
    pub iterations: u64,
}

impl Info {
    /// Whether it is a program, whose figures count in geometric means, and not a pattern.
    pub fn is_program(&self) -> bool {
        matches!(self.class, Class::Program | Class::LargeProgram)
    }
}

/// What kind of workload it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One pattern of allocation and little else.
    Pattern,
    /// A program's work, by a crate that small programs use too; compiled into every engine.
    Program,
    /// A larger program, compiled only with the feature `programs`: a build of its own, with Cargo's release profile as
    /// most programs have it.
    LargeProgram,
}

impl Class {
    /// Whether it needs the build with the feature `programs`.
    pub fn is_large(self) -> bool {
        self == Class::LargeProgram
    }
}

/// How the regions of a workload lie on the pages of its heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// One region at a time owns each page.
    Pure,
    /// Four regions are switched so often that most pages hold blocks of several.
    FourRegions,
    /// More than four regions share most pages.
    ManyRegions,
    /// It allocates nothing: it only enters and leaves regions.
    Switches,
}

/// What one run measured of its timed part. Setting up and tearing down are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Wall-clock time, in nanoseconds.
    pub elapsed_ns: u64,
    /// Processor time of all threads, in nanoseconds: what is left of a run that others kept from its processor.
    pub cpu_ns: u64,
    /// Operations; [`Info::operation`] says what one is.
    pub operations: u64,
}

impl Outcome {
    /// Runs and times `part`, which returns how many operations it did.
    pub fn time(part: impl FnOnce() -> u64) -> Outcome {
        let watch = Stopwatch::start();
        let operations = part();
        watch.stop(operations)
    }
}

/// Both clocks since some moment, for a timed part that is not one closure.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch { cpu: processor_time(), wall: Instant::now() }
    }

    /// What was measured until now, while `operations` were done.
    pub fn stop(self, operations: u64) -> Outcome {
        let elapsed = self.wall.elapsed();
        let cpu = processor_time() - self.cpu;
        Outcome { elapsed_ns: nanoseconds(elapsed), cpu_ns: nanoseconds(cpu), operations }
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a process cannot have used less than no time")
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a run ends within 584 years")
}

/// A workload: deterministic, with its own random numbers, and with everything that must be allocated behind
/// `black_box`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` stands in `workloads![…]` and is no workload",
    note = "implement `Workload` for it; benches/README.md says what a workload should keep to"
)]
pub trait Workload {
    /// What the workload says of itself.
    const INFO: Info;

    /// Sets up, runs the timed part `iterations` times over, tears down.
    ///
    /// Twice the iterations are twice the operations of the same steady state, so that the difference of two runs
    /// cancels everything else. A thread that the workload starts is untagged until it enters a region itself.
    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome;
}

/// What a larger program does in a build without it: the registry never comes here, because it looks first.
#[cfg(not(feature = "programs"))]
pub(crate) fn not_built<T: Tagger>(id: &str, _tagger: T, _iterations: u64) -> ! {
    unreachable!("{id} is not in this build: it needs the feature `programs`")
}
