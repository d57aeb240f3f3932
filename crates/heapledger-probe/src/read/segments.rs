//! Where the variables of the program and its libraries lie.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::slice;

use super::mapbuf::MapList;

/// Fills `out` with the address ranges of the segments that are loaded, without allocating; those that do not fit are
/// left out.
pub(crate) fn segments(out: &mut MapList<(usize, usize)>) {
    out.clear();
    // SAFETY: the callback has the right type, and its argument is exclusive to it during the call.
    unsafe { libc::dl_iterate_phdr(Some(each_object), (out as *mut MapList<(usize, usize)>).cast()) };
    out.sort_unstable();
}

/// # Safety
///
/// * `info` is what `dl_iterate_phdr` passes, and `out` the list that was given to it.
unsafe extern "C" fn each_object(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
    // SAFETY: by the caller.
    let info = unsafe { &*info };
    // SAFETY: by the caller, and nobody else uses the list during the call.
    let out = unsafe { &mut *out.cast::<MapList<(usize, usize)>>() };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader says how many headers there are, and keeps them while the object is loaded.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize);
        if start < end && !out.push((start, end)) {
            return 1;
        }
    }
    0
}
