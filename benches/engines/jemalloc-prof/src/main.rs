//! Benchmark engine `jemalloc-prof`: jemalloc with its own heap profiling, one sample per 512 KiB on average. The
//! harness sets `prof:true` in its environment.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static JEMALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "jemalloc-prof",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
