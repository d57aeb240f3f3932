//! jemalloc's cache of freed blocks, one per thread.

use std::ptr::null_mut;

/// Gives what this thread's cache holds back to the arenas, so that slabs without live blocks become free extents.
///
/// # Panics
/// If jemalloc does not know the command.
pub fn flush_thread_cache() {
    let name = c"thread.tcache.flush";
    // SAFETY: the name is a C string; nothing is read or written.
    let result = unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr().cast(), null_mut(), null_mut(), null_mut(), 0) };
    // EFAULT is the answer where the thread has no cache, which is as good as an empty one.
    assert!(result == 0 || result == libc::EFAULT, "{name:?}: {}", std::io::Error::from_raw_os_error(result));
}
