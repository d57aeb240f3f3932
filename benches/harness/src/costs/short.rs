//! The table of the README: what the ledger costs, and what others cost in the same run.

use std::fmt::Write as _;

use workloads::{Class, Info, Mix, WORKLOADS};

use super::{missing, origin, ratio};
use crate::engines::{ENGINES, LEDGER, PLAIN};
use crate::record::Record;
use crate::rows::{ELAPSED_NS, INSTRUCTIONS, OPERATION_NS, PEAK_RSS_RATIO, TIME_RATIO, program_medians};
use crate::stats::geometric_mean;

/// Patterns that the README shows beside the programs; docs/costs.md has all.
const PATTERNS: &[&str] = &[
    "loop64",
    "loop1m",
    "loop64m",
    "ring",
    "ring2",
    "ring_mixed",
    "ring2_mixed",
    "prodcons",
    "prodcons_mixed",
    "phase",
    "phase2",
    "requests",
    "switch",
];

/// The text for `records`, each with the name under which the reader finds it.
pub fn render(records: &[(String, Record)]) -> String {
    let mut text = String::new();
    for (name, record) in records {
        let table = match record.command.as_str() {
            "compare" => format!("{}\n{}", times(record), others(record)),
            "instructions" => instructions(record),
            _ => continue,
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}\n\n{table}", origin("", name, record));
    }
    text
}

/// The ledger's engines of `record`.
fn ours(record: &Record) -> Vec<&'static str> {
    let used = |id: &&&str| record.configuration.engines.iter().any(|engine| engine.id == **id);
    LEDGER.iter().filter(|id| **id != PLAIN).filter(used).copied().collect()
}

fn is_shown(info: &Info) -> bool {
    info.class != Class::Pattern || PATTERNS.contains(&info.id)
}

fn times(record: &Record) -> String {
    let engines = ours(record);
    let mut text = String::from("| workload | what it does | plain jemalloc |");
    for engine in &engines {
        let _ = write!(text, " {engine}: time | peak RSS |");
    }
    let _ = writeln!(text, "\n|---|---|--:|{}", "--:|--:|".repeat(engines.len()));
    let used = |info: &&Info| record.configuration.workloads.iter().any(|used| used.id == info.id);
    for info in WORKLOADS.iter().filter(|info| is_shown(info)).filter(used) {
        let median = |engine, measure| record.row(info.id, engine, measure).map(|row| row.median);
        let plain = match info.mix {
            Mix::Switches => Some("none".to_owned()),
            _ => median(PLAIN, ELAPSED_NS).map(|ns| format!("{:.1} ms", ns / 1e6)),
        };
        let plain = plain.unwrap_or_else(|| missing(record, info.id, PLAIN));
        let _ = write!(text, "| `{}` | {} | {plain} |", info.id, info.about);
        for &engine in &engines {
            let time = match info.mix {
                Mix::Switches => median(engine, OPERATION_NS).map(|ns| format!("{ns:.1} ns a pair")),
                _ => record.row(info.id, engine, TIME_RATIO).map(ratio),
            };
            let peak = median(engine, PEAK_RSS_RATIO).map_or("?".to_owned(), |ratio| format!("{ratio:.2}"));
            let _ = write!(text, " {} | {peak} |", time.unwrap_or_else(|| missing(record, info.id, engine)));
        }
        text.push('\n');
    }
    text
}

/// The other engines of the record beside ours on a few workloads, if it has any.
fn others(record: &Record) -> String {
    const COLUMNS: &[&str] = &["loop64", "ring", "ring2", "prodcons"];
    let used = |id: &str| record.configuration.engines.iter().any(|engine| engine.id == id);
    if ENGINES.iter().all(|engine| LEDGER.contains(&engine.id) || !used(engine.id)) {
        return String::new();
    }
    let head: String = COLUMNS.iter().map(|id| format!(" `{id}` |")).collect();
    let mut text = format!(
        "Others in the same run, time as a ratio to plain jemalloc:\n\n| engine | knows at any moment | programs, \
         geometric mean |{head}\n|---|---|--:|{}\n",
        "--:|".repeat(COLUMNS.len())
    );
    for engine in ENGINES.iter().filter(|engine| engine.id != PLAIN && used(engine.id)) {
        let mean = geometric_mean(&program_medians(record, engine.id, false));
        let mean = mean.map_or("?".to_owned(), |mean| format!("{mean:.2}"));
        let _ = write!(text, "| {} | {} | {mean} |", engine.id, engine.counts.words());
        for id in COLUMNS {
            let cell = record.median(id, engine.id, TIME_RATIO).map(|median| format!("{median:.2}"));
            let _ = write!(text, " {} |", cell.unwrap_or_else(|| missing(record, id, engine.id)));
        }
        text.push('\n');
    }
    text
}

fn instructions(record: &Record) -> String {
    let engines = ours(record);
    let mut text = format!("| workload | plain jemalloc | {} |\n", engines.join(" | "));
    let _ = writeln!(text, "|---|--:|{}", "--:|".repeat(engines.len()));
    for used in &record.configuration.workloads {
        let _ = write!(text, "| `{}` |", used.id);
        for engine in std::iter::once(PLAIN).chain(engines.iter().copied()) {
            let count = record.row(&used.id, engine, INSTRUCTIONS).map(|row| format!("{:.0}", row.median));
            let _ = write!(text, " {} |", count.unwrap_or_else(|| missing(record, &used.id, engine)));
        }
        text.push('\n');
    }
    text
}
