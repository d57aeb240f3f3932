//! What can go wrong with the device process.

use std::process::ExitStatus;

use thiserror::Error;

use super::wire::Kept;

/// Why the device could not be used.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// It could not be started.
    #[error(
        "cannot start the device process: {0}; it is this program itself: check that its file still exists and may be run"
    )]
    Start(std::io::Error),
    /// It ended on its own or was killed.
    #[error("the device process (pid {pid}) ended during {during}: {status}{}; if it was killed for memory, use a smaller model", said(.message))]
    Died {
        /// Its process id.
        pid: u32,
        /// What it was being used for.
        during: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said before, if anything.
        message: Option<String>,
    },
    /// Its pipe failed, but it lives.
    #[error("the pipe to the device process (pid {pid}) failed during {during}: {source}; try again")]
    Pipe {
        /// Its process id.
        pid: u32,
        /// What it was being used for.
        during: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It answered something else than was asked.
    #[error(
        "the device process (pid {pid}) answered {answer:?} when asked for its checksum; run the same build on both ends"
    )]
    Answer {
        /// Its process id.
        pid: u32,
        /// What it said.
        answer: String,
    },
    /// It keeps other bytes than were sent.
    #[error(
        "the device process (pid {pid}) says \"{got}\", but \"{sent}\" was sent: bytes were lost or damaged; check the machine's memory"
    )]
    Checksum {
        /// Its process id.
        pid: u32,
        /// Our own account.
        sent: Kept,
        /// Its account.
        got: Kept,
    },
    /// It did not end when told to.
    #[error(
        "the device process (pid {pid}) did not end within {seconds} s of being told to, and was killed; was it stopped?"
    )]
    Hangs {
        /// Its process id.
        pid: u32,
        /// How long it was given.
        seconds: u64,
    },
}

/// The device's own words, if it had any.
fn said(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(", saying \"{message}\"")).unwrap_or_default()
}
