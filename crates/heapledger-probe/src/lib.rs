//! What heapledger reads: the kernel's status of the process, its control group, jemalloc's statistics, and which pages
//! of a range are resident.
//!
//! Everything here returns plain numbers, or a [`ReadError`] that names the file or key and says what to do. Nothing
//! here knows the name of a region or writes a sentence about memory; nothing is ever 0 because it could not be read.
//!
//! Programs use the crate `heapledger`, which joins these numbers with the ledger's counters.
//!
//! * [`read::status()`] parses `/proc/self/status` in place, without allocating.
//! * [`read::cgroup()`] reads the process's own control group, version 2 or 1.
//! * [`read::stats()`] refreshes jemalloc's statistics once and reads them through cached MIBs.
//! * [`read::resident_bytes()`] counts the resident pages of address ranges.
//! * [`Walker`] puts every resident page of the process on its line: it reads maps, pages, and jemalloc's radix tree,
//!   once that was shown to be what we think it is, and [`attribute`] does the arithmetic.
//! * [`control`] is the other direction: purging, decay times, background threads. No reading calls it.
//!
//! # Forks, threads and locks
//! No file is kept open, so a forked child never reads its parent. There is no lock of our own: facts that are found
//! once are published by a compare-and-swap, and two threads that find them at once do the work twice. jemalloc's own
//! lock of its control interface is taken, and jemalloc looks after it across a fork.
//!
//! # Platforms
//! Linux. Elsewhere the kernel's figures are [`ReadError::NotLinux`]; jemalloc's are read everywhere.
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[forbid(unsafe_code)]
pub mod attribute;
pub mod control;
mod error;
pub mod read;
#[cfg(target_os = "linux")]
#[forbid(unsafe_code)]
mod walker;
#[cfg(not(target_os = "linux"))]
#[path = "walker_elsewhere.rs"]
mod walker;

pub use error::ReadError;
pub use walker::{PageMap, Walker};
