//! docs/costs.md: every workload, engine and measure of the records.

use std::fmt::Write as _;

use workloads::{Info, Mix, WORKLOADS};

use super::{missing, origin, ratio};
use crate::engines::{ENGINES, Engine, PLAIN};
use crate::footprint::{EACH_BYTES, EACH_OVER_PLAIN_BYTES, PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES};
use crate::latency::AGAIN;
use crate::record::{Record, Row};
use crate::rows::{
    ELAPSED_NS, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, OPERATION_NS, PEAK_RSS_RATIO, TIME_RATIO,
    WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN, program_medians,
};
use crate::scale::{self, CALL_NS, SHAPES, STALL_MAX_NS, STALL_P999_NS, STALLS};
use crate::stats::geometric_mean;
use crate::table::duration;

/// The text for `records`, each with the name under which the reader finds it from the folder of the workspace.
pub fn render(records: &[(String, Record)]) -> String {
    let mut text = String::new();
    for (name, record) in records {
        let (title, tables) = match record.command.as_str() {
            "compare" => ("Time and peak RSS", compare(record)),
            "latency" => ("Latency of single operations", latency(record)),
            "footprint" => ("Code, threads, regions", footprint(record)),
            "instructions" => ("Instructions", instructions(record)),
            "scale" => ("The cost of reading", reading(record)),
            _ => continue,
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "## {title}\n\n{}\n\n{}\n", origin("../", name, record), tables.trim_end());
    }
    text
}

/// The engines of `record` that are compared with plain, in the order of the list.
fn compared(record: &Record) -> Vec<&'static Engine> {
    let used = |id: &str| record.configuration.engines.iter().any(|engine| engine.id == id);
    ENGINES.iter().filter(|engine| engine.id != PLAIN && used(engine.id)).collect()
}

fn compare(record: &Record) -> String {
    let engines = compared(record);
    let mut text = String::from(
        "| engine | what it is | knows at any moment | programs in one region | programs in several |\n|---|---|---|--:|--:|\n",
    );
    for engine in &engines {
        let mean = |mixed| {
            let mean = geometric_mean(&program_medians(record, engine.id, mixed));
            mean.map_or("?".to_owned(), |mean| format!("{mean:.3}"))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            engine.id,
            engine.about,
            engine.counts.words(),
            mean(false),
            mean(true)
        );
    }
    text.push_str(
        "\nGeometric means of the medians below; programs in several regions switch among them all the time.\n\n",
    );
    for engine in record.configuration.engines.iter().filter(|engine| !engine.longer.is_empty()) {
        let _ = writeln!(
            text,
            "{} ran more iterations of {}, so that its timed part lasted for seconds; in the others it is about as \
             long as a run of the other engines, and hardly anything that it does every second falls into it.\n",
            engine.id,
            engine.longer.join(", ")
        );
    }
    let used = |info: &&Info| record.configuration.workloads.iter().any(|used| used.id == info.id);
    text.push_str("### Time\n\n| workload | plain jemalloc |");
    text.push_str(&head(&engines));
    for info in WORKLOADS.iter().filter(used) {
        let plain = match info.mix {
            Mix::Switches => "none".to_owned(),
            _ => record
                .median(info.id, PLAIN, ELAPSED_NS)
                .map_or_else(|| missing(record, info.id, PLAIN), |ns| format!("{:.1} ms", ns / 1e6)),
        };
        let _ = write!(text, "| `{}` | {plain} |", info.id);
        for engine in &engines {
            let cell = match info.mix {
                Mix::Switches => record.median(info.id, engine.id, OPERATION_NS).map(|ns| format!("{ns:.1} ns a pair")),
                _ => record.row(info.id, engine.id, TIME_RATIO).map(ratio),
            };
            let _ = write!(text, " {} |", cell.unwrap_or_else(|| missing(record, info.id, engine.id)));
        }
        text.push('\n');
    }
    text.push_str("\n### Peak RSS, as a ratio to plain jemalloc\n\n| workload |");
    text.push_str(&head(&engines).replacen("|--:|", "|", 1));
    for info in WORKLOADS.iter().filter(used) {
        let _ = write!(text, "| `{}` |", info.id);
        for engine in &engines {
            let cell = record.median(info.id, engine.id, PEAK_RSS_RATIO).map(|ratio| format!("{ratio:.3}"));
            let _ = write!(text, " {} |", cell.unwrap_or_else(|| missing(record, info.id, engine.id)));
        }
        text.push('\n');
    }
    text.push_str("\n### The workloads\n\n| workload | what it does |\n|---|---|\n");
    for info in WORKLOADS.iter().filter(used) {
        let _ = writeln!(text, "| `{}` | {} |", info.id, info.about);
    }
    text
}

/// The rest of a table's head after its first two columns, and the line below it.
fn head(engines: &[&Engine]) -> String {
    let names: String = engines.iter().map(|engine| format!(" {} |", engine.id)).collect();
    format!("{names}\n|---|--:|{}\n", "--:|".repeat(engines.len()))
}

fn latency(record: &Record) -> String {
    let mut text = String::from("| pattern | engine |");
    for of in ["alloc", "free"] {
        let _ = write!(text, " {of}: p50 | p99 | p99.9 | longest | p99.9 to plain |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "--:|".repeat(10));
    for used in &record.configuration.workloads {
        let engines = record.configuration.engines.iter().map(|engine| engine.id.as_str());
        for engine in engines.chain([AGAIN]) {
            let _ = write!(text, "| `{}` | {engine} |", used.id);
            for of in ["alloc", "free"] {
                for measure in ["p50_ns", "p99_ns", "p999_ns", "max_ns"] {
                    let median = record.median(&used.id, engine, &format!("{of}_{measure}"));
                    let cell = median.map(|ns| format!("{ns:.0}"));
                    let _ = write!(text, " {} |", cell.unwrap_or_else(|| missing(record, &used.id, engine)));
                }
                let row = record.row(&used.id, engine, &format!("{of}_p999_ratio"));
                let _ = write!(text, " {} |", row.map_or(String::new(), ratio));
            }
            text.push('\n');
        }
    }
    text
}

fn footprint(record: &Record) -> String {
    let mut text = String::from(
        "| engine | code | over plain | a thread | over plain | a region | over plain |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for engine in &record.configuration.engines {
        let _ = write!(text, "| {} |", engine.id);
        for (workload, measure, over) in [
            (PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES),
            ("threads", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
            ("regions", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
        ] {
            let cell = record.median(workload, &engine.id, measure).map(|bytes| format!("{bytes:.0} B"));
            let _ = write!(text, " {} |", cell.unwrap_or_else(|| missing(record, workload, &engine.id)));
            let cell = record.median(workload, &engine.id, over).map(|bytes| format!("{bytes:+.0} B"));
            let _ = write!(text, " {} |", cell.unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

fn instructions(record: &Record) -> String {
    let engines: Vec<&str> = record.configuration.engines.iter().map(|engine| engine.id.as_str()).collect();
    let mut text = counts(record, &engines, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN);
    let twice = |id: &&str| record.rows.iter().any(|row| row.engine == *id && row.measure == WITHOUT_LTO_INSTRUCTIONS);
    let engines: Vec<&str> = engines.into_iter().filter(twice).collect();
    if !engines.is_empty() {
        text.push_str("\nThe same programs without link-time optimisation (`lto = \"off\"`, 16 codegen units):\n\n");
        text.push_str(&counts(record, &engines, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN));
    }
    text
}

/// A line per workload that has a row of `measure`; where an engine has none, the reason.
fn counts(record: &Record, engines: &[&str], measure: &str, over_plain: &str) -> String {
    let mut text = format!("| workload | {} |\n|---|{}\n", engines.join(" | "), "--:|".repeat(engines.len()));
    let counted = |id: &str| record.rows.iter().any(|row| row.workload == id && row.measure == measure);
    for used in record.configuration.workloads.iter().filter(|used| counted(&used.id)) {
        let _ = write!(text, "| `{}` |", used.id);
        for engine in engines {
            let count = record.median(&used.id, engine, measure).map(|count| {
                let over = record.median(&used.id, engine, over_plain);
                format!("{count:.1}{}", over.map_or(String::new(), |over| format!(" ({over:+.1})")))
            });
            let _ = write!(text, " {} |", count.unwrap_or_else(|| missing(record, &used.id, engine)));
        }
        text.push('\n');
    }
    text
}

fn reading(record: &Record) -> String {
    let mut text = String::new();
    for shape in SHAPES.iter().filter(|shape| !scale::kinds(record, shape).is_empty()) {
        let heads: String = shape.values.iter().map(|value| format!(" {} |", scale::shown(shape, *value))).collect();
        let _ = writeln!(
            text,
            "### By {}: {}\n\n| reading |{heads} base | per {} | off the line | what the points say |\n|---|{}--:|--:|--:|---|",
            shape.id,
            shape.about,
            shape.unit.0,
            "--:|".repeat(shape.values.len())
        );
        for kind in scale::kinds(record, shape) {
            let _ = write!(text, "| `{kind}` |");
            for value in shape.values {
                let of = |row: &&Row| {
                    row.workload == shape.id && row.engine == kind && row.measure == CALL_NS && row.at == Some(*value)
                };
                let median = record.rows.iter().find(of).map(|row| duration(row.median));
                let why = missing(record, &format!("{} {}", shape.id, scale::shown(shape, *value)), "heapledger");
                let _ = write!(text, " {} |", median.unwrap_or(why));
            }
            match scale::line(record, shape, &kind) {
                Some(line) => {
                    let off = line.off * 100.0;
                    let word = scale::word(record, shape, &kind).unwrap_or_default();
                    let (base, slope) = (duration(line.base), duration(line.slope));
                    let _ = writeln!(text, " {base} | {slope} | {off:.0} % | {word} |");
                }
                None => text.push_str(" ? | ? | ? | ? |\n"),
            }
        }
        text.push('\n');
    }
    let mut stalls = String::new();
    for row in record.rows.iter().filter(|row| row.workload == STALLS && row.measure == STALL_MAX_NS) {
        let same = |one: &&Row| one.engine == row.engine && one.at == row.at && one.measure == STALL_P999_NS;
        let p999 = record.rows.iter().find(same).map_or("?".to_owned(), |row| duration(row.median));
        let gib = row.at.unwrap_or_default() / 1_073_741_824.0;
        let (worst, largest) = (duration(row.median), duration(row.max));
        let _ = writeln!(stalls, "| {} | {gib:.1} GiB | {} | {p999} | {worst} | {largest} |", row.engine, row.rounds);
    }
    if !stalls.is_empty() {
        let _ = writeln!(
            text,
            "### What another thread feels\n\n| kind, while nothing or statements are read | resident | \
             windows | p99.9, median | worst of a window, median | largest |\n|---|--:|--:|--:|--:|--:|\n{stalls}"
        );
    }
    text
}
