//! What each subcommand does. Each returns whether all is well.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use workloads::{Info, WORKLOADS};

use crate::compare::{self, Plan};
use crate::engines::{self, Built, ENGINES, Engine};
use crate::record::{Failure, Record};
use crate::{Choice, Compare, Instructions, Report, costs, gates, instructions, table};

/// Rounds of `--quick`: as few as still make a median with quartiles.
const QUICK_ROUNDS: usize = 7;
/// With more load than this before the start, someone else is using the processors.
const QUIET_LOAD: f64 = 0.5;

/// Measures, prints the table, writes the record.
pub fn compare(arguments: &Compare) -> Result<bool, String> {
    let workloads = chosen_workloads(&arguments.choice.only, WORKLOADS)?;
    let engines = built(&arguments.choice)?;
    let interrupted = watch_for_interrupt()?;
    let rounds = if arguments.quick { QUICK_ROUNDS } else { usize::from(arguments.rounds) };
    let mut record = Record::begin("compare", rounds, &engines, &workloads);
    if let Some(load) = record.machine.load_before.filter(|load| *load > QUIET_LOAD) {
        eprintln!("note: the machine is busy (load average {load}), so the ratios will scatter; the record says so");
    }
    compare::run(&Plan { engines: &engines, workloads: &workloads, rounds }, &mut record, &interrupted);
    print!("{}", table::render(&record));
    finish(&record, &arguments.choice)
}

/// Counts, prints the table, writes the record.
pub fn instructions(arguments: &Instructions) -> Result<bool, String> {
    let workloads = chosen_workloads(&arguments.choice.only, &instructions::counted())?;
    let engines = built(&arguments.choice)?;
    let interrupted = watch_for_interrupt()?;
    let rounds = usize::from(arguments.rounds);
    let mut record = Record::begin("instructions", rounds, &engines, &workloads);
    match instructions::valgrind() {
        Some(valgrind) => {
            instructions::run(&valgrind, &engines, &workloads, rounds, &mut record, &interrupted);
            print!("{}", table::render_instructions(&record));
            finish(&record, &arguments.choice)
        }
        None => {
            println!("SKIPPED valgrind: it is not on the PATH, so no instruction was counted; install valgrind");
            for (workload, built) in workloads.iter().flat_map(|info| engines.iter().map(move |built| (info, built))) {
                record.failures.push(Failure {
                    workload: workload.id.to_owned(),
                    engine: built.engine.id.to_owned(),
                    reason: "SKIPPED valgrind: not on the PATH".to_owned(),
                });
            }
            write(&record, &arguments.choice)?;
            Ok(true)
        }
    }
}

/// Writes or checks the cost table of a README.
pub fn report(arguments: &Report) -> Result<bool, String> {
    let names: Vec<String> = if arguments.record.is_empty() {
        let text = std::fs::read_to_string(&arguments.readme)
            .map_err(|error| format!("cannot read {}: {error}", arguments.readme.display()))?;
        costs::named(&text)
    } else {
        arguments.record.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    if names.is_empty() {
        return Err(format!("{} names no record: give one with --record FILE", arguments.readme.display()));
    }
    let mut records = Vec::with_capacity(names.len());
    for name in names {
        let record = Record::read(Path::new(&name))?;
        records.push((name, record));
    }
    match costs::update(&arguments.readme, &records, arguments.check) {
        Ok(message) => {
            println!("{message}");
            Ok(true)
        }
        Err(message) if arguments.check => {
            eprintln!("{message}");
            Ok(false)
        }
        Err(message) => Err(message),
    }
}

/// Prints every gate with its verdict.
pub fn gates(path: &Path) -> Result<bool, String> {
    let verdicts = gates::judge(&Record::read(path)?);
    print!("{}", gates::render(&verdicts));
    Ok(verdicts.iter().all(gates::Verdict::passes))
}

/// Prints the ids that the other commands take.
pub fn list() {
    for info in WORKLOADS {
        println!("workload  {:<20} {}", info.id, info.about);
    }
    for engine in ENGINES {
        println!("engine    {:<20} {}", engine.id, engine.about);
    }
}

fn chosen_workloads(only: &[String], from: &[Info]) -> Result<Vec<Info>, String> {
    let known = || from.iter().map(|info| info.id).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = only.iter().find(|id| !from.iter().any(|info| info.id == id.as_str())) {
        return Err(format!("there is no workload {unknown:?} here; there are {}", known()));
    }
    Ok(from.iter().filter(|info| only.is_empty() || only.iter().any(|id| id == info.id)).copied().collect())
}

fn chosen_engines(ids: &[String]) -> Result<Vec<&'static Engine>, String> {
    let known = || ENGINES.iter().map(|engine| engine.id).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = ids.iter().find(|id| engines::find(id).is_none()) {
        return Err(format!("there is no engine {unknown:?}; there are {}", known()));
    }
    Ok(ENGINES.iter().filter(|engine| ids.is_empty() || ids.iter().any(|id| id == engine.id)).collect())
}

fn built(choice: &Choice) -> Result<Vec<Built>, String> {
    let built: Vec<Built> =
        chosen_engines(&choice.engines)?.into_iter().map(engines::build).collect::<Result<_, _>>()?;
    for id in engines::unlike_plain(&built) {
        eprintln!(
            "note: {id} has another jemalloc than plain (version, build flags or options): a ratio measures that too"
        );
    }
    Ok(built)
}

/// The first Ctrl-C asks for an end that keeps what was measured; the second one ends at once.
fn watch_for_interrupt() -> Result<Arc<AtomicBool>, String> {
    /// What a shell reports of a program that ended by Ctrl-C.
    const INTERRUPTED: i32 = 130;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(handler).map_err(|error| format!("cannot watch for Ctrl-C: {error}"))?;
    Ok(interrupted)
}

/// Writes the record and says what is missing from it.
fn finish(record: &Record, choice: &Choice) -> Result<bool, String> {
    write(record, choice)?;
    for failure in &record.failures {
        eprintln!("{} on {}: {}", failure.engine, failure.workload, failure.reason);
    }
    if !record.complete {
        eprintln!("interrupted: only whole rounds were kept");
    }
    Ok(record.complete && record.failures.is_empty())
}

fn write(record: &Record, choice: &Choice) -> Result<(), String> {
    let Some(path) = &choice.json else { return Ok(()) };
    record.write(path)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{WORKLOADS, chosen_engines, chosen_workloads};

    #[test]
    fn a_choice_keeps_the_order_of_the_list_and_an_empty_one_takes_all() {
        let chosen = chosen_workloads(&["json".into(), "ring".into()], WORKLOADS).expect("both exist");
        assert_eq!(chosen.iter().map(|info| info.id).collect::<Vec<_>>(), ["ring", "json"]);
        assert_eq!(chosen_workloads(&[], WORKLOADS).expect("all").len(), WORKLOADS.len());
    }

    #[test]
    fn an_unknown_id_is_named_beside_those_that_exist() {
        let error = chosen_workloads(&["rings".into()], WORKLOADS).expect_err("there is none");
        assert!(error.contains("rings") && error.contains("ring2_mixed"), "{error}");
        let error = chosen_engines(&["plan".into()]).expect_err("there is none");
        assert!(error.contains("plan") && error.contains("heapledger-tagged"), "{error}");
    }
}
