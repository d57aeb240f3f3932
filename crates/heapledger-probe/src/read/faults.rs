//! Page faults of the process, as the kernel counts them.
//!
//! The unsafe part: one system call that writes into a structure on the stack.
#![allow(unsafe_code)]

use crate::ReadError;

/// Minor and major faults since the process started, of all its threads, of those that ended too: the numbers that
/// `/proc/self/stat` states, which takes 30 times as long. Allocates nothing; 0.3 µs, and more with many threads.
///
/// # Errors
///
/// [`ReadError::File`] if the kernel refuses, [`ReadError::NotLinux`] elsewhere.
pub fn faults() -> Result<u64, ReadError> {
    #[cfg(target_os = "linux")]
    return linux::faults();
    #[cfg(not(target_os = "linux"))]
    Err(ReadError::NotLinux)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::mem::MaybeUninit;

    use crate::ReadError;

    const CALL: &str = "getrusage";

    pub(super) fn faults() -> Result<u64, ReadError> {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the kernel fills the structure, which is borrowed for the call.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
            return Err(ReadError::file(CALL, &std::io::Error::last_os_error()));
        }
        // SAFETY: numbers, for which zeroes are a value too.
        let usage = unsafe { usage.assume_init() };
        // The kernel's counters are unsigned.
        Ok((usage.ru_minflt as u64).wrapping_add(usage.ru_majflt as u64))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// What `/proc/self/stat` says, by an independent parser.
        fn stated() -> u64 {
            let stat = procfs::process::Process::myself().and_then(|process| process.stat()).expect("stat can be read");
            stat.minflt + stat.majflt
        }

        #[test]
        fn they_are_those_that_stat_states() {
            // Other tests of the program run beside.
            let (before, read, after) = (stated(), faults().expect("the kernel tells"), stated());
            assert!((before..=after).contains(&read), "{before} {read} {after}");
        }

        #[test]
        fn a_page_that_is_touched_is_a_fault() {
            let before = faults().expect("the kernel tells");
            let pages = std::hint::black_box(vec![1_u8; 64 << 20]);
            assert!(faults().expect("the kernel tells") >= before + 16);
            drop(pages);
        }
    }
}
