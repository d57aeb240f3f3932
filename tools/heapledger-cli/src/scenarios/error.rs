//! Everything that can end a scenario without a result, and a result that is bad.

use std::process::ExitStatus;

use thiserror::Error;

/// Why a scenario did not end well.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// There is no such scenario.
    #[error("there is no scenario {0:?}; `heapledger scenario --list` names them")]
    Name(String),
    /// It would not fit.
    #[error(
        "scenario {name} needs about {needs_bytes} bytes of memory, but {free_bytes} bytes are available: end other \
         programs, or run it on a larger machine"
    )]
    Memory {
        /// Which scenario.
        name: &'static str,
        /// The most that one of its processes has.
        needs_bytes: u64,
        /// `MemAvailable` and `SwapFree` of /proc/meminfo.
        free_bytes: u64,
    },
    /// Its process could not be started.
    #[error(
        "cannot start a process for scenario {name}: {source}; it is this program itself: check that its file still \
         exists and may be run"
    )]
    Start {
        /// Which scenario.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its process did not come to its end.
    #[error(
        "the process of scenario {name} ended with {status} and without a report; if it was killed for memory, it needs \
         about {needs_bytes} bytes"
    )]
    Ended {
        /// Which scenario.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The most that one of its processes has.
        needs_bytes: u64,
    },
    /// It said something else than a report.
    #[error(
        "the process of scenario {name} sent a report that cannot be read: {source}; run the same build on both ends"
    )]
    Report {
        /// Which scenario.
        name: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Checks fail.
    #[error("scenario {name}: {failed} of {count} checks failed")]
    Failed {
        /// Which scenario.
        name: &'static str,
        /// How many checks do not hold.
        failed: usize,
        /// Of how many.
        count: usize,
    },
    /// Stdout cannot be written.
    #[error("cannot write to stdout: {0}; if it goes to a file, make room on its disk")]
    Stdout(#[from] std::io::Error),
}

impl ScenarioError {
    /// The process's exit code for this error.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Name(_) => 2,
            Self::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe => {
                // What a program that does not ignore SIGPIPE shows the shell.
                crate::output::SIGNAL_EXIT_BASE + signal_hook::consts::SIGPIPE
            }
            _ => 1,
        }
    }

    /// Whether there is anything to tell a person.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
