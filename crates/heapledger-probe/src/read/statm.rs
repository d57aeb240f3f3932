//! `/proc/self/statm`: how many pages of files and of shared memory are mapped, for who only wants to know whether that
//! changed.

use std::os::unix::fs::FileExt;

use super::Roots;
use super::file::{bytes, decimal, open};
use crate::ReadError;

const FILE: &str = "/proc/self/statm";

/// Holds the file: seven numbers.
const BUFFER_BYTES: usize = 256;

/// The field, from 0, that counts resident pages of files and of shared memory.
const SHARED: usize = 2;

/// Resident pages of files and of shared memory, together: the sum of `RssFile` and `RssShmem` of `/proc/self/status`,
/// in a fourth of the time. Allocates nothing.
///
/// # Errors
///
/// [`ReadError::File`], [`ReadError::Malformed`].
pub(crate) fn mapped_pages(roots: Roots<'_>) -> Result<u64, ReadError> {
    let file = open(FILE, &[bytes(roots.proc), b"/self/statm"])?;
    let mut buffer = [0; BUFFER_BYTES];
    // The kernel writes the whole of such a file at the first call.
    let count = loop {
        match file.read_at(&mut buffer, 0) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => break result.map_err(|error| ReadError::file(FILE, &error))?,
        }
    };
    let text = buffer.get(..count).unwrap_or_default();
    parse(text).ok_or(ReadError::Malformed { file: FILE, field: "shared" })
}

fn parse(statm: &[u8]) -> Option<u64> {
    decimal(statm.split(u8::is_ascii_whitespace).nth(SHARED)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::runs::page_bytes;
    use crate::read::status;

    #[test]
    fn the_third_number_is_the_one() {
        assert_eq!(parse(b"1053 340 223 12 0 191 0\n"), Some(223));
        assert_eq!(parse(b"1053 340"), None);
        assert_eq!(parse(b"1053 340 x 12"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn it_is_what_status_says_of_files_and_shared_memory() {
        let stated = || {
            let status = status(Roots::system());
            Some((status.rss_file_bytes.ok()? + status.rss_shmem_bytes.ok()?) / page_bytes() as u64)
        };
        // Other tests of the program run beside; pages of files only come.
        let (before, read, after) = (stated(), mapped_pages(Roots::system()).ok(), stated());
        assert!(before <= read && read <= after, "{before:?} {read:?} {after:?}");
    }

    #[test]
    fn without_the_file_it_is_an_error() {
        let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
        assert!(matches!(mapped_pages(nowhere), Err(ReadError::File { file: FILE, .. })));
    }
}
