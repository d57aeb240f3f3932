//! The workloads of heapledger's benchmark: the same code for every engine, so that two engines differ by their
//! allocator alone.
//!
//! An engine is a tiny binary that sets its `#[global_allocator]` and calls [`main`] with an [`Engine`]. It runs one
//! workload per process and prints one line of JSON. This crate knows no allocator: it enters regions through
//! [`Tagger`], which costs nothing where the engine has no regions.
//!
//! To add a workload, write one file in the folder `registry`: a type that implements [`Workload`], and its name in
//! `workloads![…]`.
#![forbid(unsafe_code)]

mod engine;
pub mod footprint;
#[cfg(feature = "jemalloc")]
pub mod jemalloc;
pub mod latency;
mod random;
mod registry;
mod tagger;
mod workload;

pub use engine::{Engine, main};
pub use random::Random;
pub use registry::{WORKLOADS, info, is_built, run};
pub use tagger::{REGIONS, Tagger, Untagged};
pub use workload::{Class, Info, Mix, Outcome, Stopwatch, Workload};
