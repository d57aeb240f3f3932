//! Raw calls of the operating system, each behind a small function; fork is in `heapledger-harness`.

pub mod jemalloc;
pub mod memory;
pub mod process;
pub mod signals;
pub mod stacks;
pub mod threads;

/// Panics with the system's reason when a call failed.
fn check(what: &str, result: libc::c_int) {
    assert!(result == 0, "{what}: {}", std::io::Error::last_os_error());
}
