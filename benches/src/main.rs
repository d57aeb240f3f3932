//! The benchmark harness of heapledger: what the ledger costs, as ratios to plain jemalloc.
//!
//! `compare` and `instructions` measure and write a record; `report` and `gates` read records. README.md beside this
//! package says what is measured, and how to add a workload or an engine.
#![forbid(unsafe_code)]

mod commands;
mod compare;
mod costs;
mod engines;
mod gates;
mod instructions;
mod machine;
mod progress;
mod record;
mod rows;
mod run;
mod stats;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The folder of the workspace, where cargo and git are run.
pub const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Measures what heapledger costs, as ratios to plain jemalloc.
#[derive(Parser)]
#[command(name = "heapledger-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Times engines against each other in interleaved rounds, and their peak RSS.
    Compare(Compare),
    /// Counts instructions per allocation and free under callgrind.
    Instructions(Instructions),
    /// Writes the cost table of a README from records.
    Report(Report),
    /// Compares the medians of a record with the limits that heapledger must keep.
    Gates {
        /// The record of a `compare`.
        #[arg(long)]
        record: PathBuf,
    },
    /// Names every workload and every engine.
    List,
}

#[derive(Args)]
struct Choice {
    /// Only these workloads, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    only: Vec<String>,
    /// Only these engines, separated by commas; without `plain` there are no ratios.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    engines: Vec<String>,
    /// Writes the record here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Compare {
    #[command(flatten)]
    choice: Choice,
    /// Every workload with fewer rounds.
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
    /// How many rounds.
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Args)]
struct Instructions {
    #[command(flatten)]
    choice: Choice,
    /// How many times each count is taken.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Args)]
struct Report {
    /// The record of a `compare` or of `instructions`; several give several tables. Without it: those the README names.
    #[arg(long)]
    record: Vec<PathBuf>,
    /// The file with the markers `<!-- costs:begin -->` and `<!-- costs:end -->`.
    #[arg(long, default_value = "README.md")]
    readme: PathBuf,
    /// Changes nothing, and fails if the table differs from its records.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Compare(arguments) => commands::compare(&arguments),
        Task::Instructions(arguments) => commands::instructions(&arguments),
        Task::Report(arguments) => commands::report(&arguments),
        Task::Gates { record } => commands::gates(&record),
        Task::List => {
            commands::list();
            Ok(true)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("heapledger-bench: {message}");
            ExitCode::from(2)
        }
    }
}
