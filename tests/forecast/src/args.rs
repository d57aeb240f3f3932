//! The command line.

use std::path::PathBuf;

use crate::modes::{MODES, Mode};

pub const USAGE: &str = "\
heapledger-forecast run [--runs N] [--modes A,B] [--short] [--together] [--record FILE] [--verbose]
  --runs N       runs of each mode, all at once, or a few if they are busy (20)
  --modes A,B    these modes only; a mode's name is its first column
  --together     runs the modes at the same time too
  --short        only the modes whose decay times are a second or less
  --record FILE  writes what was run, on what, and what came of it";

/// Runs of a mode that a judgement needs.
const RUNS: usize = 20;

#[derive(Debug)]
pub struct Args {
    pub runs: usize,
    names: Option<Vec<String>>,
    short: bool,
    pub record: Option<PathBuf>,
    pub verbose: bool,
    pub together: bool,
}

impl Args {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self { runs: RUNS, names: None, short: false, record: None, verbose: false, together: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value\n{USAGE}"));
            match word.as_str() {
                "--runs" => args.runs = value()?.parse().map_err(|error| format!("--runs: {error}"))?,
                "--modes" => args.names = Some(value()?.split(',').map(str::to_owned).collect()),
                "--short" => args.short = true,
                "--record" => args.record = Some(value()?.into()),
                "--together" => args.together = true,
                "--verbose" => args.verbose = true,
                _ => return Err(format!("no option {word}\n{USAGE}")),
            }
        }
        for name in args.names.iter().flatten() {
            Mode::find(name)?;
        }
        Ok(args)
    }

    pub fn modes(&self) -> impl Iterator<Item = &'static Mode> + '_ {
        let wanted = |mode: &&Mode| match &self.names {
            Some(names) => names.iter().any(|name| name == mode.name),
            None => !self.short || mode.is_short(),
        };
        MODES.iter().filter(wanted)
    }

    /// The command that does the same, without where it is and where the record goes.
    pub fn command(&self) -> String {
        let names = self.names.as_ref().map(|names| format!(" --modes {}", names.join(","))).unwrap_or_default();
        format!("heapledger-forecast run --runs {}{names}{}", self.runs, if self.short { " --short" } else { "" })
    }
}
