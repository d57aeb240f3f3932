//! The counting global allocator of heapledger.
//!
//! [`Ledger`] wraps jemalloc (through `tikv-jemallocator`, call for call: the same sizes, flags and order) and charges
//! every block to the region that was in force on its thread. A free credits the region that the block was charged to,
//! whichever thread frees it. Programs use it through the `heapledger` crate.
//!
//! # How a free finds the region
//! Beside the heap lies one 8-byte word per 4 KiB page (`pages.rs`, `words.rs`). A page whose blocks all belong to one
//! region carries that region's tag, and then an operation costs one load and one compare. A page with blocks of
//! several regions is *mixed*: its word points to a row with one entry per slot (`rows.rs`). `protocol.rs` has the
//! transitions and why they are exact, `spans.rs` how pages that are alike are told at once; nothing of this lies inside
//! the heap, so jemalloc's placement is what it would be without us.
//!
//! # How it counts
//! Each thread has counters of its own per region (`counters.rs`), with one writer, summed when read (`totals.rs`).
//! Allocated and freed are separate words that only grow. A reader sums all freed words before all allocated words, so
//! that a live figure is never negative.
//!
//! # Layers, bottom to top
//! `sync`, `eights`, `places` → `classes` → `words` → `protocol`, `spans`, `list` → `rounding`, `maps` → `rows`, `pages` → `page_word`,
//! `marks` → `counters` → `totals` → `threads` → `isolated` → `slots` → `any` → `small`, `given` → `ledger` →
//! `isolating`. Each uses only those before it, but for the hooks in `threads`; those up to `list`, but `eights`, contain
//! no unsafe code and are model-checked under `--cfg loom`.

#![cfg_attr(
    loom,
    allow(dead_code, unused_imports, reason = "loom compiles the protocols only, not what else uses their parts")
)]

#[cfg(not(loom))]
mod any;
mod classes;
#[cfg(not(loom))]
mod counters;
mod eights;
#[cfg(not(loom))]
mod given;
#[cfg(not(loom))]
mod isolated;
#[cfg(not(loom))]
mod isolating;
#[cfg(not(loom))]
mod ledger;
pub(crate) mod list;
#[cfg(not(loom))]
mod maps;
#[cfg(not(loom))]
mod marks;
#[cfg(test)]
mod models;
#[cfg(not(loom))]
mod page_word;
#[cfg(not(loom))]
mod pages;
mod places;
pub(crate) mod protocol;
#[cfg(not(loom))]
mod rounding;
mod row_sizes;
#[cfg(not(loom))]
mod rows;
#[cfg(not(loom))]
mod runs;
#[cfg(not(loom))]
mod slots;
#[cfg(not(loom))]
mod small;
pub(crate) mod spans;
mod sync;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod totals;
pub(crate) mod words;

pub use classes::{CLASS_BYTES, SMALL_CLASSES};
#[cfg(not(loom))]
pub use given::{block_owner, on_alloc, on_free};
#[cfg(not(loom))]
pub use isolating::IsolatingLedger;
#[cfg(not(loom))]
pub use ledger::Ledger;
#[cfg(not(loom))]
pub use maps::{TableUse, table_ranges, table_use};
#[cfg(not(loom))]
pub use page_word::{PageOwner, PageWord, SlotOwners, fetch_page_word, for_each_page_word, page_owner, page_word};
#[cfg(not(loom))]
pub use threads::threads_left_behind;
#[cfg(not(loom))]
pub use totals::{Flow, RegionTotals, read_requested, read_totals};
