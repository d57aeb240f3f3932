//! The record of a run: what was run, on what, and what came of it. One fact per line, no paths.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::args::Args;

/// What else the machine did: the kernel's load of the last minute.
pub fn load() -> String {
    let all = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// `load` is that from before the run.
pub fn write(file: &Path, args: &Args, load: String, report: &str, passed: bool) -> io::Result<()> {
    let facts = [
        ("command", args.command()),
        ("result", if passed { "passed" } else { "failed" }.to_owned()),
        ("commit", first_line("git", &["rev-parse", "HEAD"])),
        ("compiler", first_line("rustc", &["--version"])),
        ("processors", std::thread::available_parallelism().map_or("unknown".to_owned(), |count| count.to_string())),
        ("load before it", load),
        ("kernel", first_line("uname", &["-sr"])),
        ("date", first_line("date", &["-u", "+%Y-%m-%d"])),
    ];
    let facts: String = facts.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    fs::write(file, facts + report)
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}
