//! Interleaved rounds of engines over workloads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use workloads::Info;

use crate::build::Built;
use crate::engines::Engine;
use crate::progress::Progress;
use crate::record::{Failure, Record};
use crate::rows::{self, Series};
use crate::run::{self, Sample};

/// What is compared.
pub struct Plan<'a> {
    /// The engines.
    pub engines: &'a [Built],
    /// The workloads.
    pub workloads: &'a [Info],
    /// How many rounds.
    pub rounds: usize,
    /// No round begins that would probably end after this time.
    pub budget: Option<Duration>,
    /// How long one run may take.
    pub limit: Duration,
    /// Each run does so many times fewer iterations.
    pub part: u64,
    /// Whether an engine that takes very long runs in the first round alone.
    pub slow_once: bool,
}

impl Plan<'_> {
    /// Whether `engine` runs in `round`, counted from 0.
    fn runs(&self, engine: &Engine, round: usize) -> bool {
        round == 0 || !self.slow_once || engine.fewer == 1
    }

    /// How many rounds fit, if one took `first`.
    fn fitting(&self, first: Duration) -> usize {
        let fit = |budget: Duration| (budget.as_secs_f64() / first.as_secs_f64().max(1e-9)) as usize;
        self.budget.map_or(self.rounds, fit).clamp(1, self.rounds)
    }
}

/// Runs every engine on every workload in every round, and puts what was measured into `record`. Between two runs it
/// looks whether it was `interrupted`; the workloads of which a round is whole by then are kept.
///
/// The engines take turns within a round, next to each other in time and in rotating order: so a disturbance hits all,
/// and none always runs after the same one.
pub fn run(plan: &Plan<'_>, record: &mut Record, interrupted: &AtomicBool) {
    let mut samples: Vec<Vec<Vec<Sample>>> = vec![vec![Vec::new(); plan.engines.len()]; plan.workloads.len()];
    let mut failed = HashSet::new();
    let progress = Progress::new(plan.rounds * plan.workloads.len() * plan.engines.len());
    let began = Instant::now();
    let mut last = Duration::ZERO;
    let mut rounds = plan.rounds;
    let mut whole_rounds = 0;
    'rounds: for round in 0..plan.rounds {
        if plan.budget.is_some_and(|budget| began.elapsed() + last > budget) {
            break;
        }
        let round_began = Instant::now();
        for (at, workload) in plan.workloads.iter().enumerate() {
            let mut whole: Vec<(usize, Sample)> = Vec::with_capacity(plan.engines.len());
            for turn in 0..plan.engines.len() {
                let engine = (round + at + turn) % plan.engines.len();
                let id = plan.engines[engine].engine.id;
                progress.step(&format!("round {}/{rounds} {} {id}", round + 1, workload.id));
                if failed.contains(&(at, engine)) || !plan.runs(plan.engines[engine].engine, round) {
                    continue;
                }
                let result = run::measure(&plan.engines[engine], workload, plan.part, plan.limit);
                // Ctrl-C reaches the engine as well, so its failure may be our end.
                if interrupted.load(Ordering::Relaxed) {
                    break 'rounds;
                }
                match result {
                    Ok(sample) => whole.push((engine, sample)),
                    Err(reason) => {
                        failed.insert((at, engine));
                        samples[at][engine].clear();
                        record.failures.push(Failure {
                            workload: workload.id.to_owned(),
                            engine: id.to_owned(),
                            reason,
                        });
                    }
                }
            }
            for (engine, sample) in whole {
                samples[at][engine].push(sample);
            }
        }
        // The first round has the failures in it, and they take long.
        last = round_began.elapsed();
        whole_rounds = round + 1;
        if round == 0 {
            rounds = plan.fitting(last);
            progress.resize(rounds * plan.workloads.len() * plan.engines.len());
        }
    }
    progress.finish();
    if whole_rounds < plan.rounds && !interrupted.load(Ordering::Relaxed) {
        eprintln!("note: {whole_rounds} of {} rounds fitted into the time; the record has no more", plan.rounds);
    }
    record.complete = !interrupted.load(Ordering::Relaxed);
    record.configuration.load_after = crate::machine::load();
    for (workload, samples) in plan.workloads.iter().zip(samples) {
        let series: Vec<Series> = plan
            .engines
            .iter()
            .zip(samples)
            .map(|(built, samples)| Series { engine: built.engine.id, samples })
            .collect();
        record.rows.extend(rows::of(workload, &series));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Plan;
    use crate::engines::find;

    fn plan(budget: Option<Duration>, slow_once: bool) -> Plan<'static> {
        Plan { engines: &[], workloads: &[], rounds: 7, budget, limit: Duration::from_secs(1), part: 2, slow_once }
    }

    #[test]
    fn the_rounds_that_fit_follow_from_the_first_one() {
        let of = |seconds| plan(Some(Duration::from_secs(420)), true).fitting(Duration::from_secs(seconds));
        assert_eq!((of(500), of(420), of(140), of(139), of(1)), (1, 1, 3, 3, 7));
        assert_eq!(plan(None, false).fitting(Duration::from_secs(9_999)), 7);
    }

    #[test]
    fn a_slow_engine_runs_in_the_first_round_alone_if_asked_and_the_others_in_all() {
        let (dhat, cap) = (find("dhat").expect("listed"), find("cap").expect("listed"));
        assert!(plan(None, true).runs(dhat, 0) && !plan(None, true).runs(dhat, 1));
        assert!(plan(None, false).runs(dhat, 1) && plan(None, true).runs(cap, 6));
    }
}
