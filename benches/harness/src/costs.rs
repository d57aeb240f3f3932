//! The generated costs: the table of the README and the whole of docs/costs.md, from records.

mod full;
mod short;

use std::fs;
use std::path::Path;

use crate::record::{Failure, Record, Row};

/// A place for generated text in a document.
struct Place {
    begin: &'static str,
    end: &'static str,
    render: fn(&[(String, Record)]) -> String,
    /// Of which commands it has tables.
    commands: &'static [&'static str],
}

/// Where the README has its table, and docs/costs.md all of them.
const PLACES: &[Place] = &[
    Place {
        begin: "<!-- costs:begin -->",
        end: "<!-- costs:end -->",
        render: short::render,
        commands: &["compare", "instructions"],
    },
    Place {
        begin: "<!-- all-costs:begin -->",
        end: "<!-- all-costs:end -->",
        render: full::render,
        commands: &["compare", "latency", "footprint", "instructions", "scale"],
    },
];

/// Where the figures come from, in a sentence or two.
fn origin(up: &str, name: &str, record: &Record) -> String {
    let machine = &record.machine;
    let unknown = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    let commit: String = match (&record.source.commit, &record.configuration.built) {
        (Some(commit), _) => format!("commit {}", commit.chars().take(12).collect::<String>()),
        (None, Some(folder)) => format!("programs built before in {folder}, of an unknown commit"),
        (None, None) => "commit unknown".to_owned(),
    };
    let load = |load: Option<f64>| load.map_or("?".to_owned(), |load| format!("{load:.2}"));
    let (before, after) = (load(machine.load_before), load(record.configuration.load_after));
    let dirty = if record.source.dirty == Some(true) { " with changes" } else { "" };
    let cores = machine.cores.map_or("?".to_owned(), |cores| cores.to_string());
    let partial = if record.complete { "" } else { " The run was interrupted." };
    let host = if machine.virtual_machine == Some(true) { ", virtual machine" } else { "" };
    let rounds = record.rounds();
    let what = match record.command.as_str() {
        "instructions" => "Instructions per allocation and free, counted by callgrind (`instructions`)".to_owned(),
        "latency" => format!("Medians of {rounds} interleaved rounds (`latency`), in nanoseconds"),
        "footprint" => "Machine code, and resident bytes per thread and per region (`footprint`)".to_owned(),
        "scale" => "Medians of the calls in processes that grow (`scale`)".to_owned(),
        _ => format!(
            "Median of {rounds} interleaved rounds (`compare`), quartiles in brackets; each ratio is to plain jemalloc \
             in the same round"
        ),
    };
    format!(
        "{what}; {}, {cores} cores{host}, Linux {}, {}, {commit}{dirty}, load average \
         {before} before and {after} after; every sample is in \
         [{name}]({up}{name}).{partial}",
        unknown(machine.cpu.as_deref()),
        unknown(machine.kernel.as_deref()),
        unknown(record.source.rustc.as_deref().map(|rustc| rustc.split(" (").next().unwrap_or(rustc))),
    )
}

/// A ratio with its quartiles.
fn ratio(row: &Row) -> String {
    format!("{:.2} [{:.2}-{:.2}]", row.median, row.lower_quartile, row.upper_quartile)
}

/// What stands where nothing was measured: the reason, never a number.
fn missing(record: &Record, workload: &str, engine: &str) -> String {
    let told = |failure: &Failure| format!("failed: {}", failure.in_short().replace('|', "/"));
    record.failure(workload, engine).map_or("?".to_owned(), told)
}

/// The first place that `document` has.
fn place(document: &str) -> Result<&'static Place, String> {
    let found = PLACES.iter().find(|place| document.contains(place.begin));
    found.ok_or_else(|| format!("it has no line {} and no line {}", PLACES[0].begin, PLACES[1].begin))
}

/// `document` with `table` in its place.
fn replaced(document: &str, place: &Place, table: &str) -> Result<String, String> {
    let Place { begin, end, .. } = place;
    let (before, rest) = document.split_once(begin).ok_or_else(|| format!("it has no line {begin}"))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| format!("it has no line {end} after {begin}"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", table.trim_end()))
}

/// The records that the generated part of `document` names, in its order.
pub fn named(document: &str) -> Vec<String> {
    let Ok(place) = place(document) else { return Vec::new() };
    let between = document.split_once(place.begin).and_then(|(_, rest)| rest.split_once(place.end));
    let mut names = Vec::new();
    // Links are `[NAME](PATH)`: the name is the path from the folder of the workspace.
    for link in between.map_or("", |(table, _)| table).split('[').skip(1) {
        let name = link.split_once("](").map(|(name, _)| name.to_owned());
        names.extend(name.filter(|name| name.ends_with(".json") && !names.contains(name)));
    }
    names
}

/// Whether every one of `records` has a table in `place`, which would be emptied otherwise, and with it the names by which
/// the records are found again.
fn fits(place: &Place, records: &[(String, Record)]) -> Result<(), String> {
    for (name, record) in records {
        if !place.commands.contains(&record.command.as_str()) {
            let known = place.commands.join(", ");
            return Err(format!("{name} is a record of `{}`; it has tables of {known} alone", record.command));
        }
        if record.rows.is_empty() {
            return Err(format!("{name} has no rows"));
        }
    }
    if records.is_empty() { Err("no record was given".to_owned()) } else { Ok(()) }
}

/// Puts the table of `records` into the file `readme`, or with `check` only says whether it is there already.
pub fn update(readme: &Path, records: &[(String, Record)], check: bool) -> Result<String, String> {
    let text = fs::read_to_string(readme).map_err(|error| format!("cannot read {}: {error}", readme.display()))?;
    let fresh = place(&text)
        .and_then(|place| {
            fits(place, records)?;
            replaced(&text, place, &(place.render)(records))
        })
        .map_err(|error| format!("{}: {error}", readme.display()))?;
    match (fresh == text, check) {
        (true, _) => Ok(format!("{} agrees with its records", readme.display())),
        (false, true) => {
            Err(format!("the costs in {} differ from the records that they name: run tools/readme", readme.display()))
        }
        (false, false) => {
            fs::write(readme, fresh).map_err(|error| format!("cannot write {}: {error}", readme.display()))?;
            Ok(format!("{} has new cost tables", readme.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PLACES, fits, named, place, replaced};
    use crate::engines::ENGINES;
    use crate::record::{Configuration, EngineUsed, Failure, Record, Row, WorkloadUsed};
    use crate::rows::{OPERATION_NS, TIME_RATIO};

    const TAGGED: &str = "heapledger-tagged";

    fn record() -> Record {
        let workload =
            |id: &str| WorkloadUsed { id: id.into(), about: String::new(), operation: String::new(), iterations: 1 };
        let engine = |id: &str| EngineUsed {
            id: id.into(),
            about: String::new(),
            allocator: serde_json::Value::Null,
            longer: Vec::new(),
        };
        Record {
            command: "compare".into(),
            complete: true,
            configuration: Configuration {
                rounds: 21,
                engines: ENGINES.iter().map(|one| engine(one.id)).collect(),
                workloads: vec![workload("json"), workload("syn"), workload("switch")],
                ..Configuration::default()
            },
            rows: vec![
                Row::new("json", TAGGED, TIME_RATIO, vec![1.0, 1.02, 1.06]).expect("samples"),
                Row::new("json", "cap", TIME_RATIO, vec![2.0, 2.0, 2.0]).expect("samples"),
                Row::new("switch", TAGGED, OPERATION_NS, vec![2.5, 2.5, 2.5]).expect("samples"),
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
    fn the_tables_show_ratios_with_quartiles_switches_in_nanoseconds_and_failures_with_their_reason() {
        for place in PLACES {
            let table = (place.render)(&[("benches/records/a.json".into(), record())]);
            assert!(table.contains("1.02 [1.01-1.04] |"), "{table}");
            assert!(table.contains("2.5 ns a pair |"), "{table}");
            assert!(table.contains("failed: no / room at all |"), "{table}");
            assert!(table.contains("Median of 3 interleaved rounds"), "{table}");
            assert!(table.contains("cap"), "{table}");
        }
    }

    #[test]
    fn every_line_of_a_table_has_as_many_cells_as_its_head() {
        for place in PLACES {
            let text = (place.render)(&[("a.json".into(), record())]);
            for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
                let mut bars = table.lines().map(|line| line.matches('|').count());
                let head = bars.next().expect("there is a head");
                assert!(bars.all(|count| count == head), "{table}");
            }
        }
    }

    #[test]
    fn the_text_around_the_markers_stays_and_a_second_time_changes_nothing() {
        let readme = "# Title\n<!-- costs:begin -->\nold\n<!-- costs:end -->\nrest\n";
        let found = place(readme).expect("the markers are there");
        let once = replaced(readme, found, "new\n").expect("the markers are there");
        assert_eq!(once, "# Title\n<!-- costs:begin -->\nnew\n<!-- costs:end -->\nrest\n");
        assert_eq!(replaced(&once, found, "new\n").expect("the markers are there"), once);
        assert!(place("# Title\n").err().expect("no markers").contains("costs:begin"));
    }

    #[test]
    fn a_record_that_would_leave_nothing_between_the_markers_is_refused() {
        let of = |command: &str| [("a.json".to_owned(), Record { command: command.into(), ..record() })];
        assert!(fits(&PLACES[0], &of("scale")).expect_err("the README has none").contains("`scale`"));
        assert_eq!(fits(&PLACES[1], &of("scale")), Ok(()));
        assert!(fits(&PLACES[0], &[("a.json".into(), Record { rows: Vec::new(), ..record() })]).is_err());
        assert!(fits(&PLACES[0], &[]).is_err());
    }

    #[test]
    fn the_records_that_a_document_names_are_found_again_from_any_folder() {
        for found in PLACES {
            let table = (found.render)(&[("benches/records/a.json".into(), record()), ("b.json".into(), record())]);
            let document = format!("[x](y.json){}{}", found.begin, found.end);
            let document = replaced(&document, found, &table).expect("markers");
            assert_eq!(named(&document), ["benches/records/a.json", "b.json"]);
        }
    }
}
