//! Stacks that a program makes itself, with guards inside their mappings.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr::null_mut;

use super::memory::{Memory, PAGE_BYTES};

/// Pages that nobody may touch from now on, without a mapping of their own (Linux 6.13).
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// How the pagemap file tells such a page (Linux 6.15).
const ENTRY_GUARD: u64 = 1 << 58;

/// More than any guard that is a mapping: what lies above it has none.
const CLOSED_BYTES: usize = 1 << 20;

/// A mapping of its own, beside nobody's: closed addresses lie around it.
pub fn apart(bytes: usize) -> Memory {
    let whole = bytes + 2 * CLOSED_BYTES;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping where the kernel chooses touches no memory of anybody.
    let start = unsafe { libc::mmap(null_mut(), whole, libc::PROT_NONE, flags, -1, 0) };
    assert!(start != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    let inside = start.wrapping_byte_add(CLOSED_BYTES);
    // SAFETY: inside the mapping just made.
    super::check("mprotect", unsafe { libc::mprotect(inside, bytes, libc::PROT_READ | libc::PROT_WRITE) });
    Memory::of(inside.cast(), bytes)
}

/// Makes the page at this offset one that nobody may touch; whether the kernel does.
pub fn guard(memory: Memory, offset: usize) -> bool {
    let page = memory.address() + offset;
    // SAFETY: a page of a mapping of the test's own, in which nobody keeps anything.
    unsafe { libc::madvise(page as *mut libc::c_void, PAGE_BYTES, MADV_GUARD_INSTALL) == 0 }
}

/// Whether this kernel makes such pages and tells them.
pub fn guards_are_told() -> bool {
    let memory = apart(PAGE_BYTES);
    let is_told = || {
        let mut entry = [0; 8];
        let place = memory.address() / PAGE_BYTES * size_of_val(&entry);
        let read = File::open("/proc/self/pagemap").and_then(|file| file.read_exact_at(&mut entry, place as u64));
        read.is_ok() && u64::from_ne_bytes(entry) & ENTRY_GUARD != 0
    };
    !is_told() && guard(memory, 0) && is_told()
}

extern "C" fn wait(_: *mut libc::c_void) -> *mut libc::c_void {
    loop {
        // SAFETY: waits for a signal; no precondition.
        unsafe { libc::pause() };
    }
}

/// Starts a thread on a part of this memory, for as long as the process lives.
pub fn wait_on(memory: Memory, offset: usize, bytes: usize) {
    // SAFETY: zeroes are as good as anything: the next call fills it.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: the place is valid.
    let done = unsafe { libc::pthread_attr_init(&raw mut attributes) };
    assert_eq!(done, 0, "pthread_attr_init");
    let start = (memory.address() + offset) as *mut libc::c_void;
    // SAFETY: the attributes were filled; the stack is memory of the test's own, never given back, used by nobody else.
    let done = unsafe { libc::pthread_attr_setstack(&raw mut attributes, start, bytes) };
    assert_eq!(done, 0, "pthread_attr_setstack");
    let mut thread = 0;
    // SAFETY: the places are valid, and `wait` is a function for ever.
    let done = unsafe { libc::pthread_create(&raw mut thread, &raw const attributes, wait, null_mut()) };
    assert_eq!(done, 0, "pthread_create");
    // SAFETY: the attributes were filled and are not used again.
    unsafe { libc::pthread_attr_destroy(&raw mut attributes) };
}
