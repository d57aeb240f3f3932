//! The owner map's protocol on its own, without an allocator below it.
//!
//! Under `--cfg loom` every interleaving (up to a bound on preemptions) of a few threads on one page; otherwise random
//! single-threaded histories of whole slabs against a naive oracle. Both run the code of `protocol.rs` itself on rows
//! from a [`pool`](pool::Pool) that notices every misuse of a row.

mod pool;

#[cfg(loom)]
pub(crate) mod atomics;
#[cfg(loom)]
mod loom_counters;
#[cfg(loom)]
mod loom_flip;
#[cfg(loom)]
mod loom_list;
#[cfg(loom)]
mod loom_neighbours;
#[cfg(loom)]
mod loom_own;
#[cfg(loom)]
mod loom_reuse;
#[cfg(loom)]
mod loom_spans;
#[cfg(loom)]
mod page;

#[cfg(not(loom))]
mod eights;
#[cfg(not(loom))]
mod properties;
#[cfg(not(loom))]
mod spans;
#[cfg(not(loom))]
mod tables;
#[cfg(not(loom))]
mod world;
