//! Why a number could not be read.

use std::fmt;
use std::io;

/// Why a number could not be read: names the file or the key, and [`remedy`](ReadError::remedy) says what to do.
///
/// It is made without allocating, so that the readers need no heap even when they fail.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReadError {
    /// A file could not be opened or read.
    File {
        /// The file, as the documentation of the kernel names it.
        file: &'static str,
        /// What went wrong.
        kind: io::ErrorKind,
    },
    /// A file has no such field.
    NoField {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A file has the field, but its value is not what is expected there.
    Malformed {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The process is in a control group whose files are not mounted where it can see them.
    NotMounted,
    /// A path is longer than the kernel allows.
    PathTooLong {
        /// The file.
        file: &'static str,
    },
    /// jemalloc was built without statistics.
    StatsOff,
    /// jemalloc does not answer a key.
    Key {
        /// The key.
        key: &'static str,
    },
    /// The kernel gave no memory for the buffers of a reading.
    NoRoom {
        /// What it said.
        kind: io::ErrorKind,
    },
    /// jemalloc's extents are not walked, because its radix tree could not be shown to be what we think it is.
    NotAdmitted {
        /// The step that failed.
        step: &'static str,
        /// Why.
        why: &'static str,
    },
    /// There is no map of the pages.
    NoMap {
        /// Why.
        why: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// This platform has no such source.
    NotLinux,
}

impl ReadError {
    /// From what the standard library says of a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn file(file: &'static str, error: &io::Error) -> Self {
        Self::File { file, kind: error.kind() }
    }

    /// What to do so that the number can be read.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File { kind: io::ErrorKind::NotFound, file } if file.starts_with("/proc") => {
                "mount proc where this process can see it"
            }
            Self::File { kind: io::ErrorKind::NotFound, file } if file.starts_with("memory.") => {
                "nothing if this is the root group, which keeps no count; else enable the memory controller for it"
            }
            Self::File { kind: io::ErrorKind::PermissionDenied, .. } => {
                "let this process read it: see hidepid and the sandbox's rules"
            }
            Self::File { .. } => "see whether the file can be read as this user",
            Self::NoField { field, .. } if field.starts_with("Rss") => "use Linux 4.5 or newer",
            Self::NoField { .. } => "use a newer kernel",
            Self::Malformed { .. } => "report it with the file's contents",
            Self::NotMounted => "mount the control group file system into this container",
            Self::PathTooLong { .. } => "use a shorter path for the control group",
            Self::StatsOff => "enable feature `stats` of tikv-jemallocator, or unset JEMALLOC_OVERRIDE",
            Self::Key { .. } => "link the jemalloc that tikv-jemalloc-sys builds (5.3)",
            Self::NoRoom { .. } => "raise the limits on memory and address space (ulimit -v, the control group)",
            Self::NotAdmitted { step: "switched off", .. } => "unset HEAPLEDGER_WALK",
            Self::NotAdmitted { step: "settings", .. } => {
                "leave opt.hpa, opt.san_guard_small and opt.san_guard_large off (MALLOC_CONF)"
            }
            Self::NotAdmitted { step: "reading", .. } => "let this process call process_vm_readv on itself",
            Self::NotAdmitted { .. } => "link the jemalloc that tikv-jemalloc-sys builds (5.3.1), statically",
            Self::NoMap { remedy, .. } => remedy,
            Self::NotLinux => "run on Linux",
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, kind } => write!(out, "{file}: {kind}"),
            Self::NoField { file, field } => write!(out, "{file} has no field {field}"),
            Self::Malformed { file, field } => write!(out, "{file}: the value of {field} is malformed"),
            Self::NotMounted => out.write_str("the control group of this process is not mounted where it can see it"),
            Self::PathTooLong { file } => write!(out, "the path of {file} is too long"),
            Self::StatsOff => out.write_str("jemalloc was built without statistics"),
            Self::Key { key } => write!(out, "jemalloc does not answer {key}"),
            Self::NoRoom { kind } => write!(out, "no memory for the buffers of a reading: {kind}"),
            Self::NotAdmitted { step, why } => write!(out, "jemalloc's extents are not walked: {step}: {why}"),
            Self::NoMap { why, .. } => write!(out, "there is no page map: {why}"),
            Self::NotLinux => out.write_str("this platform has no such figure"),
        }
    }
}

impl std::error::Error for ReadError {}
