//! Mappings that are not jemalloc's, and are never unmapped.

use std::ptr::null_mut;

const PAGE: usize = 4096;

/// A mapping of `bytes`, of which the first `written` are written.
pub fn map(bytes: usize, written: usize, flags: i32, file: i32) -> usize {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses touches no memory of anybody.
    let start = unsafe { libc::mmap(null_mut(), bytes, protection, flags, file, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    for offset in (0..written).step_by(PAGE) {
        let place = start.cast::<u8>().wrapping_add(offset);
        // SAFETY: inside the mapping, which nobody else knows of.
        unsafe { place.write_volatile(1) };
    }
    start as usize
}

pub fn read_all(start: usize, bytes: usize) {
    for offset in (0..bytes).step_by(PAGE) {
        // SAFETY: inside a mapping that is never unmapped.
        unsafe { ((start + offset) as *const u8).read_volatile() };
    }
}
