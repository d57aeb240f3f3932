//! Interleaved rounds of engines over workloads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use workloads::Info;

use crate::build::Built;
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
                progress.step(&format!("round {}/{} {} {id}", round + 1, plan.rounds, workload.id));
                if failed.contains(&(at, engine)) {
                    continue;
                }
                let result = run::measure(&plan.engines[engine], workload, plan.limit);
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
    }
    progress.finish();
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
