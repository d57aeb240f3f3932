//! `/proc/self/smaps_rollup`: the kernel's sum over all page tables, which costs far more than its counters.

use crate::ReadError;
use crate::read::Roots;

/// The name that errors give to the file.
const FILE: &str = "/proc/self/smaps_rollup";

/// Resident bytes as the page tables have them.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rollup {
    /// `Rss`: all.
    pub rss_bytes: u64,
    /// `Anonymous`: those that no file backs.
    pub anon_bytes: u64,
}

/// Reads it, from Linux 4.14 on. Allocates nothing.
///
/// The kernel goes through all page tables of the process and holds a lock of the address space meanwhile: 3.5 to 10 ms
/// per resident GiB, in which other threads' maps and faults can wait. So it is for a doubt, not for a timer.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read or lacks one of the two fields.
pub fn rollup(roots: Roots<'_>) -> Result<Rollup, ReadError> {
    #[cfg(target_os = "linux")]
    return linux::rollup(roots);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (roots, FILE);
        Err(ReadError::NotLinux)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Read;
    use std::ops::ControlFlow;

    use super::{FILE, ReadError, Rollup, Roots};
    use crate::read::file::{bytes, decimal, for_each_line, open};

    const BUFFER_BYTES: usize = 4096;

    pub(super) fn rollup(roots: Roots<'_>) -> Result<Rollup, ReadError> {
        parse(open(FILE, &[bytes(roots.proc), b"/self/smaps_rollup"])?)
    }

    pub(super) fn parse(reader: impl Read) -> Result<Rollup, ReadError> {
        let (mut rss, mut anon) = (None, None);
        let done = for_each_line(reader, &mut [0; BUFFER_BYTES], |line| {
            for (field, place) in [("Rss", &mut rss), ("Anonymous", &mut anon)] {
                if let Some(value) = line.strip_prefix(field.as_bytes()).and_then(|rest| rest.strip_prefix(b":")) {
                    *place = Some(kibibytes(value.trim_ascii()).ok_or(ReadError::Malformed { file: FILE, field }));
                }
            }
            if rss.is_some() && anon.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        done.map_err(|error| ReadError::file(FILE, &error))?;
        let field = |value: Option<_>, field| value.unwrap_or(Err(ReadError::NoField { file: FILE, field }));
        Ok(Rollup { rss_bytes: field(rss, "Rss")?, anon_bytes: field(anon, "Anonymous")? })
    }

    fn kibibytes(value: &[u8]) -> Option<u64> {
        decimal(value.strip_suffix(b"kB")?.trim_ascii_end())?.checked_mul(1024)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const SAVED: &str = "55d0c0000000-7ffd0b1f5000 ---p 00000000 00:00 0    [rollup]\nRss:      1736 kB\n\
            Pss:       400 kB\nPss_Anon:  116 kB\nShared_Clean: 1500 kB\nReferenced: 1736 kB\nAnonymous:  116 kB\n\
            LazyFree:    0 kB\n";

        #[test]
        fn a_saved_rollup_reads_in_bytes() {
            let read = parse(SAVED.as_bytes()).expect("it is whole");
            assert_eq!((read.rss_bytes, read.anon_bytes), (1736 * 1024, 116 * 1024));
        }

        #[test]
        fn what_is_missing_or_no_number_is_an_error_and_not_zero() {
            let without = SAVED.replace("Anonymous", "Anything");
            assert_eq!(parse(without.as_bytes()), Err(ReadError::NoField { file: FILE, field: "Anonymous" }));
            let bad = SAVED.replace("1736 kB\nPss:", "-1 kB\nPss:");
            assert_eq!(parse(bad.as_bytes()), Err(ReadError::Malformed { file: FILE, field: "Rss" }));
        }

        #[test]
        fn the_running_system_agrees_with_its_status() {
            let (read, status) = (super::super::rollup(Roots::system()), crate::read::status(Roots::system()));
            let Ok(read) = read else { return println!("SKIPPED smaps_rollup: {read:?}") };
            let counted = status.rss_bytes.expect("status can be read");
            // Other tests of this process run beside it.
            assert!(read.rss_bytes.abs_diff(counted) < 64 << 20, "{read:?} {counted}");
            assert!(read.anon_bytes < read.rss_bytes);
        }
    }
}
