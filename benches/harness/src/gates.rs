//! The limits that heapledger must keep, the goals beyond them, and whether records keep them.

mod compare;
mod others;

use workloads::{Info, Mix, WORKLOADS};

use crate::record::Record;
use crate::rows::TIME_RATIO;

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

/// Fewer rounds than this make no median that a gate could trust.
const ROUNDS: usize = 7;

/// What the reader must know of `record` before its verdicts, and whether it has rounds enough to be judged.
///
/// # Errors
///
/// If no gate looks at records of its command.
pub fn about(name: &str, record: &Record) -> Result<(String, bool), String> {
    if !["compare", "latency", "footprint"].contains(&record.command.as_str()) {
        return Err(format!(
            "{name} is a record of `{}`, and no gate looks at it: give one of compare, latency or footprint",
            record.command
        ));
    }
    let rounds = record.rounds();
    let enough = rounds >= ROUNDS;
    let mut text = format!("{name}: {}, {rounds} of {} rounds", record.command, record.configuration.rounds);
    if !enough {
        text.push_str(&format!(" (FAIL: {ROUNDS} are needed)"));
    }
    text.push_str(if record.complete { ", complete" } else { ", interrupted" });
    text.push_str(match record.source.dirty {
        Some(true) => ", source with changes",
        Some(false) => ", source as committed",
        None => ", source unknown",
    });
    if record.command == "compare" {
        for (mixed, words) in [(false, "programs in one region"), (true, "programs in several")] {
            let all = || WORKLOADS.iter().filter(|info| info.is_program() && (info.mix != Mix::Pure) == mixed);
            let has = |info: &&Info| record.row(info.id, TAGGED, TIME_RATIO).is_some();
            let names: Vec<&str> = all().filter(has).map(|info| info.id).collect();
            text.push_str(&format!("\n{words}: {} of {}: {}", names.len(), all().count(), names.join(", ")));
        }
    }
    text.push('\n');
    Ok((text, enough))
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

#[cfg(test)]
mod tests {
    use super::{TAGGED, about};
    use crate::record::{Record, Row};
    use crate::rows::TIME_RATIO;

    #[test]
    fn a_record_says_what_it_lacks_and_few_rounds_do_not_pass() {
        let of = |rounds: usize| {
            let rows = vec![Row::new("json", TAGGED, TIME_RATIO, vec![1.0; rounds]).expect("samples")];
            about("a.json", &Record { command: "compare".into(), rows, ..Record::default() }).expect("it has gates")
        };
        assert!(of(7).1 && !of(6).1);
        let (text, _) = of(6);
        assert!(
            text.contains("6 of") && text.contains("interrupted") && text.contains("region: 1 of 7: json"),
            "{text}"
        );
    }

    #[test]
    fn a_record_without_gates_is_refused_by_the_name_of_its_command() {
        let record = Record { command: "scale".into(), ..Record::default() };
        assert!(about("a.json", &record).expect_err("no gate").contains("`scale`"));
    }
}
