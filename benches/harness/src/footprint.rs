//! What heapledger adds beside time: code, and resident memory per thread and per region.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use object::{Object, ObjectSection};
use serde::Deserialize;
use workloads::footprint::KINDS;

use crate::build::{Built, Kind};
use crate::engines::PLAIN;
use crate::progress::Progress;
use crate::record::{Failure, Record, Row, WorkloadUsed};
use crate::run;

/// Bytes of machine code in the program of an engine.
pub const TEXT_BYTES: &str = "text_bytes";
/// The same, less those of the plain engine.
pub const TEXT_OVER_PLAIN_BYTES: &str = "text_over_plain_bytes";
/// Resident bytes per thread or region.
pub const EACH_BYTES: &str = "rss_each_bytes";
/// The same, less those of the plain engine.
pub const EACH_OVER_PLAIN_BYTES: &str = "rss_each_over_plain_bytes";
/// The workload of the rows about code: the engine's program with all its short workloads.
pub const PROGRAM: &str = "program";

/// How many threads or regions are made.
const COUNTS: &[(&str, u64)] = &[("threads", 256), ("regions", 1_000)];

#[derive(Deserialize)]
struct Told {
    count: u64,
    rss_before_bytes: i64,
    rss_after_bytes: i64,
}

/// What a record says of its rows' workloads: those of `only`, or all.
pub fn chosen(only: &[String]) -> Result<Vec<WorkloadUsed>, String> {
    let all = counted();
    if let Some(unknown) = only.iter().find(|id| !all.iter().any(|used| &used.id == *id)) {
        let known = all.iter().map(|used| used.id.as_str()).collect::<Vec<_>>().join(", ");
        return Err(format!("there is nothing called {unknown:?} here; there are {known}"));
    }
    Ok(all.into_iter().filter(|used| only.is_empty() || only.contains(&used.id)).collect())
}

fn counted() -> Vec<WorkloadUsed> {
    let used = |id: &str, about: &str, iterations| WorkloadUsed {
        id: id.to_owned(),
        about: about.to_owned(),
        operation: "one of them".to_owned(),
        iterations,
    };
    let mut all = vec![used(PROGRAM, "the engine's program with all its short workloads", 1)];
    for &(kind, count) in COUNTS {
        let about = KINDS.iter().find(|(name, _)| *name == kind).map_or("", |(_, about)| about);
        all.push(used(kind, about, count));
    }
    all
}

/// Measures every engine, `rounds` times where it must run.
pub fn run(engines: &[Built], rounds: usize, record: &mut Record, interrupted: &AtomicBool) {
    let used: Vec<String> = record.configuration.workloads.iter().map(|used| used.id.clone()).collect();
    let is_used = |kind: &str| used.iter().any(|id| id == kind);
    let counts: Vec<(&str, u64)> = COUNTS.iter().copied().filter(|(kind, _)| is_used(kind)).collect();
    let progress = Progress::new(engines.len() * rounds * counts.len());
    if is_used(PROGRAM) {
        code(engines, record);
    }
    for built in engines {
        for &(kind, count) in &counts {
            let mut samples = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                progress.step(&format!("{kind} {}", built.engine.id));
                let result = each_bytes(built, kind, count);
                if interrupted.load(Ordering::Relaxed) {
                    progress.finish();
                    return;
                }
                match result {
                    Ok(bytes) => samples.push(bytes),
                    Err(reason) => {
                        fail(record, kind, built, reason);
                        samples.clear();
                        break;
                    }
                }
            }
            push(record, kind, built.engine.id, EACH_BYTES, EACH_OVER_PLAIN_BYTES, samples);
        }
    }
    progress.finish();
    record.complete = true;
    record.configuration.load_after = crate::machine::load();
}

/// Measures the code of every engine's program.
pub fn code(engines: &[Built], record: &mut Record) {
    for built in engines {
        match built.program(Kind::Short).and_then(text_bytes) {
            Ok(bytes) => push(record, PROGRAM, built.engine.id, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES, vec![bytes]),
            Err(reason) => fail(record, PROGRAM, built, reason),
        }
    }
}

fn fail(record: &mut Record, workload: &str, built: &Built, reason: String) {
    record.failures.push(Failure { workload: workload.to_owned(), engine: built.engine.id.to_owned(), reason });
}

/// The row of `samples`, and what they are more than the median of the plain engine, which comes first.
fn push(record: &mut Record, workload: &str, engine: &str, measure: &str, over: &str, samples: Vec<f64>) {
    if let Some(plain) = record.median(workload, PLAIN, measure) {
        let more = samples.iter().map(|value| value - plain).collect();
        record.rows.extend(Row::new(workload, engine, over, more));
    }
    record.rows.extend(Row::new(workload, engine, measure, samples));
}

fn each_bytes(built: &Built, kind: &str, count: u64) -> Result<f64, String> {
    let arguments = ["footprint", kind, "--count", &count.to_string()];
    let program = built.program(Kind::Short)?;
    let line = run::within(&mut run::command(program, built.engine, &arguments), run::LIMIT)?;
    let told: Told = serde_json::from_str(&line)
        .map_err(|error| format!("cannot read what the engine printed: {error}: {line:?}"))?;
    Ok(((told.rss_after_bytes - told.rss_before_bytes) as f64 / told.count as f64).round())
}

/// The length of the section of machine code.
fn text_bytes(program: &Path) -> Result<f64, String> {
    let bytes = fs::read(program).map_err(|error| format!("cannot read {}: {error}", program.display()))?;
    let file = object::File::parse(bytes.as_slice()).map_err(|error| format!("{}: {error}", program.display()))?;
    let section = file.section_by_name(".text").ok_or_else(|| format!("{} has no .text", program.display()))?;
    Ok(section.size() as f64)
}

#[cfg(test)]
mod tests {
    use super::{COUNTS, KINDS, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES, chosen, push, text_bytes};
    use crate::record::Record;

    #[test]
    fn this_program_has_code() {
        let program = std::env::current_exe().expect("it runs");
        assert!(text_bytes(&program).expect("it is an executable") > 1_000.0);
        assert!(text_bytes(std::path::Path::new("/no/such/program")).expect_err("none").contains("/no/such/program"));
    }

    #[test]
    fn what_is_over_plain_is_a_difference_that_may_be_negative() {
        let mut record = Record::default();
        push(&mut record, "program", "plain", TEXT_BYTES, TEXT_OVER_PLAIN_BYTES, vec![100.0]);
        push(&mut record, "program", "other", TEXT_BYTES, TEXT_OVER_PLAIN_BYTES, vec![90.0]);
        assert_eq!(record.median("program", "other", TEXT_OVER_PLAIN_BYTES), Some(-10.0));
        assert_eq!(record.median("program", "plain", TEXT_OVER_PLAIN_BYTES), None);
    }

    #[test]
    fn an_unknown_kind_is_named_beside_those_that_exist() {
        let error = chosen(&["nonsense".into()]).expect_err("there is none");
        assert!(error.contains("nonsense") && error.contains("threads"), "{error}");
        assert_eq!(chosen(&["regions".into()]).expect("it exists").len(), 1);
    }

    #[test]
    fn every_count_is_of_a_kind_that_exists() {
        assert!(COUNTS.iter().all(|(kind, _)| KINDS.iter().any(|(name, _)| name == kind)));
    }
}
