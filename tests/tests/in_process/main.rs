//! What one thread can see of its own regions and blocks.
//!
//! These tests share a process, with the ledger as its allocator: each asks only about regions that nobody else names
//! and about its own thread, so others may run beside it. Whatever has the process as its subject is in `processes/`.

#[global_allocator]
static LEDGER: heapledger_alloc::Ledger = heapledger_alloc::Ledger::new();

mod adopt;
mod failures;
mod futures;
mod guards;
mod lanes;
mod reassign;
mod regions;
mod totals;
mod traits;
