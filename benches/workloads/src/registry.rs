//! The list of workloads: those of every file in the folder `registry`. The build script finds the files.

use crate::{Class, Info, Outcome, Tagger, Workload};

/// Names the workloads of a file, in the order in which they are listed. Each file of the folder has this once.
macro_rules! workloads {
    ($($workload:ident),+ $(,)?) => {
        pub(super) const LISTED: &[$crate::Info] = &[$(<$workload as $crate::Workload>::INFO),+];

        /// Runs that of them which is called `id`.
        pub(super) fn run_listed<T: $crate::Tagger>(
            id: &str,
            tagger: T,
            iterations: Option<u64>,
        ) -> Option<$crate::Outcome> {
            $(
                if id == <$workload as $crate::Workload>::INFO.id {
                    return super::run_built::<$workload, T>(tagger, iterations);
                }
            )+
            None
        }
    };
}

/// What the build script writes after the `mod` line of each file.
macro_rules! files {
    ($($file:ident),+ $(,)?) => {
        const FILES: &[&[Info]] = &[$(self::$file::LISTED),+];

        /// Runs the workload called `id`, as long as it says itself where `iterations` is `None`; `None` if there is no
        /// such workload in this build.
        pub fn run<T: Tagger>(id: &str, tagger: T, iterations: Option<u64>) -> Option<Outcome> {
            $(
                if let Some(outcome) = self::$file::run_listed(id, tagger, iterations) {
                    return Some(outcome);
                }
            )+
            None
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/registry.rs"));

/// Every workload, in the order of the tables: those in one region first, patterns before programs, then by the name of
/// the file and as the file lists them.
pub const WORKLOADS: &[Info] = &ordered::<{ count() }>();

const fn count() -> usize {
    let (mut all, mut file) = (0, 0);
    while file < FILES.len() {
        all += FILES[file].len();
        file += 1;
    }
    all
}

/// All of [`FILES`], group after group.
const fn ordered<const N: usize>() -> [Info; N] {
    let mut all = [FILES[0][0]; N];
    let (mut taken, mut group) = (0, 0);
    while taken < N {
        let mut file = 0;
        while file < FILES.len() {
            let mut at = 0;
            while at < FILES[file].len() {
                if group_of(&FILES[file][at]) == group {
                    all[taken] = FILES[file][at];
                    taken += 1;
                }
                at += 1;
            }
            file += 1;
        }
        group += 1;
    }
    all
}

const fn group_of(info: &Info) -> usize {
    /// More than there are classes.
    const CLASSES: usize = 8;
    info.mix as usize * CLASSES + info.class as usize
}

/// What the workload called `id` says of itself.
pub fn info(id: &str) -> Option<&'static Info> {
    WORKLOADS.iter().find(|info| info.id == id)
}

/// Whether workloads of `class` are compiled into this build.
pub const fn is_built(class: Class) -> bool {
    cfg!(feature = "programs") || !matches!(class, Class::LargeProgram)
}

fn run_built<W: Workload, T: Tagger>(tagger: T, iterations: Option<u64>) -> Option<Outcome> {
    is_built(W::INFO.class).then(|| run_alone::<W, T>(tagger, iterations))
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
    fn what_mixes_more_comes_later_and_a_file_keeps_its_own_order() {
        let place = |id| WORKLOADS.iter().position(|info| info.id == id).expect("it is in the list");
        for (earlier, later) in [
            ("loop64", "loop1m"),
            ("phase", "ring"),
            ("zeroed", "json"),
            ("syn", "tantivy"),
            ("tantivy", "ring_mixed"),
            ("json_mixed", "requests"),
            ("regions_max", "switch"),
        ] {
            assert!(place(earlier) < place(later), "{earlier} after {later}");
        }
    }

    /// The build script is asked to list them all, and it makes no second list of what to leave out.
    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/registry");
        assert_eq!(std::fs::read_dir(folder).expect("the folder of the workloads").count(), super::FILES.len());
    }
}
