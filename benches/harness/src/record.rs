//! A record: one JSON file with everything that one command measured.

mod file;
mod pool;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build::{Built, Kind};
use crate::engines::PLAIN;
use crate::footprint::PROGRAM;
use crate::machine::{Machine, Source};
use crate::stats::Spread;

pub use pool::pool;

/// The version of the form that this file describes.
pub const SCHEMA: u32 = 1;

/// What one command measured, where, from what, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The command: `compare`, `instructions`, `latency`, `footprint` or `scale`.
    pub command: String,
    /// Whether it ran to its end; `false` after Ctrl-C.
    pub complete: bool,
    /// When it began, in seconds since 1970.
    pub started_unix_s: u64,
    /// Where.
    pub machine: Machine,
    /// The compiler, the commit, and whether the tree differed from it.
    #[serde(flatten)]
    pub source: Source,
    /// How.
    pub configuration: Configuration,
    /// What could not be measured, and why.
    pub failures: Vec<Failure>,
    /// What was measured.
    pub rows: Vec<Row>,
}

/// How a record was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// Rounds that were asked for.
    pub rounds: usize,
    /// The folder of programs that were built before, without the path to it: then nobody knows of which commit they are.
    #[serde(default)]
    pub built: Option<String>,
    /// The builds that the programs come from; not known of programs that were built before, nor in older records, where
    /// the larger programs had `lto = "off"`.
    #[serde(default)]
    pub builds: Vec<BuildUsed>,
    /// The load average of one minute at the end.
    pub load_after: Option<f64>,
    /// The engines, in the order of the first round.
    pub engines: Vec<EngineUsed>,
    /// The workloads.
    pub workloads: Vec<WorkloadUsed>,
}

/// A build of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildUsed {
    /// Which one.
    pub kind: Kind,
    /// Settings of its release profile.
    pub profile: Vec<String>,
}

/// An engine of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineUsed {
    /// Its id.
    pub id: String,
    /// What it is.
    pub about: String,
    /// What its allocator said of itself: version, build flags, options.
    pub allocator: Value,
    /// The workloads of which it ran more iterations than the others, so that what it does now and then falls into
    /// their timed parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub longer: Vec<String>,
}

/// A workload of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkloadUsed {
    /// Its id.
    pub id: String,
    /// What it does.
    pub about: String,
    /// What one operation is.
    pub operation: String,
    /// Iterations of its timed part.
    pub iterations: u64,
}

/// A workload that an engine could not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// What happened.
    pub reason: String,
}

/// One measure of one engine on one workload: every sample, and what they amount to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// What was measured; the unit ends the name.
    pub measure: String,
    /// Of which value of a shape, in its base unit, where one varies (`scale`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// The median of the samples.
    #[serde(serialize_with = "file::number")]
    pub median: f64,
    /// A quarter of the samples lie below.
    #[serde(serialize_with = "file::number")]
    pub lower_quartile: f64,
    /// A quarter of the samples lie above.
    #[serde(serialize_with = "file::number")]
    pub upper_quartile: f64,
    /// The lowest sample.
    #[serde(serialize_with = "file::number")]
    pub min: f64,
    /// The highest sample.
    #[serde(serialize_with = "file::number")]
    pub max: f64,
    /// How many samples there are.
    pub rounds: usize,
    /// The samples, in the order of the rounds.
    #[serde(serialize_with = "file::numbers")]
    pub samples: Vec<f64>,
}

impl Row {
    /// The row of `samples`, or `None` if there are none.
    pub fn new(workload: &str, engine: &str, measure: &str, samples: Vec<f64>) -> Option<Row> {
        let spread = Spread::of(&samples)?;
        Some(Row {
            workload: workload.to_owned(),
            engine: engine.to_owned(),
            measure: measure.to_owned(),
            at: None,
            median: spread.median,
            lower_quartile: spread.lower_quartile,
            upper_quartile: spread.upper_quartile,
            min: spread.min,
            max: spread.max,
            rounds: samples.len(),
            samples,
        })
    }

    /// The same for one value of a shape.
    pub fn at(shape: &str, kind: &str, measure: &str, at: f64, samples: Vec<f64>) -> Option<Row> {
        Row::new(shape, kind, measure, samples).map(|row| Row { at: Some(at), ..row })
    }
}

impl Record {
    /// A record that begins now and has no rows yet.
    pub fn begin(command: &str, rounds: usize, engines: &[Built], workloads: Vec<WorkloadUsed>) -> Record {
        let used = |kind: &&Kind| engines.iter().any(|built| built.kinds().any(|one| one == **kind));
        Record {
            schema: SCHEMA,
            command: command.to_owned(),
            started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            machine: Machine::read(),
            source: Source::read(),
            configuration: Configuration {
                rounds,
                built: None,
                builds: Kind::ALL.iter().filter(used).map(BuildUsed::from).collect(),
                load_after: None,
                engines: engines.iter().map(EngineUsed::from).collect(),
                workloads,
            },
            ..Record::default()
        }
    }

    /// The same of programs that lie in the folder `built`, if there is one: they are of a commit that nobody knows.
    pub fn of_built(mut self, built: Option<&Path>) -> Record {
        if let Some(folder) = built {
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
            self.configuration.built = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            (self.source.commit, self.source.dirty) = (None, None);
            self.configuration.builds.clear();
        }
        self
    }

    /// The row of one measure, if it was measured.
    pub fn row(&self, workload: &str, engine: &str, measure: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.engine == engine && row.measure == measure)
    }

    /// The median of one measure, if it was measured.
    pub fn median(&self, workload: &str, engine: &str, measure: &str) -> Option<f64> {
        self.row(workload, engine, measure).map(|row| row.median)
    }

    /// How many rounds it has: those of the plain engine, because another one may run in fewer, and code is counted once.
    pub fn rounds(&self) -> usize {
        let counted = || self.rows.iter().filter(|row| row.workload != PROGRAM);
        let fewest = |of: &dyn Fn(&&Row) -> bool| counted().filter(of).map(|row| row.rounds).min();
        fewest(&|row| row.engine == PLAIN).or_else(|| fewest(&|_| true)).unwrap_or(0)
    }

    /// Why `engine` has no rows for `workload`, if it failed.
    pub fn failure(&self, workload: &str, engine: &str) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.workload == workload && failure.engine == engine)
    }
}

impl Failure {
    /// The reason in one line: of a panic the first line says where and the second one why, so both are told.
    pub fn in_short(&self) -> String {
        let lines = self.reason.lines().map(str::trim).filter(|line| !line.is_empty()).take(2);
        let text = lines.collect::<Vec<_>>().join(" ");
        if text.is_empty() { "failed".to_owned() } else { text }
    }
}

impl From<&Kind> for BuildUsed {
    fn from(kind: &Kind) -> BuildUsed {
        BuildUsed { kind: *kind, profile: kind.profile().map(str::to_owned).to_vec() }
    }
}

impl From<&Built> for EngineUsed {
    fn from(built: &Built) -> EngineUsed {
        EngineUsed {
            id: built.engine.id.to_owned(),
            about: built.engine.about.to_owned(),
            allocator: built.allocator.clone(),
            longer: Vec::new(),
        }
    }
}

impl From<&workloads::Info> for WorkloadUsed {
    fn from(info: &workloads::Info) -> WorkloadUsed {
        WorkloadUsed {
            id: info.id.to_owned(),
            about: info.about.to_owned(),
            operation: info.operation.to_owned(),
            iterations: info.iterations,
        }
    }
}
