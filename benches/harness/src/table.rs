//! The table of a comparison on a terminal.

mod others;

use std::fmt::Write as _;

use crate::record::{Record, Row};
use crate::rows::{
    CPU_RATIO, ELAPSED_NS, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, OPERATION_NS, PEAK_RSS_BYTES, PEAK_RSS_RATIO,
    TIME_RATIO,
};

pub use others::{render_footprint, render_latency, render_scale};

const MIB: f64 = 1_048_576.0;

/// One line per workload and engine: time, its ratio to plain with quartiles and extremes, the ratio of
/// processor time, peak RSS and its ratio.
pub fn render(record: &Record) -> String {
    let mut text = format!(
        "{:<12} {:<20} {:>8} {:>10} {:>6} {:>11} {:>11} {:>5} {:>8} {:>6}\n",
        "workload", "engine", "ms", "per op", "ratio", "quartiles", "min-max", "cpu", "RSS MiB", "ratio"
    );
    for workload in &record.configuration.workloads {
        let mut name = workload.id.as_str();
        for engine in &record.configuration.engines {
            let line = match record.failure(&workload.id, &engine.id) {
                Some(failure) => format!("failed: {}", failure.in_short()),
                None => cells(record, &workload.id, &engine.id),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12} {:<20} {}", engine.id, line.trim_end());
            name = "";
        }
    }
    let (rounds, asked) = (record.rounds(), record.configuration.rounds);
    let of = if rounds < asked { format!("{rounds} of {asked}") } else { rounds.to_string() };
    let _ =
        writeln!(text, "medians of {of} rounds; ratios are to plain in the same round; cpu: ratio of processor time");
    text
}

fn cells(record: &Record, workload: &str, engine: &str) -> String {
    let median = |measure, unit: f64, digits| {
        record.median(workload, engine, measure).map_or(String::new(), |median| format!("{:.digits$}", median / unit))
    };
    let ratio = record.row(workload, engine, TIME_RATIO);
    let range = |low: fn(&Row) -> f64, high: fn(&Row) -> f64| {
        ratio.map_or(String::new(), |row| format!("{:.2}-{:.2}", low(row), high(row)))
    };
    let quartiles = range(|row| row.lower_quartile, |row| row.upper_quartile);
    let extremes = range(|row| row.min, |row| row.max);
    format!(
        "{:>8} {:>10} {:>6} {quartiles:>11} {extremes:>11} {:>5} {:>8} {:>6}",
        median(ELAPSED_NS, 1e6, 1),
        record.median(workload, engine, OPERATION_NS).map_or(String::new(), duration),
        median(TIME_RATIO, 1.0, 3),
        median(CPU_RATIO, 1.0, 2),
        median(PEAK_RSS_BYTES, MIB, 1),
        median(PEAK_RSS_RATIO, 1.0, 3),
    )
}

/// Nanoseconds in the unit that leaves few digits before the point.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e4 => format!("{ns:.2} ns"),
        ns if ns < 1e7 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

/// One line per workload and engine: instructions per pair, and how many more than plain.
pub fn render_instructions(record: &Record) -> String {
    let mut text = format!("{:<12} {:<20} {:>12} {:>12}\n", "workload", "engine", "per pair", "over plain");
    for workload in &record.configuration.workloads {
        let mut name = workload.id.as_str();
        for engine in &record.configuration.engines {
            let median = |measure| {
                record.row(&workload.id, &engine.id, measure).map_or(String::new(), |row| format!("{:.1}", row.median))
            };
            let line = match record.failure(&workload.id, &engine.id) {
                Some(failure) => failure.in_short(),
                None => format!("{:>12} {:>12}", median(INSTRUCTIONS), median(INSTRUCTIONS_OVER_PLAIN)),
            };
            let _ = writeln!(text, "{name:<12} {:<20} {}", engine.id, line.trim_end());
            name = "";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::record::{Configuration, EngineUsed, Failure, Record, Row, WorkloadUsed};
    use crate::rows::TIME_RATIO;

    #[test]
    fn the_table_is_eighty_columns_or_a_little_more_and_shows_failures() {
        let engine = |id: &str| EngineUsed {
            id: id.into(),
            about: String::new(),
            allocator: serde_json::Value::Null,
            longer: Vec::new(),
        };
        let record = Record {
            configuration: Configuration {
                engines: vec![engine("heapledger-untagged"), engine("heapledger-tagged")],
                workloads: vec![WorkloadUsed {
                    id: "btree_mixed".into(),
                    about: String::new(),
                    operation: String::new(),
                    iterations: 1,
                }],
                ..Configuration::default()
            },
            rows: vec![Row::new("btree_mixed", "heapledger-untagged", TIME_RATIO, vec![1.0, 1.25]).expect("samples")],
            failures: vec![Failure {
                workload: "btree_mixed".into(),
                engine: "heapledger-tagged".into(),
                reason: "it crashed\nin main".into(),
            }],
            ..Record::default()
        };
        let table = render(&record);
        assert!(
            table.contains("1.125") && table.contains("1.06-1.19") && table.contains("failed: it crashed in main"),
            "{table}"
        );
        assert!(table.lines().all(|line| line.len() <= 108), "{table}");
    }
}
