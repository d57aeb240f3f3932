//! Benchmark engine `cap`: `cap` over the same jemalloc: one counter of the process and a limit that is never reached.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static CAP: cap::Cap<tikv_jemallocator::Jemalloc> = cap::Cap::new(tikv_jemallocator::Jemalloc, usize::MAX);

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "cap",
        tagger: workloads::Untagged,
        describe: workloads::jemalloc::describe,
    })
}
