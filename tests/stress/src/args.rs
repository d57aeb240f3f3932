//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

/// Printed for `--help` and after a mistake.
pub const USAGE: &str = "\
heapledger-stress [MODE] [--ops N] [--points P] [--threads T] [--seed S] [--record FILE]

MODE    random (default)  histories of T threads, compared with the oracle at P quiescent points
        directed          few slots per page, two regions, mostly foreign frees, one registered thread that flips pages
        crowd             the same with all threads registered: no page may be flipped
        reader            sums are read all the time while blocks change hands; nothing may be negative or go back
--ops N      calls of the allocator (default 20000000); in directed mode those of the main thread
--points P   quiescent points (default 200)
--threads T  worker threads in random mode (default 8)
--seed S     default: from the clock; printed
--record F   write what ran, and its result, to F";

/// What is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// See [`USAGE`].
    Random,
    /// See [`USAGE`].
    Directed,
    /// See [`USAGE`].
    Crowd,
    /// See [`USAGE`].
    Reader,
}

/// The command line, parsed.
#[derive(Clone, Debug)]
pub struct Args {
    /// What is run.
    pub mode: Mode,
    /// Calls of the allocator.
    pub ops: u64,
    /// Quiescent points.
    pub points: u64,
    /// Worker threads.
    pub threads: usize,
    /// Decides everything but the interleaving.
    pub seed: u64,
    /// Where the record goes.
    pub record: Option<PathBuf>,
}

impl Args {
    /// Parses; the error is a sentence.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args =
            Args { mode: Mode::Random, ops: 20_000_000, points: 200, threads: 8, seed: from_clock(), record: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                "random" => args.mode = Mode::Random,
                "directed" => args.mode = Mode::Directed,
                "crowd" => args.mode = Mode::Crowd,
                "reader" => args.mode = Mode::Reader,
                "--ops" => args.ops = value(&word, words.next())?,
                "--points" => args.points = value(&word, words.next())?,
                "--threads" => args.threads = value(&word, words.next())?,
                "--seed" => args.seed = value(&word, words.next())?,
                "--record" => args.record = Some(value(&word, words.next())?),
                _ => return Err(format!("unknown argument `{word}`")),
            }
        }
        if args.points == 0 || args.threads == 0 || args.ops / args.points == 0 {
            return Err("there must be a thread, a point, and an operation before each".to_owned());
        }
        Ok(args)
    }

    /// The command that does the same again.
    pub fn command(&self) -> String {
        let mode = match self.mode {
            Mode::Random => "random",
            Mode::Directed => "directed",
            Mode::Crowd => "crowd",
            Mode::Reader => "reader",
        };
        let Args { ops, points, threads, seed, .. } = self;
        format!("heapledger-stress {mode} --ops {ops} --points {points} --threads {threads} --seed {seed}")
    }
}

fn value<T: FromStr>(name: &str, word: Option<String>) -> Result<T, String> {
    let word = word.ok_or(format!("`{name}` needs a value"))?;
    word.parse().map_err(|_| format!("`{name}` cannot be `{word}`"))
}

fn from_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) << 16 ^ since.as_secs()
}
