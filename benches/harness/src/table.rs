//! The table of a comparison on a terminal.

mod others;

use std::fmt::Write as _;

use crate::record::{Record, Row};
use crate::rows::{
    CPU_RATIO, ELAPSED_NS, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, OPERATION_NS, PEAK_RSS_BYTES, PEAK_RSS_RATIO,
    TIME_RATIO, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN,
};

pub use others::{render_footprint, render_latency, render_scale};

const MIB: f64 = 1_048_576.0;

/// Name and width of each column after the engine, in the order in which they stand.
const COLUMNS: [(&str, usize); 8] = [
    ("ms", 8),
    ("per op", 10),
    ("ratio", 6),
    ("quartiles", 11),
    ("min-max", 11),
    ("cpu", 5),
    ("RSS MiB", 8),
    ("ratio", 6),
];
/// Which columns go first where the terminal is narrow.
const DISPENSABLE: [usize; 3] = [3, 4, 5];
/// Of the columns before: workload, engine and the blank between them.
const NAMES: usize = 33;

/// One line per workload and engine: time, its ratio to plain with quartiles and extremes, the ratio of
/// processor time, peak RSS and its ratio. On a terminal that is too narrow some of it is left to the record.
pub fn render(record: &Record) -> String {
    let terminal = console::Term::stdout();
    let width = terminal.is_term().then(|| terminal.size_checked()).flatten().map(|(_, columns)| columns.into());
    render_within(record, width)
}

fn render_within(record: &Record, width: Option<usize>) -> String {
    let mut left_out: &[usize] = &[];
    let needed = |without: &[usize]| {
        let kept = COLUMNS.iter().enumerate().filter(|(at, _)| !without.contains(at));
        NAMES + kept.map(|(_, (_, width))| width + 1).sum::<usize>()
    };
    while width.is_some_and(|width| needed(left_out) > width) && left_out.len() < DISPENSABLE.len() {
        left_out = &DISPENSABLE[..=left_out.len()];
    }
    let line = |cells: [String; 8]| {
        let kept = cells.iter().zip(COLUMNS).enumerate().filter(|(at, _)| !left_out.contains(at));
        kept.map(|(_, (cell, (_, width)))| format!(" {cell:>width$}")).collect::<String>()
    };
    let mut text = format!("{:<12} {:<20}{}\n", "workload", "engine", line(COLUMNS.map(|(name, _)| name.to_owned())));
    for workload in &record.configuration.workloads {
        let mut name = workload.id.as_str();
        for engine in &record.configuration.engines {
            let rest = match record.failure(&workload.id, &engine.id) {
                Some(failure) => format!(" failed: {}", failure.in_short()),
                None => line(cells(record, &workload.id, &engine.id)),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12} {:<20}{}", engine.id, rest.trim_end());
            name = "";
        }
    }
    let (rounds, asked) = (record.rounds(), record.configuration.rounds);
    let of = if rounds < asked { format!("{rounds} of {asked}") } else { rounds.to_string() };
    let cpu = if left_out.len() < DISPENSABLE.len() { "; cpu: of processor time" } else { "" };
    let _ = writeln!(text, "medians of {of} rounds; ratios are to plain in the same round{cpu}");
    // A reason may be longer than any terminal; the record has it whole.
    let cut = |line: &str| line.chars().take(width.unwrap_or(usize::MAX)).collect::<String>() + "\n";
    text.lines().map(cut).collect()
}

fn cells(record: &Record, workload: &str, engine: &str) -> [String; 8] {
    let median = |measure, unit: f64, digits| {
        record.median(workload, engine, measure).map_or(String::new(), |median| format!("{:.digits$}", median / unit))
    };
    let ratio = record.row(workload, engine, TIME_RATIO);
    let range = |low: fn(&Row) -> f64, high: fn(&Row) -> f64| {
        ratio.map_or(String::new(), |row| format!("{:.2}-{:.2}", low(row), high(row)))
    };
    [
        median(ELAPSED_NS, 1e6, 1),
        record.median(workload, engine, OPERATION_NS).map_or(String::new(), duration),
        median(TIME_RATIO, 1.0, 3),
        range(|row| row.lower_quartile, |row| row.upper_quartile),
        range(|row| row.min, |row| row.max),
        median(CPU_RATIO, 1.0, 2),
        median(PEAK_RSS_BYTES, MIB, 1),
        median(PEAK_RSS_RATIO, 1.0, 3),
    ]
}

/// Nanoseconds in the unit that leaves few digits before the point.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e4 => format!("{ns:.2} ns"),
        ns if ns < 1e7 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

/// One line per workload and engine: instructions per pair, and how many more than plain; behind them the same without
/// link-time optimisation, where that was counted.
pub fn render_instructions(record: &Record) -> String {
    let mut text = format!(
        "{:<12} {:<20} {:>12} {:>12} {:>12} {:>12}\n",
        "workload", "engine", "per pair", "over plain", "without LTO", "over plain"
    );
    for workload in &record.configuration.workloads {
        let mut name = workload.id.as_str();
        for engine in &record.configuration.engines {
            let median = |measure| {
                record.row(&workload.id, &engine.id, measure).map_or(String::new(), |row| format!("{:.1}", row.median))
            };
            let counts =
                [INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN];
            let [count, over, count_without, over_without] = counts.map(median);
            let line = match record.failure(&workload.id, &engine.id) {
                Some(failure) => failure.in_short(),
                None => format!("{count:>12} {over:>12} {count_without:>12} {over_without:>12}"),
            };
            let _ = writeln!(text, "{name:<12} {:<20} {}", engine.id, line.trim_end());
            name = "";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render_within;
    use crate::record::{Configuration, EngineUsed, Failure, Record, Row, WorkloadUsed};
    use crate::rows::TIME_RATIO;

    #[test]
    fn the_table_shows_failures_and_fits_a_narrow_terminal_without_quartiles() {
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
        let table = render_within(&record, None);
        assert!(
            table.contains("1.125") && table.contains("1.06-1.19") && table.contains("failed: it crashed in main"),
            "{table}"
        );
        let narrow = |width| render_within(&record, Some(width));
        assert!(narrow(100).contains("1.00-1.25") && !narrow(100).contains("1.06-1.19"), "{}", narrow(100));
        assert!(narrow(80).contains("1.125") && narrow(80).lines().all(|line| line.len() <= 80), "{}", narrow(80));
    }
}
