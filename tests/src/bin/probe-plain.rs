//! The probes with jemalloc as it is, through the same binding that the ledger wraps.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    heapledger_tests::probes::main();
}
