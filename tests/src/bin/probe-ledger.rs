//! The probes with the ledger as the program's allocator.

#[global_allocator]
static ALLOCATOR: heapledger_alloc::Ledger = heapledger_alloc::Ledger::new();

fn main() {
    heapledger_tests::probes::main();
}
