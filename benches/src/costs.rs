//! The cost table of the README, generated from records.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use workloads::{Mix, WORKLOADS};

use crate::engines::{ENGINES, PLAIN};
use crate::record::{Record, Row};
use crate::rows::{ELAPSED_NS, INSTRUCTIONS, OPERATION_NS, PEAK_RSS_RATIO, TIME_RATIO};

const BEGIN: &str = "<!-- costs:begin -->";
const END: &str = "<!-- costs:end -->";

/// The text that stands between the markers for `records`, each with the name under which the reader finds it.
pub fn render(records: &[(String, Record)]) -> String {
    let mut text = String::new();
    for (name, record) in records {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}\n", origin(name, record));
        let table = if record.command == "instructions" { instructions(record) } else { times(record) };
        let _ = writeln!(text, "{table}");
    }
    text
}

/// Where the figures come from, in a sentence or two.
fn origin(name: &str, record: &Record) -> String {
    let machine = &record.machine;
    let unknown = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    let commit: String = record.source.commit.as_deref().unwrap_or("unknown").chars().take(12).collect();
    let dirty = if record.source.dirty == Some(true) { " with changes" } else { "" };
    let cores = machine.cores.map_or("?".to_owned(), |cores| cores.to_string());
    let partial = if record.complete { "" } else { " The run was interrupted." };
    let host = if machine.virtual_machine == Some(true) { ", virtual machine" } else { "" };
    let what = match record.command.as_str() {
        "instructions" => "Instructions per allocation and free, counted by callgrind (`instructions`)".to_owned(),
        _ => format!(
            "Median of {} interleaved rounds (`compare`), quartiles in brackets; each ratio is to plain jemalloc in the \
             same round",
            record.configuration.rounds
        ),
    };
    format!(
        "{what}; {}, {cores} cores{host}, Linux {}, {}, commit {commit}{dirty}; every sample is in \
         [{name}]({name}).{partial}",
        unknown(machine.cpu.as_deref()),
        unknown(machine.kernel.as_deref()),
        unknown(record.source.rustc.as_deref().map(|rustc| rustc.split(" (").next().unwrap_or(rustc))),
    )
}

/// The engines of `record` that are compared with plain, in the order of the list.
fn compared(record: &Record) -> Vec<&'static str> {
    let used = |id: &str| record.configuration.engines.iter().any(|engine| engine.id == id);
    ENGINES.iter().map(|engine| engine.id).filter(|id| *id != PLAIN && used(id)).collect()
}

fn times(record: &Record) -> String {
    let engines = compared(record);
    let mut text = String::from("| workload | what it does | plain jemalloc |");
    for engine in &engines {
        let _ = write!(text, " {engine}: time | peak RSS |");
    }
    let _ = writeln!(text, "\n|---|---|--:|{}", "--:|--:|".repeat(engines.len()));
    for info in WORKLOADS.iter().filter(|info| record.configuration.workloads.iter().any(|used| used.id == info.id)) {
        let median = |engine, measure| record.row(info.id, engine, measure).map(|row| row.median);
        let plain = match info.mix {
            Mix::Switches => Some("none".to_owned()),
            _ => median(PLAIN, ELAPSED_NS).map(|ns| format!("{:.1} ms", ns / 1e6)),
        };
        let _ = write!(
            text,
            "| `{}` | {} | {} |",
            info.id,
            info.about,
            plain.unwrap_or_else(|| missing(record, info.id, PLAIN))
        );
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

fn instructions(record: &Record) -> String {
    let engines = compared(record);
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

fn ratio(row: &Row) -> String {
    format!("{:.2} [{:.2}-{:.2}]", row.median, row.lower_quartile, row.upper_quartile)
}

/// What stands where nothing was measured: the reason, never a number.
fn missing(record: &Record, workload: &str, engine: &str) -> String {
    record.failure(workload, engine).map_or("?".to_owned(), |failure| {
        let first = failure.reason.lines().next().unwrap_or("failed");
        format!("failed: {}", first.replace('|', "/"))
    })
}

/// `readme` with `table` between its markers.
pub fn replaced(readme: &str, table: &str) -> Result<String, String> {
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(|| format!("it has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("it has no line {END} after {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim_end()))
}

/// The records that the table between the markers of `readme` names, in its order.
pub fn named(readme: &str) -> Vec<String> {
    let between = readme.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map_or("", |(table, _)| table);
    between
        .split("](")
        .skip(1)
        .filter_map(|link| link.split_once(')').map(|(name, _)| name.to_owned()))
        .filter(|name| name.ends_with(".json"))
        .collect()
}

/// Puts the table of `records` into the file `readme`, or with `check` only says whether it is there already.
pub fn update(readme: &Path, records: &[(String, Record)], check: bool) -> Result<String, String> {
    let text = fs::read_to_string(readme).map_err(|error| format!("cannot read {}: {error}", readme.display()))?;
    let fresh = replaced(&text, &render(records)).map_err(|error| format!("{}: {error}", readme.display()))?;
    match (fresh == text, check) {
        (true, _) => Ok(format!("{} agrees with its records", readme.display())),
        (false, true) => Err(format!(
            "the cost table of {} differs from the records it names: run \
             `cargo run --release -p heapledger-bench -- report`",
            readme.display()
        )),
        (false, false) => {
            fs::write(readme, fresh).map_err(|error| format!("cannot write {}: {error}", readme.display()))?;
            Ok(format!("{} has a new cost table", readme.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{named, render, replaced};
    use crate::record::{Configuration, EngineUsed, Failure, Record, Row, WorkloadUsed};
    use crate::rows::{OPERATION_NS, TIME_RATIO};

    const TAGGED: &str = "heapledger-tagged";

    fn record() -> Record {
        let workload =
            |id: &str| WorkloadUsed { id: id.into(), about: String::new(), operation: String::new(), iterations: 1 };
        let engine = |id: &str| EngineUsed { id: id.into(), about: String::new(), allocator: serde_json::Value::Null };
        Record {
            command: "compare".into(),
            complete: true,
            configuration: Configuration {
                rounds: 21,
                engines: vec![engine("plain"), engine(TAGGED)],
                workloads: vec![workload("json"), workload("syn"), workload("switch")],
                ..Configuration::default()
            },
            rows: vec![
                Row::new("json", TAGGED, TIME_RATIO, vec![1.0, 1.02, 1.06]).expect("samples"),
                Row::new("switch", TAGGED, OPERATION_NS, vec![2.5]).expect("a sample"),
            ],
            failures: vec![Failure {
                workload: "syn".into(),
                engine: TAGGED.into(),
                reason: "no | room\nat all".into(),
            }],
            ..Record::default()
        }
    }

    #[test]
    fn the_table_shows_ratios_with_quartiles_switches_in_nanoseconds_and_failures_with_their_reason() {
        let table = render(&[("benches/records/a.json".into(), record())]);
        assert!(table.contains("| 1.02 [1.01-1.04] |"), "{table}");
        assert!(table.contains("| 2.5 ns a pair |"), "{table}");
        assert!(table.contains("| failed: no / room |"), "{table}");
        assert!(table.contains("Median of 21 interleaved rounds"), "{table}");
    }

    #[test]
    fn every_line_of_the_table_has_as_many_cells_as_its_head() {
        let table = render(&[("a.json".into(), record())]);
        let mut bars = table.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count());
        let head = bars.next().expect("there is a head");
        assert!(bars.all(|count| count == head), "{table}");
    }

    #[test]
    fn the_text_around_the_markers_stays_and_a_second_time_changes_nothing() {
        let readme = "# Title\n<!-- costs:begin -->\nold\n<!-- costs:end -->\nrest\n";
        let once = replaced(readme, "new\n").expect("the markers are there");
        assert_eq!(once, "# Title\n<!-- costs:begin -->\nnew\n<!-- costs:end -->\nrest\n");
        assert_eq!(replaced(&once, "new\n").expect("the markers are there"), once);
        assert!(replaced("# Title\n", "new").expect_err("no markers").contains("costs:begin"));
    }

    #[test]
    fn the_records_that_a_table_names_are_found_again() {
        let table = render(&[("benches/records/a.json".into(), record()), ("b.json".into(), record())]);
        let readme = replaced("[x](y.json)<!-- costs:begin --><!-- costs:end -->", &table).expect("markers");
        assert_eq!(named(&readme), ["benches/records/a.json", "b.json"]);
    }
}
