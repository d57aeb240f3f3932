//! Instructions per allocation and free, counted by callgrind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use workloads::Info;

use crate::build::{Built, Kind};
use crate::engines::{Engine, LEDGER, PLAIN};
use crate::progress::Progress;
use crate::record::{Failure, Record, Row};
use crate::rows::{
    INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN,
};
use crate::run;

/// A workload whose operation is one pair, and two lengths of it. The longer run less the shorter one is steady state
/// alone: start-up, set-up and tear-down cancel. For `phase` it is the second fill of B.
const COUNTED: &[(&str, u64, u64)] = &[
    ("loop64", 100_000, 300_000),
    ("box64", 100_000, 300_000),
    ("ring", 1, 3),
    ("ring_mixed", 1, 3),
    ("handover", 4, 12),
    ("phase", 1, 2),
];
/// Those of them that are counted once more without link-time optimisation, where the ledger's engines are concerned.
const WITHOUT_LTO: &[&str] = &["loop64", "box64", "ring"];

/// A build, the measure of its counts, and the measure of what they are over plain.
const BUILDS: &[(Kind, &str, &str)] = &[
    (Kind::Short, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN),
    (Kind::WithoutLto, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN),
];

/// A run takes some twenty seconds under valgrind; one that takes this long is of an engine whose allocations take a
/// hundred times as long as plain ones, and its count is given up so that the others end.
const LIMIT: Duration = Duration::from_secs(120);

/// The workloads that are counted.
pub fn counted() -> Vec<Info> {
    COUNTED.iter().filter_map(|(id, _, _)| workloads::info(id).copied()).collect()
}

/// The builds of `engine` that counting `only` takes.
pub fn kinds(engine: &Engine, only: &[Info]) -> Vec<Kind> {
    let twice = LEDGER.contains(&engine.id) && only.iter().any(|info| WITHOUT_LTO.contains(&info.id));
    if twice { vec![Kind::Short, Kind::WithoutLto] } else { vec![Kind::Short] }
}

/// Where valgrind is, if it is there.
pub fn valgrind() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("valgrind")).find(|program| program.is_file())
}

/// One count: a workload in one build of an engine, in two lengths.
struct Count<'a> {
    built: &'a Built,
    kind: Kind,
    workload: &'static str,
    short: u64,
    long: u64,
}

/// The counts that `only` takes in the builds of `kind`; plain is the first of each workload.
fn counts<'a>(engines: &'a [Built], only: &[Info], kind: Kind) -> Vec<Count<'a>> {
    let chosen = |id: &str| only.iter().any(|info| info.id == id) && (kind == Kind::Short || WITHOUT_LTO.contains(&id));
    let mut counts = Vec::new();
    for &(workload, short, long) in COUNTED.iter().filter(|(id, _, _)| chosen(id)) {
        let engines = engines.iter().filter(|built| built.kinds().any(|one| one == kind));
        counts.extend(engines.map(|built| {
            let (short, long) = lengths(built.engine, short, long);
            Count { built, kind, workload, short, long }
        }));
    }
    counts
}

/// The two lengths for `engine`, of which one may run fewer iterations than the others do. They differ in any case.
fn lengths(engine: &Engine, short: u64, long: u64) -> (u64, u64) {
    let short = (short / engine.fewer).max(1);
    (short, (long / engine.fewer).max(short + 1))
}

/// Counts each engine on each counted workload `only` once per round, and puts the rows into `record`.
pub fn run(
    valgrind: &Path,
    engines: &[Built],
    only: &[Info],
    rounds: usize,
    record: &mut Record,
    interrupted: &AtomicBool,
) {
    let total: usize = BUILDS.iter().map(|(kind, _, _)| counts(engines, only, *kind).len()).sum();
    let progress = Progress::new(rounds * total);
    for &(kind, measure, over_plain) in BUILDS {
        for count in counts(engines, only, kind) {
            let engine = count.built.engine.id;
            let mut samples = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                progress.step(&format!("callgrind {} {engine}", count.workload));
                let result = count.per_pair(valgrind);
                if interrupted.load(Ordering::Relaxed) {
                    progress.finish();
                    return;
                }
                match result {
                    Ok(count) => samples.push(count),
                    Err(reason) => {
                        let reason = match kind {
                            Kind::Short => reason,
                            _ => format!("with {}: {reason}", kind.profile().join(", ")),
                        };
                        let (workload, engine) = (count.workload.to_owned(), engine.to_owned());
                        record.failures.push(Failure { workload, engine, reason });
                        samples.clear();
                        break;
                    }
                }
            }
            if let Some(plain) = record.median(count.workload, PLAIN, measure) {
                let over = samples.iter().map(|count| count - plain).collect();
                record.rows.extend(Row::new(count.workload, engine, over_plain, over));
            }
            record.rows.extend(Row::new(count.workload, engine, measure, samples));
        }
    }
    progress.finish();
    record.configuration.load_after = crate::machine::load();
    record.complete = true;
}

impl Count<'_> {
    fn per_pair(&self, valgrind: &Path) -> Result<f64, String> {
        let Count { built, workload, short, long, .. } = *self;
        let program = built.program(self.kind)?;
        let (few, instructions_of_few) = count(valgrind, program, built.engine, workload, short)?;
        let (many, instructions_of_many) = count(valgrind, program, built.engine, workload, long)?;
        let pairs = many.checked_sub(few).filter(|pairs| *pairs > 0);
        let pairs = pairs.ok_or_else(|| format!("{long} iterations are no more operations than {short}"))?;
        let instructions = instructions_of_many.checked_sub(instructions_of_few);
        let instructions =
            instructions.ok_or_else(|| format!("{long} iterations took fewer instructions than {short}"))?;
        Ok((instructions as f64 / pairs as f64 * 100.0).round() / 100.0)
    }
}

/// The operations and the instructions of one run.
fn count(
    valgrind: &Path,
    program: &Path,
    engine: &Engine,
    workload: &str,
    iterations: u64,
) -> Result<(u64, u64), String> {
    let file = std::env::temp_dir().join(format!("heapledger-bench-{}.callgrind", std::process::id()));
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&file);
    let mut command = Command::new(valgrind);
    command.env_clear().envs(environment(engine));
    // valgrind runs one thread at a time; in turn, the same run counts the same however many threads there are.
    command.args(["--quiet", "--fair-sched=try", "--tool=callgrind"]).arg(option).arg(program);
    let printed = run::within(command.args([workload, "--iterations", &iterations.to_string()]), LIMIT);
    let printed = printed.map_err(|reason| format!("under callgrind with --iterations {iterations}: {reason}"));
    let counts = fs::read_to_string(&file).map_err(|error| format!("callgrind left no counts: {error}"));
    // It is not there if valgrind failed, and then that is what is reported.
    let _ = fs::remove_file(&file);
    let sample = run::sample(&printed?)?;
    let total = total(&counts?).ok_or("callgrind's file has no total")?;
    Ok((sample.operations, total))
}

/// What an engine is told while it is counted: beside its own settings, that jemalloc does nothing by the clock,
/// neither purging pages nor emptying thread caches. Under callgrind a run takes fifty times as long as without, and
/// how often it would do so depends on the machine. What it does by counting remains.
fn environment(engine: &Engine) -> Vec<(&'static str, String)> {
    const UNTIMED: &str = "dirty_decay_ms:-1,muzzy_decay_ms:-1,experimental_tcache_gc:false";
    // The second name is that of a jemalloc that stands in for the C library's malloc.
    ["_RJEM_MALLOC_CONF", "MALLOC_CONF"]
        .map(|name| match engine.environment.iter().find(|(own, _)| *own == name) {
            Some((_, own)) => (name, format!("{own},{UNTIMED}")),
            None => (name, UNTIMED.to_owned()),
        })
        .to_vec()
}

/// The instructions of the whole run in callgrind's file.
fn total(counts: &str) -> Option<u64> {
    let find = |name| counts.lines().find_map(|line| line.strip_prefix(name));
    find("totals:").or_else(|| find("summary:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{BUILDS, COUNTED, Kind, WITHOUT_LTO, counted, environment, kinds, lengths, total};
    use crate::engines::{LEDGER, find};

    #[test]
    fn an_engine_keeps_its_own_settings_while_it_is_counted() {
        let told = environment(find("jemalloc-prof").expect("it is in the list"));
        assert!(
            told.iter().any(|(name, text)| *name == "_RJEM_MALLOC_CONF" && text.starts_with("prof:true,dirty_decay"))
        );
    }

    #[test]
    fn an_engine_that_runs_fewer_iterations_is_counted_on_two_lengths_that_differ() {
        let (dhat, cap) = (find("dhat").expect("it is in the list"), find("cap").expect("it is in the list"));
        for (_, short, long) in COUNTED {
            assert_eq!(lengths(cap, *short, *long), (*short, *long));
            let (fewer, more) = lengths(dhat, *short, *long);
            assert!(0 < fewer && fewer < more && fewer <= *short && more <= *long, "{fewer} and {more}");
        }
        assert_eq!(lengths(dhat, 100_000, 300_000), (2_500, 7_500));
    }

    #[test]
    fn the_total_is_read_whatever_callgrind_calls_it() {
        assert_eq!(total("events: Ir\nsummary: 41\n"), Some(41));
        assert_eq!(total("events: Ir\nsummary: 41\n\ntotals: 42\n"), Some(42));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn every_counted_workload_exists_and_counts_pairs() {
        assert_eq!(counted().len(), COUNTED.len());
        assert!(counted().iter().all(|info| info.operation == "pair"));
        assert!(COUNTED.iter().all(|(_, short, long)| short < long));
        assert!(WITHOUT_LTO.iter().all(|id| COUNTED.iter().any(|(counted, _, _)| counted == id)));
    }

    #[test]
    fn the_ledger_is_counted_without_link_time_optimisation_too_beside_a_plain_one_that_is_built_like_it() {
        for id in LEDGER {
            let engine = find(id).expect("it is in the list");
            assert_eq!(kinds(engine, &counted()), BUILDS.iter().map(|(kind, _, _)| *kind).collect::<Vec<_>>(), "{id}");
        }
        assert_eq!(kinds(find("cap").expect("it is in the list"), &counted()), [Kind::Short]);
        let phase = [*workloads::info("phase").expect("it is in the list")];
        assert_eq!(kinds(find("plain").expect("it is in the list"), &phase), [Kind::Short]);
    }
}
