//! The limits that heapledger must keep, the goals beyond them, and whether records keep them.

mod compare;
mod others;

use crate::record::Record;

const UNTAGGED: &str = "heapledger-untagged";
const TAGGED: &str = "heapledger-tagged";

/// One limit and what the record says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// What is limited.
    pub what: &'static str,
    /// The limit.
    pub limit: f64,
    /// What is aimed at, where that is less.
    pub goal: Option<f64>,
    /// The median, or `None` if the record does not have it.
    pub measured: Option<f64>,
}

impl Verdict {
    /// Whether the median is within the limit. What was not measured does not pass.
    pub fn passes(&self) -> bool {
        self.measured.is_some_and(|measured| measured <= self.limit)
    }
}

/// Every gate of the kind of `record` against its medians.
pub fn judge(record: &Record) -> Vec<Verdict> {
    match record.command.as_str() {
        "latency" => others::latency(record),
        "footprint" => others::footprint(record),
        _ => compare::judge(record),
    }
}

/// The verdicts as a table, one line each, and how many fail.
pub fn render(verdicts: &[Verdict]) -> String {
    let mut text =
        format!("{:<15} {:<20} {:<27} {:>8} {:>8} {:>9}\n", "workload", "engine", "gate", "limit", "goal", "median");
    let mut missed = 0;
    for verdict in verdicts {
        let number = |value: f64| if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        let measured = verdict.measured.map_or("-".to_owned(), number);
        let misses = verdict.goal.zip(verdict.measured).is_some_and(|(goal, measured)| measured > goal);
        missed += usize::from(misses);
        let word = match (verdict.passes(), verdict.measured) {
            (true, _) if misses => "pass, not the goal",
            (true, _) => "pass",
            (false, Some(_)) => "FAIL",
            (false, None) => "FAIL: not measured",
        };
        text.push_str(&format!(
            "{:<15} {:<20} {:<27} {:>8} {:>8} {measured:>9}  {word}\n",
            verdict.workload,
            verdict.engine,
            verdict.what,
            number(verdict.limit),
            verdict.goal.map_or(String::new(), number),
        ));
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passes()).count();
    text.push_str(&format!("{} gates, {failed} failed; {missed} goals missed\n", verdicts.len()));
    text
}
