//! What can be said on the command line, and how a size is read.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use thiserror::Error;

use crate::demo::model_file::shape::MIN_MODEL_BYTES;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "heapledger", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

const ABOUT: &str = "Know every live byte of a Rust program by region, and where its RSS went";
const LONG_ABOUT: &str = "Know every live byte of a Rust program by region, and where its RSS went.\n\n\
    This program has the heapledger library as its own global allocator and shows what it says of a real \
    sequence of loads, hand-overs and frees.";
const AFTER_HELP: &str = "Exit codes: 0 all went well; 1 a failure, named on stderr; 2 wrong usage; \
    128 + the signal's number when ended by a signal (130 for Ctrl-C, 143 for SIGTERM, 141 when the reader of stdout left).";

/// One subcommand per thing to show.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a model server and print a statement of its memory after each of its stages
    #[command(long_about = DEMO_ABOUT)]
    Demo(DemoArgs),
    /// Run a small program whose truth is known from arithmetic, and check each line of its statements
    #[command(long_about = SCENARIO_ABOUT)]
    Scenario(ScenarioArgs),
    /// The other end of the demo's pipe; not for people.
    #[command(hide = true)]
    Device,
    /// One process of a scenario; not for people.
    #[command(hide = true)]
    Scene(SceneArgs),
}

const DEMO_ABOUT: &str = "Start a model server and print a statement of its memory after each of its stages.\n\n\
    It reads a safetensors file into region `weights`, builds a tokenizer, hands the weights to a device (a child \
    process that keeps them and answers with a checksum), frees them, allocates a KV cache, and serves requests, each in a \
    region of its own. After each stage it compares what the ledger says with what arithmetic says, to the byte, and fails \
    if they differ.\n\n\
    It holds the weights twice for a while, here and in the device, so it needs about 2.3 times the model's size of memory.";

/// The demo's arguments.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Load this safetensors file; without it the demo writes one to a temporary folder and removes it
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Bytes of weights to write when no --model is given: a whole number, plain or with KiB, MiB, GiB or TiB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size, allow_negative_numbers = true, conflicts_with = "model")]
    pub size: u64,
    /// How many requests to serve
    #[arg(long, value_name = "N", default_value_t = 200, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=MAX_REQUESTS))]
    pub requests: u32,
    /// Print one JSON object per stage, a line each, and nothing else on stdout
    #[arg(long)]
    pub json: bool,
    /// Stay at the end until what is free has gone by the forecast, and show whether it came so
    #[arg(long)]
    pub wait: bool,
    /// Apply what was found at the end, stay until it has had its effect, and show the difference
    #[arg(long)]
    pub cure: bool,
}

const SCENARIO_ABOUT: &str = "Run a small program whose truth is known from arithmetic, and check each line of its statements.\n\n\
    The program runs in a process of its own, with the settings of jemalloc that it needs; what the environment says of them is \
    left out. Each check has the truth that the sequence of allocations and jemalloc's size classes give, and what the statement \
    says. It fails if one of them does not hold.";

/// The arguments of `scenario`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["name", "list"]))]
pub struct ScenarioArgs {
    /// Which one
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(crate::scenarios::names()))]
    pub name: Option<String>,
    /// Print the names, each with what it shows
    #[arg(long)]
    pub list: bool,
    /// Print one JSON object with the checks, and nothing else on stdout; with --list an array of the names
    #[arg(long)]
    pub json: bool,
}

/// The arguments of the process of a scenario.
#[derive(Args, Debug)]
pub struct SceneArgs {
    /// Which scenario.
    pub name: String,
    /// Which of its processes.
    pub run: usize,
}

/// Enough to run for minutes; more only takes longer.
const MAX_REQUESTS: i64 = 100_000_000;

/// Why a size on the command line was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SizeError {
    /// No digits at the start.
    #[error("a size starts with a whole number, as in 64MiB, 1GiB or 1048576")]
    NoNumber,
    /// A unit that is not one of ours.
    #[error("unknown unit {0:?}: give plain bytes, or KiB, MiB, GiB or TiB (powers of 1024)")]
    Unit(String),
    /// It does not fit a file's length.
    #[error("more than any file can hold: give at most 4611686018427387904 bytes")]
    TooLarge,
    /// Nothing to load.
    #[error("zero bytes hold no model: give at least {MIN_MODEL_BYTES} bytes, as in 64MiB")]
    Zero,
    /// Smaller than one layer of the smallest transformer that the demo writes.
    #[error("too small for one transformer layer: give at least {MIN_MODEL_BYTES} bytes, as in 64MiB")]
    TooSmall,
}

/// File lengths are signed 64-bit numbers; half of that leaves room for the header and for doubling.
const MAX_SIZE_BYTES: u64 = 1 << 62;

/// Reads a size: digits and an optional binary unit, in any case, with or without a space between.
fn parse_size(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err(SizeError::NoNumber);
    }
    let unit = unit.trim_start();
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(SizeError::Unit(unit.to_owned())),
    };
    // The digits are digits, so the only way to fail is to be too long.
    let number: u64 = digits.parse().map_err(|_| SizeError::TooLarge)?;
    let bytes = number.checked_mul(factor).filter(|&bytes| bytes <= MAX_SIZE_BYTES).ok_or(SizeError::TooLarge)?;
    match bytes {
        0 => Err(SizeError::Zero),
        _ if bytes < MIN_MODEL_BYTES => Err(SizeError::TooSmall),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_in_bytes_and_binary_units() {
        assert_eq!(parse_size("1048576"), Ok(1 << 20));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size(" 1 gib "), Ok(1 << 30));
        assert_eq!(parse_size("131072b"), Ok(131_072));
        assert_eq!(parse_size("2TiB"), Ok(2 << 40));
    }

    #[test]
    fn bad_sizes_are_refused_by_name() {
        assert_eq!(parse_size(""), Err(SizeError::NoNumber));
        assert_eq!(parse_size("-5"), Err(SizeError::NoNumber));
        assert_eq!(parse_size("MiB"), Err(SizeError::NoNumber));
        assert_eq!(parse_size("0"), Err(SizeError::Zero));
        assert_eq!(parse_size("0GiB"), Err(SizeError::Zero));
        assert_eq!(parse_size("131071"), Err(SizeError::TooSmall));
        assert_eq!(parse_size("64MB"), Err(SizeError::Unit("MB".to_owned())));
        assert_eq!(parse_size("1.5GiB"), Err(SizeError::Unit(".5GiB".to_owned())));
        assert_eq!(parse_size("99999999999999999999"), Err(SizeError::TooLarge));
        assert_eq!(parse_size("16777216TiB"), Err(SizeError::TooLarge));
        assert_eq!(parse_size("4611686018427387905"), Err(SizeError::TooLarge));
    }

    #[test]
    fn a_model_and_a_size_exclude_each_other() {
        let both = Cli::try_parse_from(["heapledger", "demo", "--model", "x", "--size", "64MiB"]);
        assert_eq!(both.unwrap_err().kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
