//! Control groups of Linux, version 2 and the memory hierarchy of version 1.

use std::io::BufReader;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;

use once_cell::race::OnceBox;
use procfs_core::FromBufRead;
use procfs_core::process::MountInfos;

use super::{Cgroup, CgroupPlaces, Mount, ReadError, Roots, cache};
use crate::read::file::{StackPath, bytes, decimal, for_each_line, one_word, open};

const MOUNTS: &str = "/proc/self/mountinfo";
const GROUPS: &str = "/proc/self/cgroup";

/// Version 1 says "no limit" as the largest number of whole pages; no machine has half of it.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// The longest path of a group that is read; the kernel's own limit for a path.
const GROUP_BYTES: usize = 4096;

/// Where the running system has them, found once.
fn places() -> Result<&'static CgroupPlaces, ReadError> {
    static PLACES: OnceBox<CgroupPlaces> = OnceBox::new();
    PLACES.get_or_try_init(|| find(Roots::system()).map(Box::new))
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
    match Group::find(places, roots) {
        Ok(group) => Cgroup { current_bytes: group.current(), limit_bytes: group.limit() },
        Err(error) => Cgroup::unread(error),
    }
}

/// The running system's; the group and its limit may be a second old.
pub(super) fn read_cached() -> Cgroup {
    if let Some((group, limit_bytes)) = cache::load() {
        let current_bytes = group.current();
        // A group that is gone is one that the process was moved out of.
        if current_bytes.is_ok() {
            return Cgroup { current_bytes, limit_bytes: Ok(limit_bytes) };
        }
    }
    let group = match places().and_then(|places| Group::find(places, Roots::system())) {
        Ok(group) => group,
        Err(error) => return Cgroup::unread(error),
    };
    let limit_bytes = group.limit();
    if let Ok(limit_bytes) = limit_bytes {
        cache::store(&group, limit_bytes);
    }
    Cgroup { current_bytes: group.current(), limit_bytes }
}

/// The folder of the process's group.
pub(super) struct Group {
    pub(super) version_1: bool,
    pub(super) folder: StackPath,
}

impl Group {
    fn find(places: &CgroupPlaces, roots: Roots<'_>) -> Result<Self, ReadError> {
        let mut found = Err(ReadError::NotMounted);
        let file = open(GROUPS, &[bytes(roots.proc), b"/self/cgroup"])?;
        for_each_line(file, &mut [0; GROUP_BYTES], |line| {
            let Some((version_1, path)) = memory_group(line) else { return ControlFlow::Continue(()) };
            let mount = if version_1 { &places.memory } else { &places.unified };
            if let Some(mount) = mount {
                // A group outside of what is mounted here cannot be read, and the mounted one is not ours.
                found = below(path, &mount.root).ok_or(ReadError::NotMounted).and_then(|below| {
                    let folder =
                        StackPath::of(&[&mount.point, below]).ok_or(ReadError::PathTooLong { file: GROUPS })?;
                    Ok(Self { version_1, folder })
                });
            }
            // The memory controller is in one of the two hierarchies: where version 1 has it, version 2 has no files
            // for it.
            if version_1 && mount.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(|error| ReadError::file(GROUPS, &error))?;
        found
    }

    fn files(&self) -> &'static Files {
        if self.version_1 { &VERSION_1 } else { &VERSION_2 }
    }

    fn current(&self) -> Result<u64, ReadError> {
        let files = self.files();
        one_word(files.current, &[self.folder.bytes(), files.current_path], decimal)
    }

    fn limit(&self) -> Result<Option<u64>, ReadError> {
        let files = self.files();
        one_word(files.limit, &[self.folder.bytes(), files.limit_path], limit)
    }
}

/// Whether a line of the cgroup file is of a hierarchy that can have the memory controller: whether it is version 1,
/// and the path of the group. A line is `hierarchy:controllers:path`; version 2 is hierarchy 0 without controllers, and
/// stands last.
fn memory_group(line: &[u8]) -> Option<(bool, &[u8])> {
    // The path may have colons.
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    if controllers.split(|byte| *byte == b',').any(|controller| controller == b"memory") {
        Some((true, path))
    } else if hierarchy == b"0" && controllers.is_empty() {
        Some((false, path))
    } else {
        None
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
