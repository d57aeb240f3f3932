//! What each subcommand does. Each returns whether all is well.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use workloads::{Info, WORKLOADS};

use crate::build::{self, Built, Kind};
use crate::compare::{self, Plan};
use crate::engines::{self, ENGINES, Engine, LEDGER};
use crate::machine::Source;
use crate::output::{Destination, say};
use crate::record::{self, BuildUsed, Record, WorkloadUsed};
use crate::{
    Choice, Compare, Footprint, Golden, Instructions, Latency, Report, Scale, WORKSPACE, costs, footprint, gates,
    golden, instructions, latency, page, run, scale, table,
};

/// Rounds of `--quick`: as few as still make a median with quartiles, if that many fit.
const QUICK_ROUNDS: usize = 7;
/// `--quick` begins no round that would end after this, so that it ends within eight minutes.
const QUICK_BUDGET: Duration = Duration::from_secs(435);
/// `--quick` does so many times fewer iterations, so that three rounds of every engine fit.
const QUICK_PART: u64 = 2;
/// A run that takes longer than this is given up in `--quick`.
const QUICK_LIMIT: Duration = Duration::from_secs(20);
/// The accepted counts, from the folder of the workspace.
const GOLDEN: &str = "benches/golden.json";
/// Where a count would stand without valgrind.
const NO_VALGRIND: &str = "SKIPPED valgrind: it is not on the PATH, so no instruction was counted; install valgrind";
/// With more load than this before the start, someone else is using the processors.
const QUIET_LOAD: f64 = 0.5;

/// Measures, prints the table, writes the record.
pub fn compare(arguments: &Compare) -> Result<bool, String> {
    let workloads = chosen_workloads(&arguments.choice.only, WORKLOADS)?;
    let engines = built(&arguments.choice, &workloads)?;
    let interrupted = watch_for_interrupt()?;
    let rounds = if arguments.quick { QUICK_ROUNDS } else { usize::from(arguments.rounds) };
    let mut record =
        Record::begin("compare", rounds, &engines, used(&workloads)).of_built(arguments.choice.built.as_deref());
    if arguments.quick {
        for used in &mut record.configuration.workloads {
            used.iterations = (used.iterations / QUICK_PART).max(1);
        }
    }
    for engine in &mut record.configuration.engines {
        let longer = |used: &&WorkloadUsed| engines::find(&engine.id).is_some_and(|one| one.runs_longer(&used.id));
        engine.longer = record.configuration.workloads.iter().filter(longer).map(|used| used.id.clone()).collect();
    }
    if let Some(load) = record.machine.load_before.filter(|load| *load > QUIET_LOAD) {
        eprintln!("note: the machine is busy (load average {load}), so the ratios will scatter; the record says so");
    }
    let quick = arguments.quick;
    let (budget, limit, part) =
        if quick { (Some(QUICK_BUDGET), QUICK_LIMIT, QUICK_PART) } else { (None, run::LIMIT, 1) };
    let plan = Plan { engines: &engines, workloads: &workloads, rounds, budget, limit, part, slow_once: quick };
    let destination = Destination::open(arguments.choice.json.as_deref(), &record)?;
    compare::run(&plan, &mut record, &interrupted);
    finish(destination, &record, table::render)
}

/// Counts, prints the table, writes the record.
pub fn instructions(arguments: &Instructions) -> Result<bool, String> {
    let workloads = chosen_workloads(&arguments.choice.only, &instructions::counted())?;
    let Some(valgrind) = instructions::valgrind() else {
        say(NO_VALGRIND)?;
        return Ok(true);
    };
    let engines = built_for(&arguments.choice, |engine| instructions::kinds(engine, &workloads))?;
    let interrupted = watch_for_interrupt()?;
    let rounds = usize::from(arguments.rounds);
    let mut record =
        Record::begin("instructions", rounds, &engines, used(&workloads)).of_built(arguments.choice.built.as_deref());
    let destination = Destination::open(arguments.choice.json.as_deref(), &record)?;
    instructions::run(&valgrind, &engines, &workloads, rounds, &mut record, &interrupted);
    finish(destination, &record, table::render_instructions)
}

/// Times single operations, prints the table, writes the record.
pub fn latency(arguments: &Latency) -> Result<bool, String> {
    let patterns = latency::chosen(&arguments.choice.only)?;
    let engines = built_for(&arguments.choice, |_| vec![Kind::Short])?;
    let interrupted = watch_for_interrupt()?;
    let rounds = usize::from(arguments.rounds);
    let mut record = Record::begin("latency", rounds, &engines, patterns).of_built(arguments.choice.built.as_deref());
    let destination = Destination::open(arguments.choice.json.as_deref(), &record)?;
    latency::run(&engines, rounds, &mut record, &interrupted);
    finish(destination, &record, table::render_latency)
}

/// Measures code and resident memory per thread and per region, prints the table, writes the record.
pub fn footprint(arguments: &Footprint) -> Result<bool, String> {
    let kinds = footprint::chosen(&arguments.choice.only)?;
    let engines = built_for(&arguments.choice, |_| vec![Kind::Short])?;
    let interrupted = watch_for_interrupt()?;
    let rounds = usize::from(arguments.rounds);
    let mut record = Record::begin("footprint", rounds, &engines, kinds).of_built(arguments.choice.built.as_deref());
    let destination = Destination::open(arguments.choice.json.as_deref(), &record)?;
    footprint::run(&engines, rounds, &mut record, &interrupted);
    finish(destination, &record, table::render_footprint)
}

/// Times readings of the ledger in growing processes, prints the table, writes the record.
pub fn scale(arguments: &Scale) -> Result<bool, String> {
    let shapes = scale::chosen(&arguments.only)?;
    let program = build::binary("heapledger", "bench-heapledger-scale", None, Kind::Short, arguments.built.as_deref())?;
    let interrupted = watch_for_interrupt()?;
    let rounds = usize::from(arguments.rounds);
    let mut record = Record::begin("scale", rounds, &[], shapes).of_built(arguments.built.as_deref());
    if arguments.built.is_none() {
        record.configuration.builds.push(BuildUsed::from(&Kind::Short));
    }
    let destination = Destination::open(arguments.json.as_deref(), &record)?;
    scale::run(&program, rounds, &mut record, &interrupted);
    finish(destination, &record, table::render_scale)
}

/// Counts what must not grow, and compares it with the file of accepted counts or writes it there.
pub fn golden(arguments: &Golden) -> Result<bool, String> {
    let Some(valgrind) = instructions::valgrind() else {
        say(NO_VALGRIND)?;
        return Ok(true);
    };
    let workloads: Vec<Info> = instructions::counted().into_iter().filter(|info| info.id != "phase").collect();
    let file = arguments.file.clone().unwrap_or_else(|| Path::new(WORKSPACE).join(GOLDEN));
    let accepted = if arguments.accept { None } else { Some(golden::Golden::read(&file)?) };
    if let Some(other) = accepted.as_ref().and_then(|accepted| accepted.of_another_compiler(&Source::read())) {
        if std::env::var_os("CI").is_some_and(|value| value == "true") {
            return Err(format!("{other}: with it nothing is checked here"));
        }
        say(&format!("SKIPPED golden counts: {other}"))?;
        return Ok(true);
    }
    let choice = Choice { engines: vec!["ledger".to_owned()], built: arguments.built.clone(), ..Choice::default() };
    let engines = built_for(&choice, |engine| instructions::kinds(engine, &workloads))?;
    let interrupted = watch_for_interrupt()?;
    let mut record = Record::begin("instructions", 1, &engines, used(&workloads));
    instructions::run(&valgrind, &engines, &workloads, 1, &mut record, &interrupted);
    footprint::code(&engines, &mut record);
    let measured = golden::Golden::of(&record)?;
    let Some(accepted) = accepted else {
        measured.write(&file)?;
        say(&format!("{} has the counts of this build", file.display()))?;
        return Ok(true);
    };
    let (text, grown) = accepted.compare(&measured);
    say(&text)?;
    if grown > 0 {
        eprintln!(
            "counts grew: find out why; if it must be, accept them with \
             `cargo run --release -p heapledger-bench -- golden --accept`"
        );
    }
    Ok(grown == 0)
}

fn used(workloads: &[Info]) -> Vec<WorkloadUsed> {
    workloads.iter().map(WorkloadUsed::from).collect()
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
        if record.rows.is_empty() {
            return Err(format!("{name} has no rows: nothing was measured in a whole round"));
        }
        records.push((name, record));
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, page::render(&records))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        say(&format!("wrote {}", path.display()))?;
        return Ok(true);
    }
    match costs::update(&arguments.readme, &records, arguments.check) {
        Ok(message) => {
            say(&message)?;
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
pub fn gates(paths: &[PathBuf], pooled: bool) -> Result<bool, String> {
    let (mut verdicts, mut text, mut all_enough) = (Vec::new(), String::new(), true);
    let named = paths.iter().map(|path| Ok((path.display().to_string(), Record::read(path)?)));
    let mut records = named.collect::<Result<Vec<_>, String>>()?;
    if pooled {
        let names: Vec<String> = records.iter().map(|(name, _)| name.clone()).collect();
        records = vec![(names.join(" and "), record::pool(records)?)];
    }
    for (name, record) in records {
        let (about, enough) = gates::about(&name, &record)?;
        text.push_str(&about);
        all_enough &= enough;
        verdicts.extend(gates::judge(&record));
    }
    say(&(text + &gates::render(&verdicts)))?;
    Ok(all_enough && verdicts.iter().all(gates::Verdict::passes))
}

/// Prints the ids that the other commands take.
pub fn list() -> Result<bool, String> {
    let workloads = WORKLOADS.iter().map(|info| format!("workload  {:<20} {}", info.id, info.about));
    let engines = ENGINES.iter().map(|engine| format!("engine    {:<20} {}", engine.id, engine.about));
    say(&workloads.chain(engines).collect::<Vec<_>>().join("\n"))?;
    Ok(true)
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
    let ids: Vec<&str> =
        ids.iter().flat_map(|id| if id == "ledger" { LEDGER.to_vec() } else { vec![id.as_str()] }).collect();
    if let Some(unknown) = ids.iter().find(|id| engines::find(id).is_none()) {
        return Err(format!("there is no engine {unknown:?}; there are ledger (the first three), {}", known()));
    }
    Ok(ENGINES.iter().filter(|engine| ids.is_empty() || ids.contains(&engine.id)).collect())
}

fn built(choice: &Choice, workloads: &[Info]) -> Result<Vec<Built>, String> {
    built_for(choice, |_| workloads.iter().map(|info| Kind::of(info.class)).collect())
}

/// The chosen engines, each in the builds that `kinds` says.
fn built_for(choice: &Choice, kinds: impl Fn(&Engine) -> Vec<Kind>) -> Result<Vec<Built>, String> {
    let build = |engine| build::build(engine, &kinds(engine), choice.built.as_deref());
    let built: Vec<Built> = chosen_engines(&choice.engines)?.into_iter().map(build).collect::<Result<_, _>>()?;
    for id in build::unlike_plain(&built) {
        eprintln!(
            "note: {id} has another jemalloc than plain (version, build flags or options): a ratio measures that too"
        );
    }
    Ok(built)
}

/// The first Ctrl-C, SIGTERM or SIGHUP asks for an end that keeps what was measured; the second one ends at once.
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

/// Writes the record, then prints its table, so that a closed stdout loses no record, and says what is missing from it.
fn finish(destination: Destination, record: &Record, table: fn(&Record) -> String) -> Result<bool, String> {
    destination.write(record)?;
    say(&table(record))?;
    for failure in &record.failures {
        eprintln!("{} on {}: {}", failure.engine, failure.workload, failure.reason);
    }
    if !record.complete {
        eprintln!("interrupted: only whole rounds were kept");
    }
    Ok(record.complete && record.failures.is_empty())
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
