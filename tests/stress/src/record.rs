//! The record of a run.

use std::io;
use std::path::Path;

use heapledger_harness::record;

use crate::args::Args;

/// Writes the record of a run that passed.
pub fn write(file: &Path, args: &Args, report: &str, seconds: u64) -> io::Result<()> {
    let run = [
        ("command", args.command()),
        ("seed", args.seed.to_string()),
        ("jemalloc settings", settings()),
        ("result", "passed: every region equal to the oracle at every quiescent point".to_owned()),
        ("seconds", seconds.to_string()),
    ];
    record::write(file, &run, &["crates/heapledger-core", "crates/heapledger-alloc"], report)
}

/// What jemalloc was told: first by the program, then by whoever ran it.
fn settings() -> String {
    let more = std::env::var("_RJEM_MALLOC_CONF").unwrap_or_default();
    [crate::OWN_MALLOC_CONF.to_str().unwrap_or_default(), &more].join(" ").trim_end().to_owned()
}
