//! The command line and the one line of JSON that all engines share.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{Outcome, Tagger, footprint, latency, run};

/// What tells one engine from another, beside its `#[global_allocator]`.
#[derive(Clone, Copy, Debug)]
pub struct Engine<T> {
    /// Its name on the command line of the harness, in records and in tables.
    pub id: &'static str,
    /// How it enters regions.
    pub tagger: T,
    /// Says what the allocator is and how it was built; called only by `describe`, in a process of its own.
    pub describe: fn() -> Value,
}

const USAGE: &str =
    "WORKLOAD [--iterations N] | latency PATTERN [--operations N] | footprint KIND --count N | describe";

/// The `main` of an engine: `WORKLOAD` measures time and peak RSS, `latency` single operations, `footprint` what
/// threads and regions cost, and `describe` says what the allocator is.
pub fn main<T: Tagger>(engine: Engine<T>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["describe"] => Ok(json!({ "engine": engine.id, "allocator": (engine.describe)() })),
        ["latency", pattern] => latencies(engine, pattern, None),
        ["latency", pattern, "--operations", count] => {
            number("--operations", count).and_then(|count| latencies(engine, pattern, Some(count)))
        }
        ["footprint", kind, "--count", count] => number("--count", count).and_then(|count| {
            footprint::run(kind, engine.tagger, count).unwrap_or_else(|| Err(format!("nothing is called {kind:?}")))
        }),
        [workload] => measure(engine, workload, None),
        [workload, "--iterations", count] => {
            number("--iterations", count).and_then(|count| measure(engine, workload, Some(count)))
        }
        _ => Err(format!("usage: {} {USAGE}", engine.id)),
    };
    match result {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{option} takes a number above zero, not {text:?}")),
    }
}

fn latencies<T: Tagger>(engine: Engine<T>, pattern: &str, operations: Option<u64>) -> Result<Value, String> {
    latency::run(pattern, engine.tagger, operations).ok_or_else(|| format!("there is no pattern called {pattern:?}"))
}

fn measure<T: Tagger>(engine: Engine<T>, workload: &str, iterations: Option<u64>) -> Result<Value, String> {
    let Outcome { elapsed_ns, cpu_ns, operations } = run(workload, engine.tagger, iterations)
        .ok_or_else(|| format!("there is no workload called {workload:?} in this build"))?;
    Ok(json!({
        "engine": engine.id,
        "workload": workload,
        "elapsed_ns": elapsed_ns,
        "cpu_ns": cpu_ns,
        "operations": operations,
        "peak_rss_bytes": peak_rss_bytes(),
    }))
}

/// The highest RSS of this process so far as the kernel counted it (`VmHWM`), or `None` where /proc does not say.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
