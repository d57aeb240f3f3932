//! Benchmark engine `dhat`: every block with the call stack that allocated it.
//!
//! It wraps `System` and nothing else, so jemalloc is linked in place of the C library's malloc, as in `stats_alloc`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

// Links jemalloc, which then answers to `malloc`.
use tikv_jemallocator as _;

#[global_allocator]
static DHAT: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    // In testing mode it records as ever but writes no file at the end.
    let _profiler = dhat::Profiler::builder().testing().build();
    workloads::main(workloads::Engine {
        id: "dhat",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
