//! The unsafe part of control: a key is written as the type that jemalloc declares for it.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use tikv_jemalloc_sys::{mallctl, mallctlbymib, mallctlnametomib};

use super::{Refusal, Refused};

/// The codes by which jemalloc refuses; the same numbers on Linux and macOS.
const EPERM: c_int = 1;
const ENOENT: c_int = 2;
const EFAULT: c_int = 14;
const EINVAL: c_int = 22;
/// Where another thread of the program is at it.
const EAGAIN_LINUX: c_int = 11;

/// A value whose every bit pattern is one.
pub(super) trait Value: Copy + Default {}

impl Value for usize {}
impl Value for isize {}
/// For keys of type unsigned.
impl Value for u32 {}
/// For keys of type bool, which is one byte.
impl Value for u8 {}

fn pointer<T>(value: &mut T) -> *mut c_void {
    ptr::from_mut(value).cast()
}

/// Runs a key that is neither read nor written.
pub(super) fn command(key: &'static CStr) -> Result<(), Refused> {
    // SAFETY: the name ends with a zero, nothing is read and nothing is written.
    let code = unsafe { mallctl(key.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    answer(key, None, code)
}

/// Writes a key without an index. jemalloc refuses a value that has not the size of the key's type.
///
/// # Safety
///
/// * The key's type is `T`; for bool a byte that is 0 or 1.
pub(super) unsafe fn write<T: Value>(key: &'static CStr, mut value: T) -> Result<(), Refused> {
    // SAFETY: the name ends with a zero; `value` is as large as is said, and outlives the call, which only reads it.
    let code = unsafe { mallctl(key.as_ptr(), ptr::null_mut(), ptr::null_mut(), pointer(&mut value), size_of::<T>()) };
    answer(key, None, code)
}

/// Reads a key without an index. jemalloc refuses if the key's type has another size.
pub(super) fn read<T: Value>(key: &'static CStr) -> Result<T, Refused> {
    let (mut value, mut bytes) = (T::default(), size_of::<T>());
    // SAFETY: the name ends with a zero; `value` has room for as many bytes as is said, and any bytes are a value.
    let code = unsafe { mallctl(key.as_ptr(), pointer(&mut value), &mut bytes, ptr::null_mut(), 0) };
    answer(key, None, code)?;
    Ok(value)
}

/// A key with an arena in its second place, looked up once.
#[derive(Copy, Clone, Debug)]
pub(super) struct OfArena {
    key: &'static CStr,
    mib: [usize; 3],
}

impl OfArena {
    pub fn new(key: &'static CStr) -> Result<Self, Refused> {
        let mut mib = [0; 3];
        let mut depth = mib.len();
        // SAFETY: the name ends with a zero; there is room for `depth` parts.
        let code = unsafe { mallctlnametomib(key.as_ptr(), mib.as_mut_ptr(), &mut depth) };
        answer(key, None, code)?;
        Ok(Self { key, mib })
    }

    fn of(&self, arena: u32) -> [usize; 3] {
        // An index fits a word wherever jemalloc runs.
        [self.mib[0], arena as usize, self.mib[2]]
    }

    /// Reads it. jemalloc refuses if the key's type has another size.
    pub fn read<T: Value>(&self, arena: u32) -> Result<T, Refused> {
        let (mut value, mut bytes, mib) = (T::default(), size_of::<T>(), self.of(arena));
        // SAFETY: the MIB has as many parts as is said; `value` has room, and any bytes are a value.
        let code =
            unsafe { mallctlbymib(mib.as_ptr(), mib.len(), pointer(&mut value), &mut bytes, ptr::null_mut(), 0) };
        answer(self.key, Some(arena), code)?;
        Ok(value)
    }

    /// Writes it. jemalloc refuses a value that has not the size of the key's type.
    ///
    /// # Safety
    ///
    /// * The key's type is `T`.
    pub unsafe fn write<T: Value>(&self, arena: u32, mut value: T) -> Result<(), Refused> {
        let mib = self.of(arena);
        // SAFETY: the MIB has as many parts as is said; `value` is as large as is said, and is only read.
        let code = unsafe {
            mallctlbymib(mib.as_ptr(), mib.len(), ptr::null_mut(), ptr::null_mut(), pointer(&mut value), size_of::<T>())
        };
        answer(self.key, Some(arena), code)
    }
}

fn answer(key: &'static CStr, arena: Option<u32>, code: c_int) -> Result<(), Refused> {
    if code == 0 { Ok(()) } else { Err(refused(key, arena, code)) }
}

fn refused(key: &'static CStr, arena: Option<u32>, code: c_int) -> Refused {
    let why = match code {
        ENOENT => Refusal::NoSuchKey,
        EINVAL => Refusal::BadValue,
        EFAULT | EPERM | EAGAIN_LINUX => Refusal::CannotNow,
        other => Refusal::Other(other),
    };
    Refused { key: key.to_str().unwrap_or_default(), arena, why }
}
