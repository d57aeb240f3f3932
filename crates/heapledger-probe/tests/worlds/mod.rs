//! Worlds that never existed, and what each of their bytes is for, told byte by byte.
//!
//! `synthetic.rs` makes one from a seed, `added.rs` has a sheet add it up, `truth.rs` counts every byte to compare.

pub mod added;
mod random;
pub mod synthetic;
pub mod truth;

pub use random::Random;
pub use synthetic::Synthetic;

pub const PAGE: usize = 4096;
pub const REGIONS: usize = 4;
pub const ARENAS: usize = 3;
