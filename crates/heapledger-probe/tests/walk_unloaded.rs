//! A process of its own: an object that is mapped and was not loaded.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "maps are what is tested, and std has no word for them")]

mod support;

use std::fs::File;
use std::os::fd::AsRawFd;

use heapledger_alloc::Ledger;
use heapledger_probe::Walker;
use support::exact;
use support::maps::{map, read_all};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// A program that looks at its own file has the headers of an object in memory, and behind them no variables.
#[test]
fn a_mapped_program_that_was_not_loaded_has_no_variables() {
    let program = File::open("/proc/self/exe").expect("this program");
    let bytes = (program.metadata().expect("a file").len() as usize).next_multiple_of(PAGE);
    let around = map(bytes + 3 * MIB, 0, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
    for protection in [libc::PROT_READ, libc::PROT_READ | libc::PROT_EXEC] {
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: replaces a part of the mapping that was made above, of which nobody else knows.
        let file = unsafe { libc::mmap(around as *mut _, bytes, protection, flags, program.as_raw_fd(), 0) };
        assert_eq!(file as usize, around);
        read_all(around, PAGE);
        for offset in (bytes..bytes + 3 * MIB).step_by(PAGE) {
            // SAFETY: inside the mapping, which nobody else knows of.
            unsafe { ((around + offset) as *mut u8).write_volatile(1) };
        }
        let mut walker = Walker::new().expect("buffers");
        let taken = support::take(&mut walker);
        let behind = around + bytes..around + bytes + 3 * MIB;
        let ranges = taken.walk.unattributed.iter().filter(|range| behind.contains(&range.start));
        let nameless: u64 = ranges.map(|range| exact(range.resident)).sum();
        assert_eq!(nameless, 3 * MIB as u64, "{}", support::describe(&taken));
    }
}
