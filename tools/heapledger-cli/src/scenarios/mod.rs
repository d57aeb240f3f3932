//! `heapledger scenario`: small programs whose truth is known from arithmetic, each in a process of its own.
//!
//! A scenario's file has its program and the arithmetic that says what a statement must say of it. The program runs in
//! a process that this one starts with the settings of jemalloc that the scenario needs (`process.rs`), takes
//! statements and notes checks (`scene.rs`, `check.rs`); the report comes back through a pipe and is printed here
//! (`render.rs`).

pub mod check;
mod error;
pub mod flows;
pub mod process;
mod programs;
mod render;
pub mod scene;

use crate::args::ScenarioArgs;
use crate::output::{self, Look};
pub use error::ScenarioError;
pub use programs::SCENARIOS;
use scene::{Report, SceneError};

/// A scenario: what it shows, and the processes that it takes.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in one line.
    pub shows: &'static str,
    /// What happens, step by step.
    pub story: &'static [&'static str],
    /// One process each.
    pub runs: &'static [Run],
    /// Whether the processes run side by side, because they mostly wait; else one after the other.
    pub at_once: bool,
    /// The most memory that those that run at one time have, with room for what keeps books.
    pub peak_bytes: u64,
}

/// One process of a scenario.
#[derive(Debug)]
pub struct Run {
    /// What sets it apart from the scenario's others; empty if it is the only one.
    pub title: &'static str,
    /// Settings of jemalloc beside those of every scenario.
    pub settings: &'static str,
    /// What it does.
    pub program: fn() -> Result<Report, SceneError>,
}

impl Run {
    /// The one process of a scenario that needs no others.
    const fn only(settings: &'static str, program: fn() -> Result<Report, SceneError>) -> Self {
        Self { title: "", settings, program }
    }
}

/// The names, for the command line.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name)
}

/// Lists the scenarios or runs one.
///
/// # Errors
/// The scenario could not be run, or a check of it fails.
pub fn run(args: &ScenarioArgs) -> Result<(), ScenarioError> {
    let Some(name) = &args.name else { return list(args.json) };
    let scenario =
        SCENARIOS.iter().find(|known| known.name == name).ok_or_else(|| ScenarioError::Name(name.clone()))?;
    process::check_memory(scenario)?;
    let look = Look::of_stdout();
    if !args.json {
        output::print(&render::heading(look, scenario))?;
    }
    let mut reports = Vec::with_capacity(scenario.runs.len());
    let mut show = |run: &Run, report: Result<Report, ScenarioError>| -> Result<(), ScenarioError> {
        let report = report?;
        if !args.json {
            output::print(&render::run(look, run, &report))?;
        }
        reports.push(report);
        Ok(())
    };
    if scenario.at_once {
        for (run, report) in scenario.runs.iter().zip(process::run_at_once(scenario)) {
            show(run, report)?;
        }
    } else {
        for (index, run) in scenario.runs.iter().enumerate() {
            show(run, process::run(scenario, index))?;
        }
    }
    let checks = || reports.iter().flat_map(|report| &report.checks);
    let failed = checks().filter(|check| !check.ok).count();
    let count = checks().count();
    let text = if args.json { render::json(scenario, &reports) } else { render::end(look, count, failed) };
    output::print(&text)?;
    if failed == 0 { Ok(()) } else { Err(ScenarioError::Failed { name: scenario.name, failed, count }) }
}

fn list(json: bool) -> Result<(), ScenarioError> {
    Ok(output::print(&if json { render::list_json() } else { render::list() })?)
}
