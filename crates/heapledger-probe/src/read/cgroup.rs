//! The control group's memory: what it is charged for, and how much it may be.

use crate::ReadError;
use crate::read::Roots;

/// What the process's own control group says, in bytes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cgroup {
    /// `memory.current`, or `memory.usage_in_bytes` of version 1: what the group is charged for, all its processes
    /// together.
    pub current_bytes: Result<u64, ReadError>,
    /// `memory.max`, or `memory.limit_in_bytes`: its own hard limit; `None` if it has none. A parent's limit is not
    /// looked for.
    pub limit_bytes: Result<Option<u64>, ReadError>,
}

impl Cgroup {
    fn unread(error: ReadError) -> Self {
        Self { current_bytes: Err(error), limit_bytes: Err(error) }
    }
}

/// Reads the control group of the calling process.
///
/// Where control groups are mounted is found once, which allocates; failing to find it is tried again. Which group the
/// process is in, and its limit, are looked up again if that was more than a second ago, or in another process: they
/// can change, seldom. What the group is charged for is read at each call. Costs an open and a read of one file, about
/// 6 µs, and of two more once a second; allocates nothing after the first call.
pub fn cgroup() -> Cgroup {
    #[cfg(target_os = "linux")]
    return linux::read_cached();
    #[cfg(not(target_os = "linux"))]
    Cgroup::unread(ReadError::NotLinux)
}

/// Where control groups are mounted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CgroupPlaces {
    /// Version 1's memory hierarchy.
    memory: Option<Mount>,
    /// Version 2.
    unified: Option<Mount>,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Mount {
    /// Where it is.
    point: Box<[u8]>,
    /// Which group of the hierarchy is there; empty for the topmost.
    root: Box<[u8]>,
}

impl CgroupPlaces {
    /// Finds them in `/proc/self/mountinfo`. Allocates.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] or [`ReadError::Malformed`] if that cannot be read.
    pub fn find(roots: Roots<'_>) -> Result<Self, ReadError> {
        #[cfg(target_os = "linux")]
        return linux::find(roots);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = roots;
            Err(ReadError::NotLinux)
        }
    }

    /// Reads the control group of the calling process, as [`cgroup`] does, keeping nothing.
    pub fn read(&self, roots: Roots<'_>) -> Cgroup {
        #[cfg(target_os = "linux")]
        return linux::read(self, roots);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = roots;
            Cgroup::unread(ReadError::NotLinux)
        }
    }
}

#[cfg(target_os = "linux")]
#[path = "cgroup_linux.rs"]
mod linux;

#[cfg(target_os = "linux")]
#[path = "cgroup_cache.rs"]
mod cache;
