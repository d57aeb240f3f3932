//! `/proc/self/status`: the kernel's own figures of the process.

use crate::ReadError;
use crate::read::Roots;

/// The name that errors give to the file.
const FILE: &str = "/proc/self/status";

/// The kernel's figures. A field that a kernel does not state is an error of its own; the others stand.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// `VmRSS`: resident bytes, the sum of the next three.
    pub rss_bytes: Result<u64, ReadError>,
    /// `RssAnon`: resident bytes that no file backs.
    pub rss_anon_bytes: Result<u64, ReadError>,
    /// `RssFile`: resident bytes of files.
    pub rss_file_bytes: Result<u64, ReadError>,
    /// `RssShmem`: resident bytes of shared memory.
    pub rss_shmem_bytes: Result<u64, ReadError>,
    /// `VmHWM`: the highest `VmRSS` so far.
    pub peak_rss_bytes: Result<u64, ReadError>,
    /// `VmSwap`: anonymous bytes swapped out.
    pub swap_bytes: Result<u64, ReadError>,
    /// `VmPTE`: bytes of page tables.
    pub page_tables_bytes: Result<u64, ReadError>,
    /// `VmSize`: bytes of address space.
    pub virtual_bytes: Result<u64, ReadError>,
    /// `Threads`.
    pub threads: Result<u64, ReadError>,
}

impl Status {
    /// Nothing could be read, for one reason.
    fn unread(error: ReadError) -> Self {
        Self {
            rss_bytes: Err(error),
            rss_anon_bytes: Err(error),
            rss_file_bytes: Err(error),
            rss_shmem_bytes: Err(error),
            peak_rss_bytes: Err(error),
            swap_bytes: Err(error),
            page_tables_bytes: Err(error),
            virtual_bytes: Err(error),
            threads: Err(error),
        }
    }
}

/// Reads the status of the calling process. Allocates nothing; costs an open, a read or two and a close, 5 to 11 µs,
/// most of which the kernel spends writing the lines.
///
/// The figures are the kernel's at one moment, in bytes; it states them in KiB, of whole pages.
pub fn status(roots: Roots<'_>) -> Status {
    #[cfg(target_os = "linux")]
    return linux::status(roots);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (roots, FILE);
        Status::unread(ReadError::NotLinux)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Read;
    use std::ops::ControlFlow;

    use super::{FILE, ReadError, Roots, Status};
    use crate::read::file::{bytes, decimal, for_each_line, open};

    /// Holds the whole file of most processes in one read. The one line that can be longer lists groups; it is left
    /// out.
    const BUFFER_BYTES: usize = 4096;

    /// A field: its name in the file, its unit, and where it goes.
    type Field = (&'static str, Unit, fn(&mut Status) -> &mut Result<u64, ReadError>);

    #[derive(Copy, Clone)]
    enum Unit {
        Kibibytes,
        Count,
    }

    /// In the order of the file, so that the search usually starts at its goal.
    static FIELDS: [Field; 9] = [
        ("VmSize", Unit::Kibibytes, |status| &mut status.virtual_bytes),
        ("VmHWM", Unit::Kibibytes, |status| &mut status.peak_rss_bytes),
        ("VmRSS", Unit::Kibibytes, |status| &mut status.rss_bytes),
        ("RssAnon", Unit::Kibibytes, |status| &mut status.rss_anon_bytes),
        ("RssFile", Unit::Kibibytes, |status| &mut status.rss_file_bytes),
        ("RssShmem", Unit::Kibibytes, |status| &mut status.rss_shmem_bytes),
        ("VmPTE", Unit::Kibibytes, |status| &mut status.page_tables_bytes),
        ("VmSwap", Unit::Kibibytes, |status| &mut status.swap_bytes),
        ("Threads", Unit::Count, |status| &mut status.threads),
    ];

    pub(super) fn status(roots: Roots<'_>) -> Status {
        match open(FILE, &[bytes(roots.proc), b"/self/status"]) {
            Ok(file) => parse(file),
            Err(error) => Status::unread(error),
        }
    }

    pub(super) fn parse(reader: impl Read) -> Status {
        let mut status = Status::unread(ReadError::NotLinux);
        for (field, _, place) in &FIELDS {
            *place(&mut status) = Err(ReadError::NoField { file: FILE, field });
        }
        let mut missing = FIELDS.len();
        let done = for_each_line(reader, &mut [0; BUFFER_BYTES], |line| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if let Some((field, unit, place)) = FIELDS.iter().find(|(field, ..)| field.as_bytes() == name) {
                let value = line.get(name.len() + 1..).unwrap_or_default().trim_ascii();
                *place(&mut status) = number(value, *unit).ok_or(ReadError::Malformed { file: FILE, field });
                missing -= 1;
            }
            // Nothing that follows the last field is of use, and the kernel writes less when it is not asked for.
            if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match done {
            Ok(()) => status,
            // What was read before the file failed may be of another process's making: none of it is used.
            Err(error) => Status::unread(ReadError::file(FILE, &error)),
        }
    }

    fn number(value: &[u8], unit: Unit) -> Option<u64> {
        match unit {
            Unit::Count => decimal(value),
            Unit::Kibibytes => decimal(value.strip_suffix(b"kB")?.trim_ascii_end())?.checked_mul(1024),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const SAVED: &[u8] = b"Name:\tserver\nUmask:\t0022\nPid:\t4242\nVmPeak:\t  999 kB\nVmSize:\t    3060 kB\n\
            VmHWM:\t    1740 kB\nVmRSS:\t    1736 kB\nRssAnon:\t     116 kB\nRssFile:\t    1620 kB\n\
            RssShmem:\t       0 kB\n\
            VmPTE:\t      48 kB\nVmSwap:\t       7 kB\nThreads:\t12\nSigQ:\t0/1\n";

        fn without(line: &str) -> Vec<u8> {
            let text = String::from_utf8_lossy(SAVED);
            text.lines()
                .filter(|other| !other.starts_with(line))
                .flat_map(|line| [line, "\n"])
                .collect::<String>()
                .into()
        }

        #[test]
        fn a_saved_status_reads_in_bytes() {
            let status = parse(SAVED);
            assert_eq!(status.rss_bytes, Ok(1736 * 1024));
            assert_eq!(status.rss_anon_bytes, Ok(116 * 1024));
            assert_eq!(status.rss_file_bytes, Ok(1620 * 1024));
            assert_eq!(status.rss_shmem_bytes, Ok(0));
            assert_eq!(status.peak_rss_bytes, Ok(1740 * 1024));
            assert_eq!(status.page_tables_bytes, Ok(48 * 1024));
            assert_eq!(status.swap_bytes, Ok(7 * 1024));
            assert_eq!(status.virtual_bytes, Ok(3060 * 1024));
            assert_eq!(status.threads, Ok(12));
        }

        #[test]
        fn a_kernel_without_the_split_is_missing_that_and_nothing_else() {
            let status = parse(&without("Rss")[..]);
            assert_eq!(status.rss_anon_bytes, Err(ReadError::NoField { file: FILE, field: "RssAnon" }));
            assert_eq!(status.rss_bytes, Ok(1736 * 1024));
            assert_eq!(status.threads, Ok(12));
        }

        #[test]
        fn a_value_that_is_no_number_is_malformed_and_not_zero() {
            for bad in [
                "VmRSS:\t12 MB",
                "VmRSS:",
                "VmRSS:\t-3 kB",
                "VmRSS:\t99999999999999999999 kB",
                "VmRSS: 18446744073709551615 kB",
            ] {
                let status = parse(format!("{bad}\nThreads:\t3\n").as_bytes());
                assert_eq!(status.rss_bytes, Err(ReadError::Malformed { file: FILE, field: "VmRSS" }), "{bad}");
                assert_eq!(status.threads, Ok(3));
            }
        }

        #[test]
        fn a_list_of_groups_longer_than_the_buffer_hides_nothing() {
            let groups = format!("Groups:\t{}\n", "12345 ".repeat(65_536));
            let status = parse([groups.as_bytes(), SAVED].concat().as_slice());
            assert_eq!(status.rss_bytes, Ok(1736 * 1024));
            assert_eq!(status.threads, Ok(12));
        }

        #[test]
        fn an_empty_file_states_nothing() {
            let status = parse(&b""[..]);
            assert_eq!(status.swap_bytes, Err(ReadError::NoField { file: FILE, field: "VmSwap" }));
        }
    }
}
