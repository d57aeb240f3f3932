//! Latencies of single allocations and frees, in interleaved rounds, beside a second run of the plain engine.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use workloads::latency::PATTERNS;

use crate::build::{Built, Kind};
use crate::engines::PLAIN;
use crate::progress::Progress;
use crate::record::{Failure, Record, Row, WorkloadUsed};
use crate::run;

/// The engine of the second run of plain in each round: what its figures differ from the first one's is noise.
pub const AGAIN: &str = "plain-again";
/// The quantiles, by the last part of a measure's name.
pub const POINTS: &[&str] = &["p50_ns", "p99_ns", "p999_ns", "max_ns"];

/// What an engine prints.
#[derive(Deserialize)]
struct Told {
    alloc: Points,
    free: Points,
    timer_ns: f64,
}

#[derive(Deserialize)]
struct Points {
    p50_ns: f64,
    p99_ns: f64,
    p999_ns: f64,
    max_ns: f64,
}

impl Points {
    fn all(&self) -> [f64; 4] {
        [self.p50_ns, self.p99_ns, self.p999_ns, self.max_ns]
    }
}

/// The patterns `only`, or all where it names none.
pub fn chosen(only: &[String]) -> Result<Vec<WorkloadUsed>, String> {
    if let Some(unknown) = only.iter().find(|id| !PATTERNS.iter().any(|(name, _)| name == id)) {
        let known = PATTERNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no pattern {unknown:?} here; there are {known}"));
    }
    let used = |&(id, about): &(&str, &str)| WorkloadUsed {
        id: id.to_owned(),
        about: about.to_owned(),
        operation: "pair".to_owned(),
        iterations: 1,
    };
    Ok(PATTERNS.iter().filter(|(id, _)| only.is_empty() || only.iter().any(|one| one == id)).map(used).collect())
}

/// Runs every engine on every pattern in every round, and the plain one twice.
pub fn run(engines: &[Built], rounds: usize, record: &mut Record, interrupted: &AtomicBool) {
    let patterns: Vec<String> = record.configuration.workloads.iter().map(|used| used.id.clone()).collect();
    let mut turns: Vec<(&str, &Built)> = engines.iter().map(|built| (built.engine.id, built)).collect();
    turns.extend(engines.iter().filter(|built| built.engine.id == PLAIN).map(|built| (AGAIN, built)));
    let progress = Progress::new(rounds * patterns.len() * turns.len());
    let mut told: Vec<Vec<Vec<Told>>> = patterns.iter().map(|_| turns.iter().map(|_| Vec::new()).collect()).collect();
    'rounds: for round in 0..rounds {
        for (at, pattern) in patterns.iter().enumerate() {
            let mut whole = Vec::with_capacity(turns.len());
            for turn in 0..turns.len() {
                let of = (round + turn) % turns.len();
                let (id, built) = turns[of];
                progress.step(&format!("round {}/{rounds} {pattern} {id}", round + 1));
                if record.failure(pattern, id).is_some() {
                    continue;
                }
                let result = one(built, pattern);
                if interrupted.load(Ordering::Relaxed) {
                    break 'rounds;
                }
                match result {
                    Ok(points) => whole.push((of, points)),
                    Err(reason) => {
                        told[at][of].clear();
                        record.failures.push(Failure { workload: pattern.clone(), engine: id.to_owned(), reason });
                    }
                }
            }
            for (of, points) in whole {
                told[at][of].push(points);
            }
        }
    }
    progress.finish();
    record.complete = !interrupted.load(Ordering::Relaxed);
    record.configuration.load_after = crate::machine::load();
    for (pattern, told) in patterns.iter().zip(&told) {
        for ((id, _), samples) in turns.iter().zip(told) {
            rows(pattern, id, samples, &told[0], record);
        }
    }
}

fn one(built: &Built, pattern: &str) -> Result<Told, String> {
    let program: &Path = built.program(Kind::Short)?;
    let operations = (1_000_000 / built.engine.fewer).to_string();
    let arguments = ["latency", pattern, "--operations", &operations];
    let line = run::within(&mut run::command(program, built.engine, &arguments), run::LIMIT)?;
    serde_json::from_str(&line).map_err(|error| format!("cannot read what the engine printed: {error}: {line:?}"))
}

/// `plain` are the samples of the first engine, which is the plain one if ratios can be taken at all.
fn rows(pattern: &str, id: &str, samples: &[Told], plain: &[Told], record: &mut Record) {
    record.rows.extend(Row::new(pattern, id, "timer_ns", samples.iter().map(|told| told.timer_ns).collect()));
    for (of, points) in [("alloc", (|told: &Told| &told.alloc) as fn(&Told) -> &Points), ("free", |told| &told.free)] {
        for (at, point) in POINTS.iter().enumerate() {
            let values = |samples: &[Told]| samples.iter().map(|told| points(told).all()[at]).collect::<Vec<f64>>();
            let own = values(samples);
            record.rows.extend(Row::new(pattern, id, &format!("{of}_{point}"), own.clone()));
            let has_plain = record.configuration.engines.first().is_some_and(|engine| engine.id == PLAIN);
            if has_plain && id != PLAIN {
                let ratio = |(own, plain): (&f64, &f64)| (own / plain * 1e5).round() / 1e5;
                let ratios = own.iter().zip(&values(plain)).map(ratio).collect();
                record.rows.extend(Row::new(pattern, id, &format!("{of}_{}_ratio", &point[..point.len() - 3]), ratios));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Points, Told, chosen, rows};
    use crate::record::{Configuration, EngineUsed, Record};

    fn told(p999_ns: f64) -> Told {
        let points = || Points { p50_ns: 20.0, p99_ns: 50.0, p999_ns, max_ns: 900.0 };
        Told { alloc: points(), free: points(), timer_ns: 10.0 }
    }

    #[test]
    fn a_ratio_is_taken_within_its_round_and_not_for_plain_itself() {
        let plain = EngineUsed {
            id: "plain".into(),
            about: String::new(),
            allocator: serde_json::Value::Null,
            longer: Vec::new(),
        };
        let configuration = Configuration { engines: vec![plain], ..Configuration::default() };
        let mut record = Record { configuration, ..Record::default() };
        rows("ring", "other", &[told(200.0), told(300.0)], &[told(100.0), told(200.0)], &mut record);
        assert_eq!(record.row("ring", "other", "alloc_p999_ratio").expect("a row").samples, [2.0, 1.5]);
        rows("ring", "plain", &[told(100.0)], &[told(100.0)], &mut record);
        assert!(record.row("ring", "plain", "free_p50_ratio").is_none());
    }

    #[test]
    fn an_unknown_pattern_is_named_beside_those_that_exist() {
        let error = chosen(&["rings".into()]).expect_err("there is none");
        assert!(error.contains("rings") && error.contains("ring_mixed"), "{error}");
    }
}
