//! Page faults of the process: what `/proc/self/stat` says, read in place.

use std::fs::File;
use std::io::{ErrorKind, Read};

use heapledger_statement::{Reading, Why};

const FILE: &str = "/proc/self/stat";

/// Holds the file: about fifty numbers and a name of 64 bytes at most.
const BUFFER_BYTES: usize = 2048;

/// Fields behind the name, from 0: minor and major faults.
const MINOR: usize = 7;
const MAJOR: usize = 9;

/// Minor and major faults since the process started, of all its threads. Allocates nothing unless it fails.
pub(crate) fn faults() -> Result<u64, ErrorKind> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut filled = 0;
    let mut file = File::open(FILE).map_err(|error| error.kind())?;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.kind()),
        }
    }
    parse(&buffer[..filled]).ok_or(ErrorKind::InvalidData)
}

/// The same as a reading, after the last one.
pub(crate) fn reading(faults: Result<u64, ErrorKind>) -> Reading<u64> {
    faults.map_err(|kind| {
        let remedy = if kind == ErrorKind::NotFound {
            "mount proc where this process can see it"
        } else {
            "see whether the file can be read as this user"
        };
        Why::new(format!("{FILE}: {kind}"), remedy)
    })
}

/// The name is in brackets and may hold anything, brackets too.
fn parse(stat: &[u8]) -> Option<u64> {
    let behind = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat.get(behind + 1..)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let minor = number(fields.nth(MINOR)?)?;
    let major = number(fields.nth(MAJOR - MINOR - 1)?)?;
    minor.checked_add(major)
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_page_that_is_touched_is_a_fault() {
        let before = faults().expect("the file can be read");
        let pages = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(faults().expect("the file can be read") >= before + 16);
        drop(pages);
    }
}
