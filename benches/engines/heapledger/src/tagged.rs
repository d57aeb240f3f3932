//! Benchmark engine `heapledger-tagged`: the ledger is the allocator, and regions are entered as a program enters them.
#![forbid(unsafe_code)]

mod tagging;

use std::process::ExitCode;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "heapledger-tagged",
        tagger: tagging::Tagged,
        describe: workloads::jemalloc::describe,
    })
}
