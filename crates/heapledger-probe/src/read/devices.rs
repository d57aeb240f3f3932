//! Which devices hold files in memory: their pages count as shared memory, whoever maps them and how.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::BufReader;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;

use procfs_core::FromBufRead;
use procfs_core::process::MountInfos;

use super::Roots;
use super::file::{bytes, open};
use super::maps::Vma;

/// More file systems in memory than this are taken for disks, and then show in the counter gap.
const MAX: usize = 128;

/// Devices, by number.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Devices {
    memory: [Option<(u32, u32)>; MAX],
    count: usize,
    huge: Option<(u32, u32)>,
}

impl Devices {
    /// Looks at the mounts, and at the kernel's own file system for memory without a name. Allocates; what cannot be
    /// read is left out.
    pub(crate) fn find(roots: Roots<'_>) -> Self {
        let mut found = Self { memory: [None; MAX], count: 0, huge: None };
        if let Some(device) = nameless() {
            found.add(device);
        }
        let mounts = open("/proc/self/mountinfo", &[bytes(roots.proc), b"/self/mountinfo"]).ok();
        let mounts = mounts.and_then(|file| MountInfos::from_buf_read(BufReader::new(file)).ok());
        for mount in mounts.into_iter().flatten() {
            let Some((major, minor)) = mount.majmin.split_once(':') else { continue };
            let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { continue };
            match mount.fs_type.as_str() {
                "tmpfs" | "devtmpfs" | "ramfs" => found.add((major, minor)),
                "hugetlbfs" => found.huge = Some((major, minor)),
                _ => {}
            }
        }
        found
    }

    fn add(&mut self, device: (u32, u32)) {
        if let Some(place) = self.memory.get_mut(self.count) {
            *place = Some(device);
            self.count += 1;
        }
    }

    /// Whether a mapping shows a file in memory.
    pub(crate) fn is_memory(&self, vma: &Vma) -> bool {
        let known = self.memory.get(..self.count).unwrap_or_default();
        vma.inode != 0 && known.contains(&Some((vma.major, vma.minor)))
    }

    /// Whether a mapping shows huge pages that RSS does not count.
    pub(crate) fn is_huge(&self, vma: &Vma) -> bool {
        vma.inode != 0 && self.huge == Some((vma.major, vma.minor))
    }
}

/// The device of memory that is shared without a path.
fn nameless() -> Option<(u32, u32)> {
    // SAFETY: the name is a C string.
    let descriptor = unsafe { libc::memfd_create(c"heapledger".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return None;
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    let file = unsafe { File::from_raw_fd(descriptor) };
    let device = file.metadata().ok()?.dev();
    Some((libc::major(device), libc::minor(device)))
}
