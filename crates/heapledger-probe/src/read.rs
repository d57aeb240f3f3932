//! Readers: each takes one reading and gives plain numbers.

#[cfg(target_os = "linux")]
pub(crate) mod admission;
#[cfg(target_os = "linux")]
mod answers;
#[cfg(target_os = "linux")]
pub(crate) mod arenas;
mod cgroup;
mod ctl;
#[cfg(target_os = "linux")]
mod decode;
#[cfg(target_os = "linux")]
pub(crate) mod devices;
#[cfg(target_os = "linux")]
pub(crate) mod emap;
mod faults;
#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
pub(crate) mod glibc;
#[cfg(target_os = "linux")]
mod guards;
pub(crate) mod held;
#[cfg(target_os = "linux")]
mod layouts;
#[cfg(target_os = "linux")]
pub(crate) mod loader;
#[cfg(target_os = "linux")]
pub(crate) mod mapbuf;
#[cfg(target_os = "linux")]
pub(crate) mod maps;
#[cfg(target_os = "linux")]
pub(crate) mod memory;
mod mibs;
#[cfg(target_os = "linux")]
mod moving;
mod residency;
mod rollup;
#[cfg(target_os = "linux")]
pub(crate) mod runs;
#[cfg(target_os = "linux")]
mod samples;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(target_os = "linux")]
pub(crate) mod segments;
mod settings;
#[cfg(target_os = "linux")]
pub(crate) mod statm;
mod stats;
mod status;
mod thp;
#[cfg(all(test, target_os = "linux"))]
mod wrong_layouts;

use std::path::Path;

pub use cgroup::{Cgroup, CgroupPlaces, cgroup};
pub use ctl::{Ctl, Jemalloc, Key};
pub use faults::faults;
pub use held::held_ranges;
pub use residency::{Backend, Residency, resident_bytes};
pub use rollup::{Rollup, rollup};
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

/// glibc's heaps, those of threads too; blocks with a mapping of their own are not in them.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct GlibcHeaps {
    /// Bytes in use, headers included.
    pub used_bytes: u64,
    /// Free bytes, resident or not.
    pub free_bytes: u64,
    /// In how many pieces these lie.
    pub free_pieces: u64,
}

/// What glibc says of its heaps; `None` where there is no glibc. Its cost grows with glibc's free lists.
pub fn glibc_heaps() -> Option<GlibcHeaps> {
    #[cfg(target_os = "linux")]
    return glibc::heaps();
    #[cfg(not(target_os = "linux"))]
    None
}
