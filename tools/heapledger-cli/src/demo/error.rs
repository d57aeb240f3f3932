//! Everything that can end the demo early.

use std::path::PathBuf;

use thiserror::Error;

use super::device::DeviceError;
use super::model_file::error::ModelError;
use super::model_file::write::WriteError;
use super::room::RoomError;
use crate::output::SIGNAL_EXIT_BASE;

/// Why the demo ended before its last stage.
#[derive(Debug, Error)]
pub enum DemoError {
    /// There is no room for what was asked.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The demo's own model could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The model could not be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device process failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A temporary folder or a file in it could not be made or removed.
    #[error("cannot {doing} in the temporary folder {folder}: {source}; set TMPDIR to a folder that can be written", folder = .folder.display())]
    Folder {
        /// "make a file" or "remove the files".
        doing: &'static str,
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The heap cannot hold what a stage needs.
    #[error("no memory for {what} of {bytes} bytes; use a smaller model or raise the memory limit")]
    Memory {
        /// "a tokenizer" or "a KV cache".
        what: &'static str,
        /// How much it needs, at the least.
        bytes: usize,
    },
    /// Without a handler, Ctrl-C would leave files behind.
    #[error("cannot handle signals: {0}; raise the limit on threads or open files and try again")]
    Signals(std::io::Error),
    /// The reader of stdout left, as `head` does. Not worth a message.
    #[error("stdout was closed by its reader")]
    StdoutClosed,
    /// Stdout cannot be written.
    #[error("cannot write to stdout: {0}; if it goes to a file, make room on its disk")]
    Stdout(std::io::Error),
    /// No statement could be taken.
    #[error("no statement after stage {stage}: {source}")]
    Statement {
        /// After which stage.
        stage: &'static str,
        /// What the library said.
        source: heapledger::Error,
    },
    /// A finding's remedy could not be applied.
    #[error("cannot apply a finding: {source}")]
    Cure {
        /// What the library said.
        source: heapledger::Error,
    },
    /// The ledger disagrees with arithmetic: the one thing that must never happen.
    #[error(
        "after stage {stage} region {region} must hold {expected} live bytes ({reason}), but the ledger says {measured}; this is \
         a bug in heapledger, please report it with this line"
    )]
    Mismatch {
        /// After which stage.
        stage: &'static str,
        /// Which region or family of regions.
        region: &'static str,
        /// What arithmetic says.
        expected: String,
        /// Where that comes from.
        reason: String,
        /// What the ledger says.
        measured: String,
    },
}

impl DemoError {
    /// The process's exit code for this error.
    pub fn exit_code(&self) -> i32 {
        match self {
            // What a program that does not ignore SIGPIPE shows the shell.
            Self::StdoutClosed => SIGNAL_EXIT_BASE + signal_hook::consts::SIGPIPE,
            _ => 1,
        }
    }

    /// Whether there is anything to tell a person.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::StdoutClosed)
    }
}
