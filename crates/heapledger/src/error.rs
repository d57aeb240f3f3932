//! Why there is no summary or statement at all.

use std::fmt;
use std::time::Duration;

/// Why [`quick`](crate::quick) gave no summary, [`statement`](crate::statement) no statement, marks no change, or a
/// setting was not set.
///
/// What merely could not be read, such as a hidden `/proc` or a jemalloc without statistics, is no error: the figures
/// concerned are [`Unknown`](crate::Figure::Unknown), with the reason and what to do, and the rest is stated.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No [`Ledger`](crate::Ledger) is the global allocator of this program, so nothing was counted.
    NotInstalled,
    /// The buffer for the counters could not be allocated.
    OutOfMemory {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Other threads' statements, one after the other, took too long.
    Busy {
        /// How long it waited for its turn.
        waited: Duration,
    },
    /// The system gave no thread for the sampler.
    NoThread {
        /// What it said.
        kind: std::io::ErrorKind,
    },
    /// The sampler's thread is not in this process, or has ended.
    SamplerGone,
    /// The sampler's file could not be written.
    Sink {
        /// What the system said last.
        kind: std::io::ErrorKind,
        /// Samples that are not in the file.
        lost: u64,
    },
    /// jemalloc did not do what it was told.
    Refused {
        /// The setting or command, by its key in jemalloc's manual.
        setting: &'static str,
        /// What jemalloc says.
        says: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The mark that was given as the earlier one was taken later, or is the same.
    MarksOutOfOrder,
    /// Two marks are of different processes: a fork lies between them.
    OtherProcess {
        /// The process of the earlier mark.
        earlier: u32,
        /// The process of the later mark.
        later: u32,
    },
    /// There are [`Stages`](crate::Stages) in this process already.
    StagesRunning,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => out.write_str(
                "heapledger::Ledger is not the global allocator of this program: declare `#[global_allocator] static \
                 LEDGER: heapledger::Ledger = heapledger::Ledger::new();` in the binary",
            ),
            Self::OutOfMemory { bytes } => write!(
                out,
                "no memory for {bytes} bytes of counters: free some, or use heapledger::live(), which needs less"
            ),
            Self::Busy { waited } => write!(
                out,
                "no turn to take a statement for {} s: take fewer at once, or use heapledger::quick(), which never waits",
                waited.as_secs()
            ),
            Self::NoThread { kind } => write!(out, "no thread for the sampler: {kind}; raise the limit on threads"),
            Self::SamplerGone => out.write_str("the sampler's thread is not in this process: start another one here"),
            Self::Sink { kind, lost } => {
                write!(out, "{lost} samples are not in the sampler's file: {kind}; make room, or write elsewhere")
            }
            Self::Refused { says, remedy, .. } => write!(out, "{says}; {remedy}"),
            Self::MarksOutOfOrder => {
                out.write_str("the earlier mark was not taken earlier: ask the later one, `later.since(&earlier)`")
            }
            Self::OtherProcess { earlier, later } => write!(
                out,
                "the marks are of processes {earlier} and {later}: take both after the fork, or compare their \
                 statements"
            ),
            Self::StagesRunning => out
                .write_str("other Stages exist in this process: pass those on, or drop them before starting new ones"),
        }
    }
}

impl std::error::Error for Error {}
