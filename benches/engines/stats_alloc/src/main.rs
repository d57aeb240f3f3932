//! Benchmark engine `stats_alloc`: `stats_alloc`: counters of the process.
//!
//! On stable Rust it wraps `System` and nothing else, so jemalloc is linked in place of the C library's malloc: the
//! same jemalloc as in the other engines, but called through `malloc` and `free`, which is not told the size.
#![forbid(unsafe_code)]

use std::process::ExitCode;

// Links jemalloc, which then answers to `malloc`.
use tikv_jemallocator as _;

#[global_allocator]
static STATS: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "stats_alloc",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
