//! Readers: each takes one reading and gives plain numbers.

mod cgroup;
mod ctl;
#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
mod mapbuf;
#[cfg(target_os = "linux")]
mod maps;
mod residency;
#[cfg(target_os = "linux")]
mod runs;
mod settings;
mod stats;
mod status;
mod thp;

use std::path::Path;

pub use cgroup::{Cgroup, CgroupPlaces, cgroup};
pub use ctl::{Ctl, Jemalloc, Key};
pub use residency::{Backend, Residency, resident_bytes};
pub use settings::{JemallocSettings, settings};
pub use stats::{JemallocStats, stats};
pub use status::{Status, status};
pub use thp::{Thp, system_thp};

/// Where the kernel's file systems are, so that tests can put others in their place.
#[derive(Copy, Clone, Debug)]
pub struct Roots<'a> {
    /// `/proc`.
    pub proc: &'a Path,
    /// `/sys`.
    pub sys: &'a Path,
}

impl Roots<'static> {
    /// The places of the running system.
    pub fn system() -> Self {
        Self { proc: Path::new("/proc"), sys: Path::new("/sys") }
    }
}
