//! Benchmark engine `glibc`: the allocator of the C library, as programs without a `#[global_allocator]` have it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static SYSTEM: std::alloc::System = std::alloc::System;

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "glibc",
        tagger: workloads::Untagged,
        describe: || serde_json::json!({ "name": "the C library's malloc" }),
    })
}
