//! Freed memory that goes back, or does not, in each way there is: is it where the forecast said?
//!
//! `run` starts one process for each run of each mode, all of a mode at once unless they are busy. The child frees
//! 64 MiB, takes a statement, prints the band of its forecast for many times ahead, and goes on as its mode says. The
//! parent reads the child's RSS at those times: what the child's free pages have lost is what RSS fell by. So the
//! subject of the measurement neither allocates nor reads while it is measured. A look that comes late is compared with
//! the band of the time at which it was, and traffic that the machine kept waiting longer than the forecast assumes lets
//! as much be left as it was late.
#![forbid(unsafe_code)]

mod args;
mod child;
mod modes;
mod record;
mod watch;

use std::process::ExitCode;
use std::thread;

use args::Args;
use modes::Mode;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match words.next().as_deref() {
        Some("child") => child::run(words),
        Some("run") => Args::parse(words).and_then(|args| run(&args)),
        _ => Err(args::USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type ModeRuns = (&'static Mode, Result<Vec<watch::Run>, String>);

/// The runs of each mode, one mode after the other or all at once.
fn results(args: &Args) -> Vec<ModeRuns> {
    let count = args.runs;
    if !args.together {
        return args.modes().map(|mode| (mode, watch::runs(mode, count))).collect();
    }
    let threads: Vec<_> = args.modes().map(|mode| (mode, thread::spawn(move || watch::runs(mode, count)))).collect();
    let joined = |thread: thread::JoinHandle<_>| thread.join().unwrap_or_else(|_| Err("a watcher panicked".to_owned()));
    threads.into_iter().map(|(mode, thread)| (mode, joined(thread))).collect()
}

fn run(args: &Args) -> Result<(), String> {
    let load = record::load();
    let mut report = String::new();
    let mut failed = Vec::new();
    for (mode, runs) in results(args) {
        let runs = runs?;
        let sum = watch::Sum::of(&runs);
        let line = sum.line(mode);
        println!("{line}");
        report.push_str(&format!("{line}\n"));
        for run in runs.iter().filter(|_| args.verbose) {
            println!("{run}");
        }
        failed.extend(sum.failures(mode));
    }
    if let Some(file) = &args.record {
        record::write(file, args, load, &report, failed.is_empty())
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
