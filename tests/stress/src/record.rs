//! The record of a run: what was run, on what, and what came of it. One fact per line, no paths.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::args::Args;

/// Writes the record of a run that passed.
pub fn write(file: &Path, args: &Args, report: &str, seconds: u64) -> io::Result<()> {
    let facts = [
        ("command", args.command()),
        ("seed", args.seed.to_string()),
        ("jemalloc settings", settings()),
        ("result", "passed: every region equal to the oracle at every quiescent point".to_owned()),
        ("seconds", seconds.to_string()),
        ("commit", first_line("git", &["rev-parse", "HEAD"])),
        ("changed files", changed_files()),
        ("compiler", first_line("rustc", &["--version"])),
        ("processor", field("/proc/cpuinfo", "model name")),
        ("processors", std::thread::available_parallelism().map_or("unknown".to_owned(), |count| count.to_string())),
        ("kernel", first_line("uname", &["-sr"])),
        ("memory", field("/proc/meminfo", "MemTotal")),
        ("date", first_line("date", &["-u", "+%Y-%m-%d"])),
    ];
    let facts: String = facts.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    fs::write(file, facts + report)
}

/// What jemalloc was told: first by the program, then by whoever ran it.
fn settings() -> String {
    let more = std::env::var("_RJEM_MALLOC_CONF").unwrap_or_default();
    [crate::OWN_MALLOC_CONF.to_str().unwrap_or_default(), &more].join(" ").trim_end().to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

/// Whether what ran is what the commit says, as far as the crates under test go.
fn changed_files() -> String {
    let arguments = ["status", "--porcelain", "--", ":/crates/heapledger-core", ":/crates/heapledger-alloc"];
    match Command::new("git").args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).lines().count().to_string(),
        _ => "unknown".to_owned(),
    }
}

/// The value of a line `name: value` of a file of the kernel's.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    value.map_or("unknown", |(_, value)| value.trim()).to_owned()
}
