//! Statements of a program under load. A short run; `measure-statements load` makes the long one and its record.

use std::process::Command;

use heapledger_tests::{lanes, outside};

/// The rings are 200 MiB.
const HELD_MIB: usize = 256;
const STATEMENTS: usize = 40;

#[test]
fn under_load_nothing_is_unexplained_beyond_the_skew_and_every_region_is_what_the_load_says() {
    let _room = lanes::memory(1 << 30);
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe-ledger"));
    command.arg("load").arg(format!("mib={HELD_MIB}")).arg(format!("statements={STATEMENTS}"));
    let (samples, wrong) = outside::load::run(command, STATEMENTS);
    assert_eq!(samples.len(), STATEMENTS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(samples.iter().any(|sample| sample.traffic > 0), "there was load");
}
