//! The numbers by which jemalloc's keys are read: looked up once each.
//!
//! The unsafe part: one call that writes the numbers of a name.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use tikv_jemalloc_sys::mallctlnametomib;

use super::Key;
use super::ctl::ALL;
use crate::ReadError;

/// The most parts of a name.
const DEPTH: usize = 4;

/// A MIB that was looked up, or depth 0.
///
/// The same key always has the same MIB, so two threads that look it up at once write the same. The depth is written
/// last (Release) and read first (Acquire): who sees it sees the parts. There is no lock that a forked child could find
/// held.
struct Cached {
    depth: AtomicUsize,
    parts: [AtomicUsize; DEPTH],
}

static CACHE: [Cached; ALL.len()] =
    [const { Cached { depth: AtomicUsize::new(0), parts: [const { AtomicUsize::new(0) }; DEPTH] } }; ALL.len()];

/// The key's MIB and its depth.
///
/// # Errors
///
/// [`ReadError::Key`] if jemalloc has no such key, or does not say.
pub(super) fn mib(key: Key) -> Result<([usize; DEPTH], usize), ReadError> {
    look_up(key)?.ok_or(key.error())
}

/// The same; `None` if jemalloc has no such key.
///
/// # Errors
///
/// [`ReadError::Key`] if it does not say.
pub(super) fn look_up(key: Key) -> Result<Option<([usize; DEPTH], usize)>, ReadError> {
    let cached = &CACHE[key as usize];
    let mut mib = [0; DEPTH];
    let depth = cached.depth.load(Acquire);
    if depth > 0 {
        for (part, known) in mib.iter_mut().zip(&cached.parts) {
            *part = known.load(Relaxed);
        }
        return Ok(Some((mib, depth)));
    }
    let name = key.c_name();
    let depth = 1 + name.to_bytes().iter().filter(|byte| **byte == b'.').count();
    if !known(name, mib.get_mut(..depth).ok_or(key.error())?).ok_or(key.error())? {
        return Ok(None);
    }
    for (part, known) in mib.iter().zip(&cached.parts) {
        known.store(*part, Relaxed);
    }
    cached.depth.store(depth, Release);
    Ok(Some((mib, depth)))
}

/// What jemalloc answers for a name that it does not know; the same number on Linux and macOS.
const ENOENT: c_int = 2;

/// Looks a name up: whether jemalloc knows it, or `None` if it fails otherwise. The safe call beside it does not tell
/// the two apart.
fn known(name: &CStr, parts: &mut [usize]) -> Option<bool> {
    let depth = parts.len();
    let mut written = depth;
    // SAFETY: the name ends with a zero; jemalloc writes at most as many parts as is said, and there is room for them.
    match unsafe { mallctlnametomib(name.as_ptr(), parts.as_mut_ptr(), &raw mut written) } {
        0 => (written == depth).then_some(true),
        ENOENT => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Ctl, Jemalloc};

    #[test]
    fn a_name_that_jemalloc_has_not_is_told_from_one_that_it_has() {
        for key in ALL {
            assert_eq!(Jemalloc.knows(key), Ok(true), "{}", key.name());
        }
        assert_eq!(known(c"opt.disable_large_size_classes", &mut [0; 2]), Some(true));
        assert_eq!(known(c"opt.of_another_version", &mut [0; 2]), Some(false));
        assert_eq!(known(c"of.another.version", &mut [0; 3]), Some(false));
        // It has the name, and not as one of so many parts: that is neither.
        assert_eq!(known(c"epoch", &mut [0; 2]), None);
    }
}
