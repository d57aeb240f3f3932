//! Huge pages: how many there are, and why there may be none.

use std::fs::read_to_string;

/// Bytes of this process in huge pages, by the kernel; 0 where it does not tell.
pub fn huge_bytes() -> usize {
    let rollup = read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// The kernel's setting: who gets huge pages.
pub fn system() -> String {
    const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    match read_to_string(FILE) {
        Ok(modes) => format!("{FILE} says {}", modes.trim()),
        Err(error) => format!("{FILE}: {error}"),
    }
}

/// Whether nobody gets any, whatever he asks for.
pub fn are_refused() -> bool {
    let system = system();
    !system.contains("[madvise]") && !system.contains("[always]")
}

/// Whether only who asks for them gets any.
pub fn are_asked_for() -> bool {
    system().contains("[madvise]")
}
