//! The list of workloads. A new one is one file, one `mod` line and one name in the list.

use crate::{Class, Info, Outcome, Tagger, Workload};

mod aligned;
mod btree;
mod churn;
mod hyper;
mod image;
mod json;
mod loops;
mod phase;
mod phase2;
mod prodcons;
mod realloc;
mod regex;
mod requests;
mod ring;
mod ring_many;
mod safetensors;
mod sizes;
mod switch;
mod syn;
mod tantivy;
mod zeroed;

macro_rules! registry {
    ($($workload:path),+ $(,)?) => {
        /// Every workload, in the order of the tables.
        pub const WORKLOADS: &[Info] = &[$(<$workload as Workload>::INFO),+];

        /// Runs the workload called `id`, as long as it says itself where `iterations` is `None`; `None` if there is no
        /// such workload in this build.
        pub fn run<T: Tagger>(id: &str, tagger: T, iterations: Option<u64>) -> Option<Outcome> {
            $(
                if id == <$workload as Workload>::INFO.id && is_built(<$workload as Workload>::INFO.class) {
                    return Some(run_alone::<$workload, T>(tagger, iterations));
                }
            )+
            None
        }
    };
}

registry![
    loops::Loop64,
    loops::Loop1M,
    loops::Loop64M,
    sizes::Sizes,
    realloc::Realloc,
    zeroed::Zeroed,
    aligned::Aligned,
    ring::Ring,
    ring::Ring2,
    ring_many::Ring4,
    ring_many::Ring8,
    ring_many::Ring32,
    prodcons::ProdCons,
    prodcons::HandOver,
    churn::Churn,
    phase::Phase,
    phase2::Phase2,
    json::Json,
    btree::BTree,
    self::syn::Syn,
    self::tantivy::Tantivy,
    self::hyper::Hyper,
    self::safetensors::SafeTensors,
    self::regex::Regex,
    self::image::Image,
    ring::RingMixed,
    ring::Ring2Mixed,
    prodcons::ProdConsMixed,
    json::JsonMixed,
    btree::BTreeMixed,
    requests::Requests,
    requests::RequestsOwn,
    ring_many::Regions1,
    ring_many::Regions16,
    ring_many::Regions255,
    ring_many::RegionsMax,
    ring::RingBare,
    ring::RingBareMixed,
    loops::Loop1MBare,
    loops::Loop64MBare,
    switch::Switch,
];

/// What the workload called `id` says of itself.
pub fn info(id: &str) -> Option<&'static Info> {
    WORKLOADS.iter().find(|info| info.id == id)
}

/// Whether workloads of `class` are compiled into this build.
pub const fn is_built(class: Class) -> bool {
    cfg!(feature = "programs") || !matches!(class, Class::LargeProgram)
}

/// Runs one workload in a function of its own, so that adding another cannot change how this one is compiled.
#[inline(never)]
fn run_alone<W: Workload, T: Tagger>(tagger: T, iterations: Option<u64>) -> Outcome {
    W::run(tagger, iterations.unwrap_or(W::INFO.iterations))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::{WORKLOADS, info, is_built, run};
    use crate::Untagged;

    #[test]
    fn every_id_is_used_once_and_can_be_typed() {
        let mut seen = HashSet::new();
        for info in WORKLOADS {
            assert!(seen.insert(info.id), "{} is in the list twice", info.id);
            assert!(info.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", info.id);
            assert!(!info.about.is_empty() && !info.operation.is_empty() && info.iterations > 0, "{}", info.id);
        }
    }

    #[test]
    fn every_workload_runs_and_twice_the_iterations_are_twice_the_operations() {
        for info in WORKLOADS.iter().filter(|info| is_built(info.class)) {
            let once = run(info.id, Untagged, Some(1)).expect("it is in the list");
            let twice = run(info.id, Untagged, Some(2)).expect("it is in the list");
            assert!(once.operations > 0, "{} did nothing", info.id);
            assert_eq!(twice.operations, 2 * once.operations, "{}", info.id);
        }
    }

    #[test]
    fn an_unknown_id_is_neither_described_nor_run() {
        assert!(info("no_such_workload").is_none());
        assert!(run("no_such_workload", Untagged, Some(1)).is_none());
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/registry");
        let list = include_str!("registry.rs");
        for entry in std::fs::read_dir(folder).expect("the folder of the workloads") {
            let path = entry.expect("an entry of the folder").path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a file name in UTF-8");
            assert!(list.contains(&format!("mod {stem};")), "{stem}.rs has no `mod` line in registry.rs");
            assert!(list.contains(&format!("{stem}::")), "{stem}.rs has no workload in the list of registry.rs");
        }
    }
}
