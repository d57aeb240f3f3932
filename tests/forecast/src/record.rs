//! The record of a run.

use std::fs;
use std::io;
use std::path::Path;

use heapledger_harness::record;

use crate::args::Args;

/// What else the machine did: the kernel's load of the last minute.
pub fn load() -> String {
    let all = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// `load` is that from before the run.
pub fn write(file: &Path, args: &Args, load: String, report: &str, passed: bool) -> io::Result<()> {
    let run = [
        ("command", args.command()),
        ("result", if passed { "passed" } else { "failed" }.to_owned()),
        ("load before it", load),
    ];
    record::write(file, &run, &["crates"], report)
}
