//! Measures what statements say and cost under load; see `src/measure.rs`. Its load is this program again, as a probe.

use std::process::ExitCode;

use heapledger_tests::measure::{Args, USAGE, cost, load, stalls};
use heapledger_tests::probes;

#[global_allocator]
static ALLOCATOR: heapledger_alloc::Ledger = heapledger_alloc::Ledger::new();

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let result = match words.next().as_deref() {
        Some("probe") => {
            probes::run(words);
            Ok(())
        }
        Some("load") => Args::parse(load::DEFAULTS, words).and_then(|args| load::run(&args)),
        Some("stalls") => Args::parse(stalls::DEFAULTS, words).and_then(|args| stalls::run(&args)),
        Some("cost") => Args::parse(cost::DEFAULTS, words).and_then(|args| cost::run(&args)),
        Some("cost-of") => cost::run_one(words),
        Some("--help") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
