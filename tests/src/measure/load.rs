//! The long run under load.

use std::fmt::Write;
use std::process::Command;

use super::{Args, spread};
use crate::outside::load::{self, Sample};

/// What is run if nothing else is said.
pub const DEFAULTS: Args = Args { count: 500, mib: 2048, record: None };

/// Runs this program again as the one under load, and judges each of its statements.
///
/// # Errors
///
/// What did not hold.
pub fn run(args: &Args) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let mut command = Command::new(program);
    command.args(["probe", "load"]).arg(format!("mib={}", args.mib)).arg(format!("statements={}", args.count));
    let (samples, wrong) = load::run(command, args.count);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let said = format!("measure-statements load --statements {} --mib {}", args.count, args.mib);
    args.finish(&said, &report(&samples))
}

fn report(samples: &[Sample]) -> String {
    let of = |value: &dyn Fn(&Sample) -> i64| spread(samples.iter().map(value).collect());
    let part = |of: i64, whole: i64| if whole == 0 { 0 } else { of * 1_000 / whole };
    let within = |allowed: &dyn Fn(&Sample) -> u64| {
        let held = samples.iter().filter(|sample| sample.skew.cast_unsigned() <= allowed(sample)).count();
        format!("{held} of {}", samples.len())
    };
    let facts = [
        ("statements", samples.len().to_string()),
        (
            "result",
            "passed: unexplained within the skew, the skew within its bound, every region as the load says".into(),
        ),
        ("skew within 2 x (faulted in + freed in large blocks)", within(&Sample::skew_without_decay)),
        ("skew within the same and what jemalloc gave back", within(&Sample::skew_allowed)),
        ("unexplained bytes, unsigned", of(&|sample| sample.unexplained.abs())),
        ("skew bytes", of(&|sample| sample.skew)),
        ("unexplained in thousandths of the skew", of(&|sample| part(sample.unexplained.abs(), sample.skew))),
        ("skew in thousandths of its bound", of(&|sample| part(sample.skew, sample.skew_allowed().cast_signed()))),
        ("bytes faulted in, from outside", of(&|sample| sample.faulted.cast_signed())),
        ("bytes of large blocks freed, by the load", of(&|sample| sample.freed_large.cast_signed())),
        ("bytes given back by jemalloc", of(&|sample| sample.purged.cast_signed())),
        ("traffic bytes", of(&|sample| sample.traffic.cast_signed())),
        ("width of all intervals, bytes", of(&|sample| sample.width)),
        ("microseconds of a statement", of(&|sample| sample.nanos.cast_signed() / 1_000)),
        ("RSS bytes", of(&|sample| sample.rss)),
    ];
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name} = {value}");
        text
    })
}
