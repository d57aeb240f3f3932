//! The probes with the ledger as the program's allocator, and a list of every block beside it.

#[global_allocator]
static ALLOCATOR: heapledger_tests::audit::Audit = heapledger_tests::audit::Audit::new();

fn main() {
    heapledger_tests::probes::main();
}
