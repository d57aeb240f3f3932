//! A few runs of each mode whose decay times are a second or less; the long run is recorded in `records/`.

use std::process::Command;

use heapledger_tests::lanes;

/// Less than half a gigabyte of children at a time.
const RUNS: &str = "3";

#[test]
fn freed_memory_is_where_the_forecast_said_in_every_mode() {
    let _alone = lanes::timed();
    let output = Command::new(env!("CARGO_BIN_EXE_heapledger-forecast"))
        .args(["run", "--short", "--runs", RUNS])
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for mode in ["off-idle-1s", "off-cached-1s", "off-busy-1s", "off-busy-0", "off-busy-never", "off-busy-muzzy-short"]
    {
        assert!(text.contains(mode), "{mode} was not run\n{text}");
    }
}
