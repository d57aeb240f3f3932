//! Entering and leaving a region, with nothing in between.

use std::hint::black_box;

use crate::{Class, Info, Mix, Outcome, REGIONS, Tagger, Workload};

workloads![Switch];

/// Enters and leaves one region after the other, four in turn. Each pair changes the current region twice.
///
/// With an engine that does not tag, what is left is the loop itself.
pub struct Switch;

impl Workload for Switch {
    const INFO: Info = Info {
        id: "switch",
        about: "a region entered and left, four in turn; untagged: the loop alone",
        operation: "enter and leave",
        mix: Mix::Switches,
        class: Class::Pattern,
        iterations: 40_000_000,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        // A region may get its id when it is first entered; that is not what is measured.
        for region in 0..REGIONS {
            drop(tagger.enter(region));
        }
        Outcome::time(|| {
            for turn in 0..iterations {
                let guard = tagger.enter(turn as usize % REGIONS);
                // Whatever a thread could see of the region must be in place here, as it must be for a real allocation.
                black_box(&guard);
            }
            iterations
        })
    }
}
