//! Long measurements with a record: what `measure-statements` does. Nothing here is a test, because times differ from
//! machine to machine; what must hold of every statement is judged all the same, and fails the command.

pub mod cost;
pub mod load;
pub mod stalls;

use std::path::PathBuf;
use std::str::FromStr;

use heapledger_harness::record;

/// Printed for `--help` and after a mistake.
pub const USAGE: &str = "\
measure-statements load [--statements N] [--mib M] [--record FILE]
    statements of a program under load, judged by its own books and by faults that another process counts
    (default 500 statements, 2048 MiB held)
measure-statements stalls [--runs N] [--mib M] [--record FILE]
    how long calls of other threads take while a statement is taken, and while a thread spins for as long
    (default 40 runs, 4096 MiB held)
measure-statements cost [--statements N] [--mib M] [--record FILE]
    what a statement costs by its own account, for heaps of several shapes, one after the other
    (default 31 statements of each, 1024 MiB of blocks, which take a fifth more)
measure-statements cost-of SHAPE MIB STATEMENTS
    one of these shapes alone: large, small, mixed, half, zeroes or both";

/// The command line, parsed.
#[derive(Clone, Debug)]
pub struct Args {
    /// Statements, or runs.
    pub count: usize,
    /// MiB that the program holds.
    pub mib: usize,
    /// Where the record goes.
    pub record: Option<PathBuf>,
}

impl Args {
    /// Parses what stands after the name of the measurement; the error is a sentence.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub fn parse(defaults: Args, mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = defaults;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--statements" | "--runs" => args.count = value(&word, words.next())?,
                "--mib" => args.mib = value(&word, words.next())?,
                "--record" => args.record = Some(value(&word, words.next())?),
                _ => return Err(format!("unknown argument `{word}`")),
            }
        }
        Ok(args)
    }

    /// Prints what was measured, and writes the record if one was asked for.
    fn finish(&self, command: &str, report: &str) -> Result<(), String> {
        print!("{report}");
        let Some(file) = &self.record else { return Ok(()) };
        record::write(file, &[("command", command.to_owned())], &["crates"], report)
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}

fn value<T: FromStr>(name: &str, word: Option<String>) -> Result<T, String> {
    let word = word.ok_or(format!("`{name}` needs a value"))?;
    word.parse().map_err(|_| format!("`{name}` cannot be `{word}`"))
}

/// A part of so many hundredths of the values lies at or below this one.
fn quantile(values: &mut [i64], hundredths: usize) -> i64 {
    values.sort_unstable();
    values.get((values.len() * hundredths / 100).min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Median, quartiles in brackets, and the largest.
fn spread(mut values: Vec<i64>) -> String {
    let [low, median, high, most] = [25, 50, 75, 100].map(|hundredths| quantile(&mut values, hundredths));
    format!("median {median} [{low}-{high}], at most {most}")
}
