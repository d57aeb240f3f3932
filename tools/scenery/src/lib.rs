//! What the scenarios of heapledger are made of and safe Rust has no words for.
//!
//! `map` has maps of files and shared memory, `c_heap` blocks of the C library's own heap, `cache` jemalloc's command
//! that empties this thread's cache. Each is a safe wrapper; no `unsafe` is needed to use them.

mod c_heap;
mod cache;
mod map;

pub use c_heap::{CBlock, trim};
pub use cache::flush_thread_cache;
pub use map::Map;
