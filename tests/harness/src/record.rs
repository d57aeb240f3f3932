//! The record of a run: what was run, on what, and what came of it. One fact per line, no paths.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Writes the facts of the run, those of its sources and its machine, and the report. `sources` are the folders whose
/// changes since the commit are counted, from the root of the repository.
///
/// # Errors
/// When the file cannot be written. What is not known of the machine is recorded as unknown.
pub fn write(file: &Path, run: &[(&str, String)], sources: &[&str], report: &str) -> io::Result<()> {
    let here = [
        ("commit", first_line("git", &["rev-parse", "HEAD"])),
        ("changed files", changed_files(sources)),
        ("compiler", first_line("rustc", &["--version"])),
        ("processor", field("/proc/cpuinfo", "model name")),
        ("processors", std::thread::available_parallelism().map_or("unknown".to_owned(), |count| count.to_string())),
        ("kernel", first_line("uname", &["-sr"])),
        ("memory", field("/proc/meminfo", "MemTotal")),
        ("date", first_line("date", &["-u", "+%Y-%m-%d"])),
    ];
    let facts: String = run.iter().chain(&here).map(|(name, value)| format!("{name} = {value}\n")).collect();
    fs::write(file, facts + report)
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

/// Whether what ran is what the commit says.
fn changed_files(sources: &[&str]) -> String {
    let folders = sources.iter().map(|folder| format!(":/{folder}"));
    match Command::new("git").args(["status", "--porcelain", "--"]).args(folders).output() {
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
