//! The atomics of the protocol: the language's, or loom's when it is model-checked.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, fence};
