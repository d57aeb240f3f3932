//! What jemalloc says of itself.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

use tikv_jemalloc_sys::{mallctl, malloc_stats_print};

/// Room for all that `malloc_stats_print` writes; static, so that reading the statistics does not change them.
const TEXT_BYTES: usize = 4 << 20;

struct Text {
    bytes: UnsafeCell<[u8; TEXT_BYTES]>,
    len: UnsafeCell<usize>,
}

// SAFETY: used only by `statistics`, whose callers are probes with one thread.
unsafe impl Sync for Text {}

static TEXT: Text = Text { bytes: UnsafeCell::new([0; TEXT_BYTES]), len: UnsafeCell::new(0) };

unsafe extern "C" fn append(_: *mut c_void, text: *const c_char) {
    // SAFETY: jemalloc passes a C string.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    // SAFETY: there is one thread, and no reference is alive.
    let len = unsafe { &mut *TEXT.len.get() };
    // SAFETY: as above.
    let bytes = unsafe { &mut *TEXT.bytes.get() };
    bytes[*len..*len + text.len()].copy_from_slice(text);
    *len += text.len();
}

/// jemalloc's statistics as JSON, with one object per bin, large class and extent size; for a program with one thread.
pub fn statistics() -> &'static str {
    // SAFETY: there is one thread, and no reference is alive.
    unsafe { *TEXT.len.get() = 0 };
    // SAFETY: the callback has the right type and the options are a C string.
    unsafe { malloc_stats_print(Some(append), null_mut(), c"Jxg".as_ptr()) };
    // SAFETY: nobody writes until the next call.
    let bytes = unsafe { &*TEXT.bytes.get() };
    // SAFETY: as above.
    let len = unsafe { *TEXT.len.get() };
    std::str::from_utf8(&bytes[..len]).expect("jemalloc's statistics are ASCII")
}

/// Gives what this thread's cache holds back to the arenas, so that slabs without live blocks become free extents.
pub fn flush_thread_cache() {
    command(c"thread.tcache.flush");
}

/// Has every arena do now what is due by its decay times.
pub fn decay() {
    command(c"arena.4096.decay");
}

/// Has every arena give back all pages that no block lies in.
pub fn purge() {
    command(c"arena.4096.purge");
}

fn command(name: &CStr) {
    // SAFETY: the name is a C string; nothing is read or written.
    let result = unsafe { mallctl(name.as_ptr().cast(), null_mut(), null_mut(), null_mut(), 0) };
    assert!(result == 0, "{name:?}: {}", std::io::Error::from_raw_os_error(result));
}

/// A statistic of type size_t, as of now.
pub fn statistic(name: &CStr) -> u64 {
    let mut epoch: u64 = 1;
    let mut value: usize = 0;
    let mut len = size_of::<usize>();
    // SAFETY: `epoch` is written with a u64 of its own.
    let refreshed =
        unsafe { mallctl(c"epoch".as_ptr().cast(), null_mut(), null_mut(), (&raw mut epoch).cast(), size_of::<u64>()) };
    assert!(refreshed == 0, "epoch: {}", std::io::Error::from_raw_os_error(refreshed));
    // SAFETY: the caller names a statistic of the size of a usize.
    let read = unsafe { mallctl(name.as_ptr().cast(), (&raw mut value).cast(), &raw mut len, null_mut(), 0) };
    assert!(read == 0 && len == size_of::<usize>(), "{name:?}: {}", std::io::Error::from_raw_os_error(read));
    value as u64
}
