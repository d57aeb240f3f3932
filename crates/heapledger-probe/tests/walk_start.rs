//! A process of its own: what a walk says of a program that has just begun.
#![cfg(target_os = "linux")]

mod support;

use heapledger_alloc::Ledger;
use heapledger_probe::Walker;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

/// Thread-local variables of the main thread, which the dynamic loader maps without a name.
const NAMELESS_AT_START_BYTES: u64 = 64 << 10;

#[test]
fn every_page_of_a_new_process_has_its_line() {
    let mut walker = Walker::new().expect("buffers");
    for round in 0..3 {
        let taken = support::take(&mut walker);
        println!("round {round}\n{}", support::describe(&taken));
        support::assert_quiet(&taken);
        assert!(support::unattributed(&taken.walk) <= NAMELESS_AT_START_BYTES, "{}", support::describe(&taken));
    }
}
