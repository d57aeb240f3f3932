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
    /// How often its timed part repeats unless the caller says otherwise; chosen for 40 to 250 ms with plain jemalloc.
    pub iterations: u64,
}

/// How the regions of a workload lie on the pages of its heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// One region at a time owns each page.
    Pure,
    /// Four regions are switched so often that most pages hold blocks of several.
    FourRegions,
    /// It allocates nothing: it only enters and leaves regions.
    Switches,
}

/// What one run measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Wall-clock time of the timed part, in nanoseconds. Setting up and tearing down are not in it.
    pub elapsed_ns: u64,
    /// Operations in the timed part; [`Info::operation`] says what one is.
    pub operations: u64,
}

impl Outcome {
    /// Runs and times `part`, which returns how many operations it did.
    pub fn time(part: impl FnOnce() -> u64) -> Outcome {
        let start = Instant::now();
        let operations = part();
        Outcome::new(start.elapsed(), operations)
    }

    /// What a workload measured itself because one closure cannot say it.
    pub fn new(elapsed: Duration, operations: u64) -> Outcome {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).expect("a run ends within 584 years");
        Outcome { elapsed_ns, operations }
    }
}

/// A workload: deterministic, with its own random numbers, and with everything that must be allocated behind `black_box`.
pub trait Workload {
    /// What the workload says of itself.
    const INFO: Info;

    /// Sets up, runs the timed part `iterations` times over, tears down.
    ///
    /// Twice the iterations are twice the operations of the same steady state, so that the difference of two runs cancels
    /// everything else. A thread that the workload starts is untagged until it enters a region itself.
    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome;
}
