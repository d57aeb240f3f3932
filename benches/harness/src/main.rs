//! The benchmark harness of heapledger: what the ledger costs, as ratios to plain jemalloc.
//!
//! `compare` and `instructions` measure and write a record; `report` and `gates` read records. README.md beside this
//! package says what is measured, and how to add a workload or an engine.
#![forbid(unsafe_code)]

mod build;
mod commands;
mod compare;
mod costs;
mod engines;
mod footprint;
mod gates;
mod golden;
mod instructions;
mod latency;
mod machine;
mod output;
mod page;
mod progress;
mod record;
mod rows;
mod run;
mod scale;
mod stats;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The folder of the workspace, where cargo and git are run.
pub const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

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
    /// Times single allocations and frees: p50, p99, p99.9 and the longest.
    Latency(Latency),
    /// Measures code size and resident memory per thread and per region.
    Footprint(Footprint),
    /// Times readings of the ledger while the process grows, and what other threads feel meanwhile.
    Scale(Scale),
    /// Fails if instructions per pair or code have grown beyond the accepted counts.
    Golden(Golden),
    /// Writes the cost table of a README from records.
    Report(Report),
    /// Compares the medians of a record with the limits that heapledger must keep.
    Gates {
        /// The record of a `compare`, of `latency` or of `footprint`; several are judged together.
        #[arg(long, required = true)]
        record: Vec<PathBuf>,
        /// Judges the medians of all rounds of several records of `compare`, which must be of one commit.
        #[arg(long)]
        pooled: bool,
    },
    /// Names every workload and every engine.
    List,
}

#[derive(Args, Default)]
struct Choice {
    /// Only these workloads, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    only: Vec<String>,
    /// Only these engines, separated by commas; `ledger` stands for plain and heapledger; without `plain` there are no
    /// ratios.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    engines: Vec<String>,
    /// Builds nothing and runs the programs in this folder, which a run before left there (`target/release`).
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// Writes the record here; without it into target/heapledger-bench, with the day and time in its name.
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
struct Latency {
    /// `--only` takes patterns here.
    #[command(flatten)]
    choice: Choice,
    /// How many rounds.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Args)]
struct Footprint {
    /// `--only` takes `program`, `threads` and `regions` here.
    #[command(flatten)]
    choice: Choice,
    /// How many times each is measured.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Args)]
struct Scale {
    /// Only these shapes, separated by commas: resident, mixed, extents, threads, regions, stalls.
    #[arg(long, value_delimiter = ',', value_name = "SHAPE")]
    only: Vec<String>,
    /// In how many processes each value is measured; each calls several times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Builds nothing and runs the programs in this folder, which a run before left there (`target/release`).
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// Writes the record here; without it into target/heapledger-bench, with the day and time in its name.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Golden {
    /// The file of accepted counts; without it benches/golden.json of the workspace.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Accepts the counts of this build: writes them into the file.
    #[arg(long)]
    accept: bool,
    /// Builds nothing and runs the programs in this folder.
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
}

#[derive(Args)]
struct Report {
    /// A record; several give several tables. Without it: those that the document names.
    #[arg(long)]
    record: Vec<PathBuf>,
    /// Writes one self-contained page with charts of the records, and touches no README.
    #[arg(long, value_name = "FILE", requires = "record", conflicts_with_all = ["readme", "check"])]
    html: Option<PathBuf>,
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
        Task::Latency(arguments) => commands::latency(&arguments),
        Task::Footprint(arguments) => commands::footprint(&arguments),
        Task::Scale(arguments) => commands::scale(&arguments),
        Task::Golden(arguments) => commands::golden(&arguments),
        Task::Report(arguments) => commands::report(&arguments),
        Task::Gates { record, pooled } => commands::gates(&record, pooled),
        Task::List => commands::list(),
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
