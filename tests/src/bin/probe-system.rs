//! The probes with the C library's allocator: nothing of jemalloc is used.

#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

fn main() {
    heapledger_tests::probes::main();
}
