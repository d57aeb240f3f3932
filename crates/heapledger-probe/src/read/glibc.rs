//! What glibc says of its own heap.
#![allow(unsafe_code)]

use std::ffi::c_void;

/// `struct mallinfo2`, of which the fifth number is bytes in mappings.
type Mallinfo2 = unsafe extern "C" fn() -> [usize; 10];

/// Bytes of blocks that glibc mapped one by one (`mallinfo2().hblkhd`); `None` if this C library has no such call.
///
/// Looks at glibc's free lists, so its cost grows with their number; takes glibc's lock.
pub(crate) fn mmapped_bytes() -> Option<usize> {
    if !cfg!(target_env = "gnu") {
        return None;
    }
    // SAFETY: the name is a C string.
    let address: *mut c_void = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr()) };
    if address.is_null() {
        return None;
    }
    // SAFETY: this is the type of that function: it takes nothing and gives ten sizes.
    let mallinfo2 = unsafe { std::mem::transmute::<*mut c_void, Mallinfo2>(address) };
    // SAFETY: it has no preconditions.
    let numbers = unsafe { mallinfo2() };
    numbers.get(4).copied()
}
