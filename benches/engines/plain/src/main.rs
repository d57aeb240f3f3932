//! Benchmark engine `plain`: jemalloc as it is, without heapledger.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static JEMALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "plain",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
