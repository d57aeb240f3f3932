//! The command line and the one line of JSON that all engines share.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{Outcome, Tagger, run};

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

/// The `main` of an engine: `ENGINE WORKLOAD [--iterations N]` measures, `ENGINE describe` says what the allocator is.
pub fn main<T: Tagger>(engine: Engine<T>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["describe"] => Ok(json!({ "engine": engine.id, "allocator": (engine.describe)() })),
        [workload] => measure(engine, workload, None),
        [workload, "--iterations", count] => match count.parse() {
            Ok(count) if count > 0 => measure(engine, workload, Some(count)),
            _ => Err(format!("--iterations takes a number above zero, not {count:?}")),
        },
        _ => Err(format!("usage: {} WORKLOAD [--iterations N], or: {} describe", engine.id, engine.id)),
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

fn measure<T: Tagger>(engine: Engine<T>, workload: &str, iterations: Option<u64>) -> Result<Value, String> {
    let Outcome { elapsed_ns, cpu_ns, operations } =
        run(workload, engine.tagger, iterations).ok_or_else(|| format!("there is no workload called {workload:?}"))?;
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
