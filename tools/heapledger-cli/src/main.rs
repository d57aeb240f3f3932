//! The program `heapledger`: the library shown at work, with the ledger as this program's own allocator.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod args;
mod demo;
mod output;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Cli, Command};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    let started = Instant::now();
    let code = match Cli::parse().command {
        Command::Demo(args) => finish(demo::run(&args, started)),
        Command::Device => demo::device::process::run(),
    };
    // Every code used here is below 256; anything else is a failure like any other.
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Says what went wrong, if it is worth saying, and gives the exit code.
fn finish(result: Result<(), demo::error::DemoError>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            if !error.is_quiet() {
                output::complain(&error);
            }
            error.exit_code()
        }
    }
}
