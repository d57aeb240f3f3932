//! The control group's memory: what it is charged for, and how much it may be.

use crate::ReadError;
use crate::read::Roots;

/// What the process's own control group says, in bytes.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cgroup {
    /// `memory.current`, or `memory.usage_in_bytes` of version 1: what the group is charged for, all its processes together.
    pub current_bytes: Result<u64, ReadError>,
    /// `memory.max`, or `memory.limit_in_bytes`: its own hard limit; `None` if it has none. A parent's limit is not looked for.
    pub limit_bytes: Result<Option<u64>, ReadError>,
}

impl Cgroup {
    fn unread(error: ReadError) -> Self {
        Self { current_bytes: Err(error), limit_bytes: Err(error) }
    }
}

/// Reads the control group of the calling process.
///
/// Where control groups are mounted is found once, which allocates; failing to find it is tried again. The group itself is
/// looked up at each call, since a process can be moved. Costs three opens and reads, and allocates nothing after the first.
pub fn cgroup(roots: Roots<'_>) -> Cgroup {
    #[cfg(target_os = "linux")]
    return match linux::places(roots) {
        Ok(places) => places.read(roots),
        Err(error) => Cgroup::unread(error),
    };
    #[cfg(not(target_os = "linux"))]
    {
        let _ = roots;
        Cgroup::unread(ReadError::NotLinux)
    }
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

    /// Reads the control group of the calling process, as [`cgroup`] does.
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
mod linux {
    use std::io::BufReader;
    use std::ops::ControlFlow;
    use std::os::unix::ffi::OsStringExt;

    use once_cell::race::OnceBox;
    use procfs_core::FromBufRead;
    use procfs_core::process::MountInfos;

    use super::{Cgroup, CgroupPlaces, Mount, ReadError, Roots};
    use crate::read::file::{bytes, decimal, for_each_line, one_word, open};

    const MOUNTS: &str = "/proc/self/mountinfo";
    const GROUPS: &str = "/proc/self/cgroup";

    /// Version 1 says "no limit" as the largest number of whole pages; no machine has half of it.
    const NO_LIMIT_BYTES: u64 = 1 << 62;

    /// The longest path of a group that is read; the kernel's own limit for a path.
    const GROUP_BYTES: usize = 4096;

    pub(super) fn places(roots: Roots<'_>) -> Result<&'static CgroupPlaces, ReadError> {
        static PLACES: OnceBox<CgroupPlaces> = OnceBox::new();
        PLACES.get_or_try_init(|| find(roots).map(Box::new))
    }

    pub(super) fn find(roots: Roots<'_>) -> Result<CgroupPlaces, ReadError> {
        let file = open(MOUNTS, &[bytes(roots.proc), b"/self/mountinfo"])?;
        let mounts = MountInfos::from_buf_read(BufReader::new(file)).map_err(|error| match error {
            procfs_core::ProcError::Io(error, _) => ReadError::file(MOUNTS, &error),
            _ => ReadError::Malformed { file: MOUNTS, field: "one of its lines" },
        })?;
        let mut places = CgroupPlaces::default();
        for mount in mounts {
            let place = match mount.fs_type.as_str() {
                "cgroup2" => &mut places.unified,
                "cgroup" if mount.super_options.contains_key("memory") => &mut places.memory,
                _ => continue,
            };
            let root = if mount.root == "/" { String::new() } else { mount.root };
            // The first mount is the one that everybody else looks at.
            place.get_or_insert_with(|| Mount {
                point: mount.mount_point.into_os_string().into_vec().into(),
                root: root.into_bytes().into(),
            });
        }
        Ok(places)
    }

    pub(super) fn read(places: &CgroupPlaces, roots: Roots<'_>) -> Cgroup {
        let mut groups = Groups { memory: None, unified: None };
        let found = open(GROUPS, &[bytes(roots.proc), b"/self/cgroup"]).and_then(|file| {
            for_each_line(file, &mut [0; GROUP_BYTES], |line| {
                groups.take(line);
                ControlFlow::Continue(())
            })
            .map_err(|error| ReadError::file(GROUPS, &error))
        });
        if let Err(error) = found {
            return Cgroup::unread(error);
        }
        // The memory controller is in one of the two hierarchies; where version 1 has it, version 2 has no files for it.
        let (mount, group, files) = match (&groups.memory, &places.memory, &groups.unified, &places.unified) {
            (Some(group), Some(mount), ..) => (mount, group, &VERSION_1),
            (_, _, Some(group), Some(mount)) => (mount, group, &VERSION_2),
            _ => return Cgroup::unread(ReadError::NotMounted),
        };
        // A group outside of what is mounted here cannot be read, and the mounted one is not ours.
        let Some(below) = below(group.path(), &mount.root) else { return Cgroup::unread(ReadError::NotMounted) };
        Cgroup {
            current_bytes: one_word(files.current, &[&mount.point, below, files.current_path], decimal),
            limit_bytes: one_word(files.limit, &[&mount.point, below, files.limit_path], limit),
        }
    }

    /// The files of a version; the path of a file begins with `/`.
    struct Files {
        current: &'static str,
        current_path: &'static [u8],
        limit: &'static str,
        limit_path: &'static [u8],
    }

    static VERSION_1: Files = Files {
        current: "memory.usage_in_bytes",
        current_path: b"/memory.usage_in_bytes",
        limit: "memory.limit_in_bytes",
        limit_path: b"/memory.limit_in_bytes",
    };

    static VERSION_2: Files = Files {
        current: "memory.current",
        current_path: b"/memory.current",
        limit: "memory.max",
        limit_path: b"/memory.max",
    };

    /// The paths of the process's groups in the two hierarchies.
    struct Groups {
        memory: Option<Group>,
        unified: Option<Group>,
    }

    struct Group {
        bytes: [u8; GROUP_BYTES],
        len: usize,
    }

    impl Group {
        fn of(path: &[u8]) -> Option<Self> {
            let mut group = Self { bytes: [0; GROUP_BYTES], len: path.len() };
            group.bytes.get_mut(..path.len())?.copy_from_slice(path);
            Some(group)
        }

        fn path(&self) -> &[u8] {
            self.bytes.get(..self.len).unwrap_or_default()
        }
    }

    impl Groups {
        /// A line is `hierarchy:controllers:path`; version 2 is hierarchy 0 without controllers. The path may have colons.
        fn take(&mut self, line: &[u8]) {
            let mut fields = line.splitn(3, |byte| *byte == b':');
            let (Some(hierarchy), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                return;
            };
            if controllers.split(|byte| *byte == b',').any(|controller| controller == b"memory") {
                self.memory = Group::of(path);
            } else if hierarchy == b"0" && controllers.is_empty() {
                self.unified = Group::of(path);
            }
        }
    }

    /// What of `group` lies below `root`: empty, or beginning with `/`. `None` if it does not.
    fn below<'a>(group: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
        let group = if group == b"/" { b"" } else { group };
        let rest = group.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some(rest).filter(|rest| !rest.starts_with(b"/.."))
    }

    fn limit(word: &[u8]) -> Option<Option<u64>> {
        if word == b"max" {
            return Some(None);
        }
        decimal(word).map(|bytes| (bytes < NO_LIMIT_BYTES).then_some(bytes))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_group_is_found_below_the_root_of_its_mount() {
            assert_eq!(below(b"/a/b", b""), Some(&b"/a/b"[..]));
            assert_eq!(below(b"/", b""), Some(&b""[..]));
            assert_eq!(below(b"/docker/x/y", b"/docker/x"), Some(&b"/y"[..]));
            assert_eq!(below(b"/docker/x", b"/docker/x"), Some(&b""[..]));
            assert_eq!(below(b"/docker/xy", b"/docker/x"), None);
            assert_eq!(below(b"/../other", b""), None);
        }

        #[test]
        fn no_limit_is_not_a_number() {
            assert_eq!(limit(b"max"), Some(None));
            assert_eq!(limit(b"9223372036854771712"), Some(None));
            assert_eq!(limit(b"4294967296"), Some(Some(4_294_967_296)));
            assert_eq!(limit(b"-1"), None);
        }
    }
}
