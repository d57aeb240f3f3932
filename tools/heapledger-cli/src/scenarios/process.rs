//! A process per program, with the settings that the program needs.

use std::process::{Command, Stdio};

use super::scene::Report;
use super::{SCENARIOS, Scenario, ScenarioError};
use crate::demo::room::available_memory;
use crate::output;

/// jemalloc reads its settings from here.
const SETTINGS_VARIABLE: &str = "_RJEM_MALLOC_CONF";

/// What every scenario says of jemalloc, so that neither the number of CPUs nor the machine's own settings decide: the
/// defaults of version 5.3 where that has any, and a pair that jemalloc does not know ends the program. What a scenario says comes behind it and is what counts.
const SETTINGS: &str = "abort_conf:true,narenas:8,percpu_arena:disabled,background_thread:false,dirty_decay_ms:10000,muzzy_decay_ms:0,\
    oversize_threshold:8388608,tcache:true,tcache_max:32768,retain:true,metadata_thp:disabled,thp:";

/// Settings of the C library that would move its blocks elsewhere.
const FOREIGN_VARIABLES: [&str; 7] = [
    "GLIBC_TUNABLES",
    "MALLOC_ARENA_MAX",
    "MALLOC_ARENA_TEST",
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
];

/// The settings of one process, as jemalloc reads them.
pub fn settings(run: &super::Run) -> String {
    // Where huge pages are given to everybody, a truth in pages of 4 KiB needs them refused.
    let everywhere = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let thp = if everywhere.is_ok_and(|modes| modes.contains("[always]")) { "never" } else { "default" };
    let joint = if run.settings.is_empty() { "" } else { "," };
    format!("{SETTINGS}{thp}{joint}{}", run.settings)
}

/// Refuses a scenario that would not fit, where that can be known.
pub fn check_memory(scenario: &Scenario) -> Result<(), ScenarioError> {
    match available_memory() {
        Some(free_bytes) if free_bytes < scenario.peak_bytes => {
            Err(ScenarioError::Memory { name: scenario.name, needs_bytes: scenario.peak_bytes, free_bytes })
        }
        _ => Ok(()),
    }
}

/// Runs one program of a scenario in a process of its own and returns what it reports.
pub fn run(scenario: &'static Scenario, index: usize) -> Result<Report, ScenarioError> {
    let name = scenario.name;
    let start = |source| ScenarioError::Start { name, source };
    let program = std::env::current_exe().map_err(start)?;
    let mut command = Command::new(program);
    command.args(["scene", name, &index.to_string()]);
    command.env(SETTINGS_VARIABLE, settings(&scenario.runs[index]));
    for variable in FOREIGN_VARIABLES {
        command.env_remove(variable);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(start)?;
    if !output.status.success() {
        return Err(ScenarioError::Ended { name, status: output.status, needs_bytes: scenario.peak_bytes });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| ScenarioError::Report { name, source })
}

/// Runs all programs of a scenario at the same time.
pub fn run_at_once(scenario: &'static Scenario) -> Vec<Result<Report, ScenarioError>> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..scenario.runs.len()).map(|index| scope.spawn(move || run(scenario, index))).collect();
        // A thread that only waits for a process does not panic.
        runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// The other end: does what the scenario's program does and sends the report. Returns the exit code.
pub fn program(name: &str, index: usize) -> i32 {
    end_with_parent();
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let Some(run) = scenario.and_then(|scenario| scenario.runs.get(index)) else {
        output::complain(&ScenarioError::Name(name.to_owned()));
        return 2;
    };
    let sent = (run.program)().map_err(|error| output::complain(&error)).and_then(|report| {
        let text = serde_json::to_string(&report).map_err(|error| output::complain(&error))?;
        output::print(&text).map_err(|error| output::complain(&error))
    });
    i32::from(sent.is_err())
}

/// A scenario whose reader was killed is of no use, and may hold gigabytes.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    {
        // Where the system refuses, the program ends by itself some seconds later.
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    }
}
