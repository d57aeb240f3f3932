//! The cost of reading the ledger as the process grows, and what other threads feel meanwhile.

mod fit;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use crate::machine;
use crate::progress::Progress;
use crate::record::{Failure, Record, Row, WorkloadUsed};
use crate::run;
pub use fit::Line;

/// Time of one reading. The row says `at` which value of the shape.
pub const CALL_NS: &str = "call_ns";
/// The worst that another thread felt, and what it felt at most in all but one of a thousand cases; a sample is a window
/// of a second or more.
pub const STALL_MAX_NS: &str = "stall_max_ns";
/// See [`STALL_MAX_NS`].
pub const STALL_P999_NS: &str = "stall_p999_ns";
/// The shape of the rows about stalls.
pub const STALLS: &str = "stalls";

const GIB: f64 = 1_073_741_824.0;
/// What a shape may take of the memory that is free.
const FREE_PART: f64 = 0.75;

/// How the process grows, and by what.
pub struct Shape {
    /// Its name.
    pub id: &'static str,
    /// What varies and what does not.
    pub about: &'static str,
    /// The unit in which slopes are stated, and how much of the value it is.
    pub unit: (&'static str, f64),
    /// The values.
    pub values: &'static [f64],
    /// Resident memory per unit of the value, about.
    resident_bytes: f64,
}

/// Every shape.
pub const SHAPES: &[Shape] = &[
    Shape {
        id: "resident",
        about: "resident bytes, always in 1,000 blocks",
        unit: ("GiB", GIB),
        values: &[0.1 * GIB, 0.4 * GIB, GIB, 4.0 * GIB, 12.0 * GIB],
        resident_bytes: 1.0,
    },
    Shape {
        id: "mixed",
        about: "bytes in blocks of 256 B of four regions in turn, so that every page holds all four",
        unit: ("GiB", GIB),
        values: &[0.01 * GIB, 0.05 * GIB, 0.2 * GIB, 0.5 * GIB, 2.0 * GIB],
        resident_bytes: 1.2,
    },
    Shape {
        id: "extents",
        about: "extents of one page each, not resident",
        unit: ("1000 extents", 1e3),
        values: &[1e3, 4e3, 1e4, 4e4, 1e5, 4e5, 1e6],
        resident_bytes: 200.0,
    },
    Shape {
        id: "threads",
        about: "idle threads that hold a block in each of four regions",
        unit: ("thread", 1.0),
        values: &[1.0, 8.0, 32.0, 128.0, 256.0, 512.0],
        resident_bytes: 64e3,
    },
    Shape {
        id: "regions",
        about: "regions with one block each, on one thread",
        unit: ("region", 1.0),
        values: &[1.0, 8.0, 32.0, 64.0, 128.0, 255.0],
        resident_bytes: 8e3,
    },
];

/// Resident bytes while stalls are measured.
const STALLS_AT: &[f64] = &[0.1 * GIB, 4.0 * GIB];

#[derive(Deserialize)]
struct Stalls {
    quiet: Vec<BTreeMap<String, Felt>>,
    reading: Vec<BTreeMap<String, Felt>>,
}

#[derive(Deserialize)]
struct Felt {
    p999_ns: f64,
    max_ns: f64,
}

/// The shapes `only`, or all, as a record lists them.
pub fn chosen(only: &[String]) -> Result<Vec<WorkloadUsed>, String> {
    let all = SHAPES.iter().map(|shape| (shape.id, shape.about));
    let all: Vec<_> =
        all.chain([(STALLS, "what another thread feels while statements are read, and before")]).collect();
    if let Some(unknown) = only.iter().find(|id| !all.iter().any(|(name, _)| name == id)) {
        let known = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no shape {unknown:?} here; there are {known}"));
    }
    let used = |(id, about): (&str, &str)| WorkloadUsed {
        id: id.to_owned(),
        about: about.to_owned(),
        operation: "reading".to_owned(),
        iterations: 1,
    };
    Ok(all.into_iter().filter(|(id, _)| only.is_empty() || only.iter().any(|one| one == id)).map(used).collect())
}

/// Measures every value of every shape of `record` in processes of their own, `rounds` times.
pub fn run(program: &Path, rounds: usize, record: &mut Record, interrupted: &AtomicBool) {
    let used: Vec<String> = record.configuration.workloads.iter().map(|used| used.id.clone()).collect();
    let shapes: Vec<&Shape> = SHAPES.iter().filter(|shape| used.iter().any(|id| id == shape.id)).collect();
    let stalls = used.iter().any(|id| id == STALLS);
    let stalls_at = if stalls { STALLS_AT } else { &[] };
    let steps = (shapes.iter().map(|shape| shape.values.len()).sum::<usize>() + stalls_at.len()) * rounds;
    let progress = Progress::new(steps);
    for shape in shapes {
        for &value in shape.values {
            let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for round in 0..rounds {
                progress.step(&format!("round {}/{rounds} {} {}", round + 1, shape.id, shown(shape, value)));
                let result = room(value * shape.resident_bytes).and_then(|()| readings(program, shape.id, value));
                if interrupted.load(Ordering::Relaxed) {
                    progress.finish();
                    return;
                }
                match result {
                    Ok(told) => {
                        told.into_iter().for_each(|(kind, times)| samples.entry(kind).or_default().extend(times))
                    }
                    Err(reason) => {
                        let workload = format!("{} {}", shape.id, shown(shape, value));
                        record.failures.push(Failure { workload, engine: "heapledger".to_owned(), reason });
                        break;
                    }
                }
            }
            for (kind, times) in samples {
                record.rows.extend(Row::at(shape.id, &kind, CALL_NS, value, times));
            }
        }
    }
    for &value in stalls_at {
        let mut windows = Windows::new();
        for round in 0..rounds {
            progress.step(&format!("round {}/{rounds} stalls at {:.1} GiB", round + 1, value / GIB));
            let told = room(value).and_then(|()| felt(program, value, &mut windows));
            if interrupted.load(Ordering::Relaxed) {
                progress.finish();
                return;
            }
            if let Err(reason) = told {
                let workload = format!("{STALLS} {:.1} GiB", value / GIB);
                record.failures.push(Failure { workload, engine: "heapledger".to_owned(), reason });
                break;
            }
        }
        for (kind, felt) in windows {
            record.rows.extend(Row::at(STALLS, &kind, STALL_P999_NS, value, felt.iter().map(|f| f.p999_ns).collect()));
            record.rows.extend(Row::at(STALLS, &kind, STALL_MAX_NS, value, felt.iter().map(|f| f.max_ns).collect()));
        }
    }
    progress.finish();
    record.complete = true;
    record.configuration.load_after = machine::load();
}

/// The line through the medians of `kind` over the values of `shape`, in nanoseconds and the shape's unit.
pub fn line(record: &Record, shape: &Shape, kind: &str) -> Option<Line> {
    let point = |row: &Row| row.at.map(|at| (at / shape.unit.1, row.median));
    let of = |row: &&Row| row.workload == shape.id && row.engine == kind && row.measure == CALL_NS;
    Line::through(&record.rows.iter().filter(of).filter_map(point).collect::<Vec<_>>())
}

/// Below this ratio of the largest median to the smallest one a reading does not grow with the shape.
const SAME: f64 = 1.25;
/// A line that is farther off than this part of a point does not describe the points.
const OFF: f64 = 0.25;

/// What the points of `kind` over the values of `shape` say: no growth, what dominates at the end, or where they leave the
/// line.
pub fn word(record: &Record, shape: &Shape, kind: &str) -> Option<String> {
    let line = line(record, shape, kind)?;
    let of = |row: &&Row| row.workload == shape.id && row.engine == kind && row.measure == CALL_NS;
    let mut points: Vec<(f64, f64)> =
        record.rows.iter().filter(of).filter_map(|row| row.at.map(|at| (at, row.median))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (least, most) = points.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), p| (l.min(p.1), m.max(p.1)));
    let &(end, longest) = points.last()?;
    if most < SAME * least {
        return Some("does not grow".to_owned());
    }
    if line.off <= OFF {
        let part = line.base / longest * 100.0;
        return Some(format!("the base is {part:.0} % at {}", shown(shape, end)));
    }
    let steepness = |pair: &&[(f64, f64)]| (pair[1].1 / pair[0].1).ln() / (pair[1].0 / pair[0].0).ln();
    let steepest = points.windows(2).max_by(|a, b| steepness(a).total_cmp(&steepness(b)))?;
    let (from, to) = (steepest[0], steepest[1]);
    Some(format!(
        "no line; steepest from {} to {}: {:.1} times the time",
        shown(shape, from.0),
        shown(shape, to.0),
        to.1 / from.1
    ))
}

/// The kinds of reading that were timed in `shape`.
pub fn kinds(record: &Record, shape: &Shape) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for row in record.rows.iter().filter(|row| row.workload == shape.id && row.measure == CALL_NS) {
        if !kinds.contains(&row.engine) {
            kinds.push(row.engine.clone());
        }
    }
    kinds
}

/// A value with its unit, as people say it.
pub fn shown(shape: &Shape, value: f64) -> String {
    if shape.unit.1 == GIB { format!("{} GiB", (value / GIB * 100.0).round() / 100.0) } else { format!("{value:.0}") }
}

fn readings(program: &Path, shape: &str, value: f64) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let line = asked(program, shape, value)?;
    serde_json::from_str(&line).map_err(|error| format!("cannot read what the program printed: {error}: {line:?}"))
}

/// What was felt in every window, by kind and by what was read meanwhile.
type Windows = BTreeMap<String, Vec<Felt>>;

fn felt(program: &Path, value: f64, windows: &mut Windows) -> Result<(), String> {
    let line = asked(program, STALLS, value)?;
    let told: Stalls =
        serde_json::from_str(&line).map_err(|error| format!("cannot read the stalls: {error}: {line:?}"))?;
    for (when, each) in [("quiet", told.quiet), ("reading", told.reading)] {
        for (kind, felt) in each.into_iter().flatten() {
            windows.entry(format!("{kind} {when}")).or_default().push(felt);
        }
    }
    Ok(())
}

fn asked(program: &Path, shape: &str, value: f64) -> Result<String, String> {
    let mut command = std::process::Command::new(program);
    run::within(command.env_clear().args([shape, &format!("{value:.0}")]), run::LIMIT)
}

/// Whether the machine has room for `bytes`; the kernel would end the process, or another one, if it has not.
fn room(bytes: f64) -> Result<(), String> {
    let text = fs::read_to_string("/proc/meminfo").map_err(|error| format!("cannot read /proc/meminfo: {error}"))?;
    let free = machine::available_bytes(&text).ok_or("/proc/meminfo has no line MemAvailable")? as f64;
    if bytes <= free * FREE_PART {
        return Ok(());
    }
    Err(format!("SKIPPED memory: it takes {:.1} GiB, and {:.1} GiB are available", bytes / GIB, free / GIB))
}

#[cfg(test)]
mod tests {
    use super::{CALL_NS, SHAPES, chosen, line, room, word};
    use crate::record::{Record, Row};

    #[test]
    fn the_slope_is_stated_in_the_unit_of_the_shape() {
        let shape = SHAPES.iter().find(|shape| shape.id == "resident").expect("it is in the list");
        // 2 ms and 3 ms per GiB.
        let row = |gib: f64| {
            let at = gib * 1_073_741_824.0;
            Row::at("resident", "statement", CALL_NS, at, vec![2e6 + 3e6 * gib]).expect("a sample")
        };
        let record = Record { rows: vec![row(1.0), row(4.0), row(12.0)], ..Record::default() };
        let line = line(&record, shape, "statement").expect("three points");
        assert!((line.base - 2e6).abs() < 1.0 && (line.slope - 3e6).abs() < 1.0, "{line:?}");
    }

    #[test]
    fn a_word_says_what_dominates_or_where_the_points_jump() {
        let shape = SHAPES.iter().find(|shape| shape.id == "threads").expect("it is in the list");
        let of = |points: &[(f64, f64)]| {
            let row = |&(at, ns): &(f64, f64)| Row::at("threads", "quick", CALL_NS, at, vec![ns]);
            let record = Record { rows: points.iter().filter_map(row).collect(), ..Record::default() };
            word(&record, shape, "quick").expect("there are points")
        };
        assert_eq!(of(&[(1.0, 100.0), (8.0, 110.0), (32.0, 105.0)]), "does not grow");
        // 100 ns and 1 ns per thread.
        assert_eq!(of(&[(1.0, 101.0), (8.0, 108.0), (100.0, 200.0)]), "the base is 50 % at 100");
        let jump = of(&[(1.0, 100.0), (8.0, 110.0), (32.0, 2_200.0), (128.0, 2_300.0)]);
        assert_eq!(jump, "no line; steepest from 8 to 32: 20.0 times the time");
    }

    #[test]
    fn what_does_not_fit_is_skipped_with_both_amounts() {
        let error = room(1e18).expect_err("no machine has it");
        assert!(error.contains("SKIPPED memory") && error.contains("available"), "{error}");
    }

    #[test]
    fn an_unknown_shape_is_named_beside_those_that_exist() {
        let error = chosen(&["heaps".into()]).expect_err("there is none");
        assert!(error.contains("heaps") && error.contains("stalls"), "{error}");
    }
}
