//! Benchmark engine `re_memory`: `re_memory` over the same jemalloc: counters of the process, no call stacks (its
//! default).
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ACCOUNTING: re_memory::AccountingAllocator<tikv_jemallocator::Jemalloc> =
    re_memory::AccountingAllocator::new(tikv_jemallocator::Jemalloc);

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "re_memory",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
