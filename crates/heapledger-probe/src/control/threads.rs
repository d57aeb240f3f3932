//! jemalloc's background threads, which purge while the program is idle.
#![allow(unsafe_code)]

use super::raw::{read, write};
use super::{Refusal, Refused};

const ON: &std::ffi::CStr = c"background_thread";
const MAX: &std::ffi::CStr = c"max_background_threads";

/// Whether background threads purge now. In a forked child they do not, until they are started there.
///
/// # Errors
///
/// [`Refused`] if this jemalloc was built without them.
pub fn background_threads() -> Result<bool, Refused> {
    // Of type bool, one byte; it is read as a number, for which every bit pattern is valid.
    read::<u8>(ON).map(|byte| byte != 0)
}

/// Starts or stops background threads, at most one for each CPU. They are started when an arena wants one.
///
/// Stopping waits until they have ended.
///
/// # Errors
///
/// [`Refused`] if jemalloc cannot, or says afterwards that it did not.
pub fn set_background_threads(on: bool) -> Result<bool, Refused> {
    // SAFETY: the key's type is bool, and the byte is 0 or 1.
    unsafe { write(ON, u8::from(on)) }?;
    let is = background_threads()?;
    if is == on { Ok(is) } else { Err(Refused { key: "background_thread", arena: None, why: Refusal::NotTaken }) }
}

/// How many background threads there may be.
///
/// # Errors
///
/// [`Refused`] if this jemalloc was built without them.
pub fn max_background_threads() -> Result<usize, Refused> {
    read::<usize>(MAX)
}

/// Sets how many background threads there may be; arenas share them. From 1 to the number that jemalloc started with,
/// which is the number of CPUs or `opt.max_background_threads`.
///
/// # Errors
///
/// [`Refused`] with [`Refusal::BadValue`] if it is more, or 0.
pub fn set_max_background_threads(most: usize) -> Result<usize, Refused> {
    // jemalloc takes 0 and would then purge nothing.
    if most == 0 {
        return Err(Refused { key: "max_background_threads", arena: None, why: Refusal::BadValue });
    }
    // SAFETY: the key's type is size_t.
    unsafe { write(MAX, most) }?;
    let is = max_background_threads()?;
    if is == most {
        Ok(is)
    } else {
        Err(Refused { key: "max_background_threads", arena: None, why: Refusal::NotTaken })
    }
}
