//! Counts that must not grow: instructions per pair and code, each over plain jemalloc, against a file that is checked
//! in.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::footprint::{PROGRAM, TEXT_OVER_PLAIN_BYTES};
use crate::machine::Source;
use crate::record::Record;
use crate::rows::{INSTRUCTIONS_OVER_PLAIN, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN};

/// A count may grow by this part of itself before it fails.
const GROWTH: f64 = 0.02;
/// What two runs of one program differ by, and a little: the order in which threads start moves a few instructions. Code
/// does not scatter.
const SCATTER_INSTRUCTIONS: f64 = 0.5;

/// What must not grow.
const WATCHED: &[(&str, &str, &str)] = &[
    ("loop64", "heapledger-untagged", INSTRUCTIONS_OVER_PLAIN),
    ("loop64", "heapledger-tagged", INSTRUCTIONS_OVER_PLAIN),
    ("ring", "heapledger-untagged", INSTRUCTIONS_OVER_PLAIN),
    ("ring", "heapledger-tagged", INSTRUCTIONS_OVER_PLAIN),
    ("ring_mixed", "heapledger-tagged", INSTRUCTIONS_OVER_PLAIN),
    ("handover", "heapledger-untagged", INSTRUCTIONS_OVER_PLAIN),
    ("handover", "heapledger-tagged", INSTRUCTIONS_OVER_PLAIN),
    // Not of `loop64` or `ring`: without link-time optimisation, which part of `Vec` is inlined there changes with any
    // other workload, and with it half of the count.
    ("box64", "heapledger-untagged", WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN),
    ("box64", "heapledger-tagged", WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN),
    (PROGRAM, "heapledger-untagged", TEXT_OVER_PLAIN_BYTES),
    (PROGRAM, "heapledger-tagged", TEXT_OVER_PLAIN_BYTES),
];

/// The file: what was measured, from which compiler, when it was last accepted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Golden {
    /// The compiler: another one makes other code, so counts are compared only if it is the same.
    pub rustc: Option<String>,
    /// The counts.
    pub counts: Vec<Count>,
}

/// One count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// The measure; its unit ends its name.
    pub measure: String,
    /// What is accepted.
    pub accepted: f64,
}

impl Golden {
    /// The watched counts of a record, or which one it lacks.
    pub fn of(record: &Record) -> Result<Golden, String> {
        let mut counts = Vec::with_capacity(WATCHED.len());
        for &(workload, engine, measure) in WATCHED {
            let accepted = record.median(workload, engine, measure).ok_or_else(|| {
                let reason = record.failure(workload, engine).map_or("it was not measured", |f| f.reason.as_str());
                format!("{measure} of {engine} on {workload}: {reason}")
            })?;
            counts.push(Count {
                workload: workload.to_owned(),
                engine: engine.to_owned(),
                measure: measure.to_owned(),
                accepted: (accepted * 100.0).round() / 100.0,
            });
        }
        Ok(Golden { rustc: record.source.rustc.clone(), counts })
    }

    /// Reads the file.
    pub fn read(path: &Path) -> Result<Golden, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{} has no golden counts: {error}", path.display()))
    }

    /// What to say if the counts are of another compiler than that of `source`.
    pub fn of_another_compiler(&self, source: &Source) -> Option<String> {
        let name = |rustc: &Option<String>| rustc.clone().unwrap_or_else(|| "an unknown compiler".to_owned());
        (self.rustc != source.rustc).then(|| {
            format!(
                "they were accepted with {}, this is {}; use that one, or accept them anew with `cargo run --release -p \
                 heapledger-bench -- golden --accept`",
                name(&self.rustc),
                name(&source.rustc)
            )
        })
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| format!("cannot write the counts: {error}"))?;
        fs::write(path, text + "\n").map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// A line per count, and how many have grown beyond what is accepted.
    pub fn compare(&self, measured: &Golden) -> (String, usize) {
        let mut text = format!(
            "{:<10} {:<20} {:<36} {:>9} {:>9} {:>9}\n",
            "workload", "engine", "measure", "accepted", "limit", "measured"
        );
        let mut grown = 0;
        for count in &self.counts {
            let same = |one: &&Count| {
                one.workload == count.workload && one.engine == count.engine && one.measure == count.measure
            };
            let limit = limit(count);
            let (shown, word) = match measured.counts.iter().find(same).map(|one| one.accepted) {
                Some(value) if value > limit => (format!("{value:.1}"), "GREW"),
                Some(value) if value < count.accepted - (limit - count.accepted) => (format!("{value:.1}"), "fell"),
                Some(value) => (format!("{value:.1}"), "same"),
                None => ("-".to_owned(), "GREW: not measured"),
            };
            grown += usize::from(word.starts_with("GREW"));
            text.push_str(&format!(
                "{:<10} {:<20} {:<36} {:>9.1} {limit:>9.1} {shown:>9}  {word}\n",
                count.workload, count.engine, count.measure, count.accepted
            ));
        }
        text.push_str(&format!("{} counts, {grown} grew\n", self.counts.len()));
        (text, grown)
    }
}

fn limit(count: &Count) -> f64 {
    let scatter = if count.measure == TEXT_OVER_PLAIN_BYTES { 0.0 } else { SCATTER_INSTRUCTIONS };
    count.accepted + (count.accepted.abs() * GROWTH).max(scatter)
}

#[cfg(test)]
mod tests {
    use super::{Count, Golden, WATCHED};
    use crate::footprint::{PROGRAM, TEXT_OVER_PLAIN_BYTES};
    use crate::instructions;
    use crate::machine::Source;
    use crate::record::Record;

    fn golden(accepted: f64) -> Golden {
        let count = Count {
            workload: "ring".into(),
            engine: "heapledger-tagged".into(),
            measure: "instructions_over_plain".into(),
            accepted,
        };
        Golden { rustc: None, counts: vec![count] }
    }

    #[test]
    fn two_percent_more_is_accepted_and_three_are_not() {
        assert_eq!(golden(100.0).compare(&golden(102.0)).1, 0);
        assert_eq!(golden(100.0).compare(&golden(103.0)).1, 1);
    }

    #[test]
    fn code_may_grow_by_two_percent_and_not_by_a_page() {
        let text = |accepted: f64| {
            let mut golden = golden(accepted);
            golden.counts[0].measure = TEXT_OVER_PLAIN_BYTES.to_owned();
            golden
        };
        assert_eq!(text(10_000.0).compare(&text(10_200.0)).1, 0);
        assert_eq!(text(10_000.0).compare(&text(10_300.0)).1, 1);
    }

    #[test]
    fn counts_of_another_compiler_are_said_to_be_with_both_names() {
        let source = |rustc: &str| Source { rustc: Some(rustc.into()), ..Source::default() };
        let accepted = Golden { rustc: Some("rustc 1".into()), counts: Vec::new() };
        assert_eq!(accepted.of_another_compiler(&source("rustc 1")), None);
        let told = accepted.of_another_compiler(&source("rustc 2")).expect("it is another one");
        assert!(told.contains("rustc 1,") && told.contains("rustc 2;") && told.contains("--accept"), "{told}");
    }

    #[test]
    fn a_count_that_is_missing_fails_and_one_that_fell_is_said() {
        assert_eq!(golden(100.0).compare(&Golden { rustc: None, counts: Vec::new() }).1, 1);
        let (text, grown) = golden(100.0).compare(&golden(50.0));
        assert!(text.contains("fell") && grown == 0, "{text}");
    }

    #[test]
    fn a_record_without_a_watched_count_is_refused_with_its_name() {
        let error = Golden::of(&Record::default()).expect_err("it is empty");
        assert!(error.contains("loop64"), "{error}");
    }

    #[test]
    fn every_watched_workload_is_counted() {
        let counted = instructions::counted();
        for (workload, _, _) in WATCHED {
            assert!(*workload == PROGRAM || counted.iter().any(|info| info.id == *workload), "{workload}");
        }
    }
}
