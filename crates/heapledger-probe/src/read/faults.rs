//! Page faults of the process: what `/proc/self/stat` says, parsed in place.

use super::Roots;
use crate::ReadError;

const FILE: &str = "/proc/self/stat";

/// Minor and major faults since the process started, of all its threads. Allocates nothing.
///
/// # Errors
///
/// [`ReadError::File`], [`ReadError::Malformed`], [`ReadError::NotLinux`] elsewhere.
pub fn faults(roots: Roots<'_>) -> Result<u64, ReadError> {
    #[cfg(target_os = "linux")]
    return linux::faults(roots);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = roots;
        Err(ReadError::NotLinux)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::fs::FileExt;

    use super::FILE;
    use crate::ReadError;
    use crate::read::Roots;
    use crate::read::file::{bytes, decimal, open};

    /// Holds the file: about fifty numbers and a name of 64 bytes at most.
    const BUFFER_BYTES: usize = 2048;

    /// Fields behind the name, from 0: minor and major faults.
    const MINOR: usize = 7;
    const MAJOR: usize = 9;

    pub(super) fn faults(roots: Roots<'_>) -> Result<u64, ReadError> {
        let file = open(FILE, &[bytes(roots.proc), b"/self/stat"])?;
        let mut buffer = [0; BUFFER_BYTES];
        // The kernel writes the whole of such a file at the first call.
        let count = loop {
            match file.read_at(&mut buffer, 0) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| ReadError::file(FILE, &error))?,
            }
        };
        let text = buffer.get(..count).unwrap_or_default();
        parse(text).ok_or(ReadError::Malformed { file: FILE, field: "minflt or majflt" })
    }

    /// The name is in brackets and may hold anything, brackets too.
    fn parse(stat: &[u8]) -> Option<u64> {
        let behind = stat.iter().rposition(|byte| *byte == b')')?;
        let mut fields = stat.get(behind + 1..)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let minor = decimal(fields.nth(MINOR)?)?;
        let major = decimal(fields.nth(MAJOR - MINOR - 1)?)?;
        minor.checked_add(major)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn faults_are_found_behind_any_name() {
            let stat = b"42 (a) b (c) S 1 42 42 0 -1 4194304 120 9 3 8 1 2 0 0 20 0 1 0 100\n";
            assert_eq!(parse(stat), Some(123));
            assert_eq!(parse(b"42 (a) S 1 42"), None);
            assert_eq!(parse(b""), None);
        }

        #[test]
        fn a_page_that_is_touched_is_a_fault() {
            let before = faults(Roots::system()).expect("the file can be read");
            let pages = std::hint::black_box(vec![1_u8; 64 << 20]);
            assert!(faults(Roots::system()).expect("the file can be read") >= before + 16);
            drop(pages);
        }
    }
}
