//! The atomics of the protocol: the language's, or loom's when it is model-checked.

#[cfg(all(loom, test))]
pub(crate) use crate::models::atomics::{AtomicU16, AtomicU64, AtomicUsize, fence};
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, fence};
#[cfg(all(loom, not(test)))]
pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, fence};
