//! Benchmark engine `accounting-allocator`: `accounting-allocator` over the same jemalloc: counters per thread, summed
//! when read.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ACCOUNTING: accounting_allocator::AccountingAlloc<tikv_jemallocator::Jemalloc> =
    accounting_allocator::AccountingAlloc::with_allocator(tikv_jemallocator::Jemalloc);

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "accounting-allocator",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
