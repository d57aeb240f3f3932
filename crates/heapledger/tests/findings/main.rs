//! Each finding's remedy, applied literally in a process of its own: what is gained lies in the interval that was
//! claimed, and without the remedy it does not.
//!
//! A file for each kind of memory that is held. Each test starts a subject, the ignored test below it, in a process of
//! its own; `gain.rs` has what all of them measure with. Findings that take another allocator or another build of
//! jemalloc are programs of their own, `findings_isolated.rs` and `findings_statistics.rs`.
#![cfg(target_os = "linux")]

mod cgroup;
mod freed_pages;
mod gain;
#[cfg(target_env = "gnu")]
mod glibc;
mod huge_pages;
mod program;
mod slabs;
mod unattributed;

use heapledger::Region;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static A: Region = Region::new("A");
static B: Region = Region::new("B");

const MIB: usize = 1 << 20;
