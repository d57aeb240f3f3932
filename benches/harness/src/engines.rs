//! The engines: one small program per allocator over the same workloads.

use workloads::Info;

/// The engine that every ratio is a ratio to.
pub const PLAIN: &str = "plain";

/// An engine as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its name on the command line, in records and in tables.
    pub id: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its folder under `benches/engines`, and its package is `heapledger-bench-` with this name.
    pub folder: &'static str,
    /// What it is told through its environment, which is empty otherwise.
    pub environment: &'static [(&'static str, &'static str)],
    /// What it counts, which decides with whom it is compared.
    pub counts: Counts,
    /// The feature of the package that this engine alone needs.
    pub feature: Option<&'static str>,
    /// How many times fewer iterations it runs, because each of its allocations takes so much longer.
    pub fewer: u64,
    /// How many times more iterations it runs of the workloads in [`LONGER`], and 1 for most engines: what it does every
    /// second must happen within the timed part.
    pub more: u64,
}

/// Workloads that an engine with a rhythm of its own runs for longer: every iteration of them does the same work from the
/// first one on, so that more of them measure the same. Parsing JSON, for one, gets faster as the heap warms.
pub const LONGER: &[&str] = &["loop64", "ring", "ring_mixed", "btree"];

/// What an engine knows of the heap at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Nothing beyond what every allocator keeps for itself.
    Nothing,
    /// The process's bytes, exactly.
    Process,
    /// The bytes of each region or group, exactly, whoever frees.
    Regions,
    /// The call stack of every block.
    EveryStack,
    /// The call stacks of a sample.
    SampledStacks,
}

impl Counts {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Counts::Nothing => "nothing of the program",
            Counts::Process => "bytes of the process",
            Counts::Regions => "bytes per region",
            Counts::EveryStack => "the call stack of each block",
            Counts::SampledStacks => "call stacks of a sample",
        }
    }
}

/// Every engine, in the order of the tables. To add one, write a package under `engines/` and a line here.
pub const ENGINES: &[Engine] = &[
    alone(PLAIN, "plain jemalloc", Counts::Nothing),
    ledger("heapledger-untagged", "heapledger, no region ever entered"),
    ledger("heapledger-tagged", "heapledger, regions entered as the workload says"),
    Engine {
        feature: Some("sampler"),
        more: 16,
        ..ledger("heapledger-sampler", "heapledger-tagged with a sampler that takes a summary every second")
    },
    alone("glibc", "the C library's malloc", Counts::Nothing),
    alone("mimalloc", "mimalloc", Counts::Nothing),
    Engine {
        environment: &[("_RJEM_MALLOC_CONF", "prof:true")],
        ..alone("jemalloc-prof", "jemalloc with its own heap profiling at its default rate", Counts::SampledStacks)
    },
    alone("tracking-allocator", "tracking-allocator over the same jemalloc, a group per region", Counts::Regions),
    alone("stats_alloc", "stats_alloc over jemalloc linked as malloc", Counts::Process),
    alone("cap", "cap over the same jemalloc", Counts::Process),
    alone("re_memory", "re_memory over the same jemalloc, without call stacks", Counts::Process),
    alone("accounting-allocator", "accounting-allocator over the same jemalloc", Counts::Process),
    Engine { fewer: 40, ..alone("dhat", "dhat over jemalloc linked as malloc", Counts::EveryStack) },
];
/// What `--engines ledger` stands for.
pub const LEDGER: &[&str] = &[PLAIN, "heapledger-untagged", "heapledger-tagged"];

/// An engine in a package of its own.
const fn alone(id: &'static str, about: &'static str, counts: Counts) -> Engine {
    Engine { id, about, folder: id, environment: &[], counts, feature: None, fewer: 1, more: 1 }
}

/// An engine of the ledger's package.
const fn ledger(id: &'static str, about: &'static str) -> Engine {
    Engine { folder: "heapledger", ..alone(id, about, Counts::Regions) }
}

impl Engine {
    /// Iterations of `workload` for this engine, if the others run `part` of them less. A run that must last for seconds
    /// is not shortened.
    pub fn iterations(&self, workload: &Info, part: u64) -> u64 {
        if self.runs_longer(workload.id) {
            return workload.iterations * self.more;
        }
        (workload.iterations / part / self.fewer).max(1)
    }

    /// Whether it runs more iterations of `workload` than the others.
    pub fn runs_longer(&self, workload: &str) -> bool {
        self.more > 1 && LONGER.contains(&workload)
    }
}

/// The engine called `id`.
pub fn find(id: &str) -> Option<&'static Engine> {
    ENGINES.iter().find(|engine| engine.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::{ENGINES, LEDGER, LONGER, PLAIN, find};
    use crate::WORKSPACE;

    #[test]
    fn every_engine_has_an_id_of_its_own_and_the_first_one_is_plain() {
        let ids: HashSet<&str> = ENGINES.iter().map(|engine| engine.id).collect();
        assert_eq!(ids.len(), ENGINES.len());
        assert_eq!(ENGINES[0].id, PLAIN);
        assert!(find("no-such-engine").is_none());
        assert!(LEDGER.iter().all(|id| find(id).is_some()));
    }

    #[test]
    fn the_sampler_runs_some_workloads_for_longer_and_a_shortened_comparison_does_not_shorten_them() {
        let (sampler, plain) = (find("heapledger-sampler").expect("listed"), find(PLAIN).expect("listed"));
        for id in LONGER {
            let info = workloads::info(id).expect("it is a workload");
            assert_eq!(sampler.iterations(info, 2), sampler.more * info.iterations, "{id}");
            assert_eq!(plain.iterations(info, 2), info.iterations / 2, "{id}");
        }
        let sizes = workloads::info("sizes").expect("it is a workload");
        assert_eq!(sampler.iterations(sizes, 1), sizes.iterations);
        assert_eq!(find("dhat").expect("listed").iterations(sizes, 1_000_000), 1, "one at least");
    }

    #[test]
    fn every_folder_of_engines_is_in_the_list_and_every_engine_has_its_folder() {
        let folder = Path::new(WORKSPACE).join("benches/engines");
        for engine in ENGINES {
            assert!(folder.join(engine.folder).join("Cargo.toml").is_file(), "{}", engine.id);
        }
        for entry in std::fs::read_dir(folder).expect("the folder of the engines") {
            let entry = entry.expect("an entry of the folder");
            let name = entry.file_name();
            if entry.path().join("Cargo.toml").is_file() {
                assert!(ENGINES.iter().any(|engine| engine.folder == name), "{}", entry.path().display());
            }
        }
    }
}
