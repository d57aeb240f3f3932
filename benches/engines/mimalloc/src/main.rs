//! Benchmark engine `mimalloc`: mimalloc, as its crate builds it by default.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static MIMALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "mimalloc",
        tagger: workloads::Untagged,
        describe: || serde_json::json!({ "name": "mimalloc", "crate": "0.1" }),
    })
}
