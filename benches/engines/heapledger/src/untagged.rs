//! Benchmark engine `heapledger-untagged`: the ledger is the allocator, and no region is ever entered.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "heapledger-untagged",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
