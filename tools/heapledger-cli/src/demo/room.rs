//! Whether there is room for what was asked, before an hour is spent finding out.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a run was refused before it began.
#[derive(Debug, Error)]
pub enum RoomError {
    /// The temporary folder's file system has too little free space.
    #[error(
        "--size asks for a file of {needs_bytes} bytes, but {folder} has {free_bytes} bytes free: give a smaller --size, \
         or set TMPDIR to a folder with more space",
        folder = .folder.display()
    )]
    Disk {
        /// Where the file would go.
        folder: PathBuf,
        /// The file's length.
        needs_bytes: u64,
        /// What the file system offers to this user.
        free_bytes: u64,
    },
    /// The temporary folder cannot be asked.
    #[error("cannot use the temporary folder {folder}: {source}; set TMPDIR to a folder that exists and can be written", folder = .folder.display())]
    Folder {
        /// The folder as configured.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The weights are held twice for a while, and would not fit.
    #[error(
        "this model needs about {needs_bytes} bytes of memory (its weights twice, here and in the device, and a KV cache), but \
         {free_bytes} bytes are available: use a smaller model or a smaller --size"
    )]
    Memory {
        /// Both copies of the weights and the KV cache.
        needs_bytes: u64,
        /// `MemAvailable` and `SwapFree` of /proc/meminfo.
        free_bytes: u64,
    },
}

/// Checks that a file of `needs_bytes` fits into `folder`. Only a first check: others may take the space meanwhile.
pub fn check_disk(folder: &Path, needs_bytes: u64) -> Result<(), RoomError> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|errno| RoomError::Folder { folder: folder.to_owned(), source: errno.into() })?;
    match stat.f_bavail.checked_mul(stat.f_frsize) {
        Some(free_bytes) if free_bytes < needs_bytes => {
            Err(RoomError::Disk { folder: folder.to_owned(), needs_bytes, free_bytes })
        }
        // A file system that reports more bytes than a u64 can count has room.
        _ => Ok(()),
    }
}

/// Checks that `needs_bytes` of memory can be had. Where /proc/meminfo is not readable nothing is known, and nothing
/// refused.
pub fn check_memory(needs_bytes: u64) -> Result<(), RoomError> {
    match available_memory() {
        Some(free_bytes) if free_bytes < needs_bytes => Err(RoomError::Memory { needs_bytes, free_bytes }),
        _ => Ok(()),
    }
}

/// Memory that can be had, in bytes; `None` where /proc/meminfo does not tell.
pub fn available_memory() -> Option<u64> {
    std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_bytes(&text))
}

/// `MemAvailable` plus `SwapFree`, in bytes, from the text of /proc/meminfo (which gives kB).
fn available_bytes(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    (kib("MemAvailable")? + kib("SwapFree").unwrap_or(0)).checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_meminfo() {
        let text = "MemTotal:  100 kB\nMemAvailable:      30 kB\nSwapFree:  12 kB\n";
        assert_eq!(available_bytes(text), Some(42 * 1024));
        assert_eq!(available_bytes("MemAvailable: 5 kB\n"), Some(5 * 1024));
        assert_eq!(available_bytes("SwapFree: 5 kB\n"), None);
    }

    #[test]
    fn a_size_beyond_the_disk_is_refused_with_the_folder_and_both_numbers() {
        let folder = std::env::temp_dir();
        assert!(check_disk(&folder, 0).is_ok());
        let refused = check_disk(&folder, u64::MAX).unwrap_err();
        assert!(matches!(refused, RoomError::Disk { needs_bytes: u64::MAX, .. }), "{refused}");
    }

    #[test]
    fn a_temporary_folder_that_does_not_exist_is_named() {
        let refused = check_disk(Path::new("/no/such/folder"), 1).unwrap_err();
        assert!(refused.to_string().contains("/no/such/folder"), "{refused}");
    }
}
