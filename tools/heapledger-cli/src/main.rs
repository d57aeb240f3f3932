//! The program `heapledger`: the library shown at work, with the ledger as this program's own allocator.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod args;
mod demo;
mod output;
mod scenarios;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Cli, Command};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    let started = Instant::now();
    let code = match Cli::parse().command {
        Command::Demo(args) => finish(demo::run(&args, started), |error| error.is_quiet(), |error| error.exit_code()),
        Command::Scenario(args) => finish(scenarios::run(&args), |error| error.is_quiet(), |error| error.exit_code()),
        Command::Device => demo::device::process::run(),
        Command::Scene(args) => scenarios::process::program(&args.name, args.run),
    };
    // Every code used here is below 256; anything else is a failure like any other.
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Says what went wrong, if it is worth saying, and gives the exit code.
fn finish<E: Display>(result: Result<(), E>, is_quiet: impl Fn(&E) -> bool, exit_code: impl Fn(&E) -> i32) -> i32 {
    result.map_or_else(
        |error| {
            if !is_quiet(&error) {
                output::complain(&error);
            }
            exit_code(&error)
        },
        |()| 0,
    )
}
