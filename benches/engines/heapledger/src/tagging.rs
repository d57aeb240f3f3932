//! Regions entered as a program enters them: through statics and guards, or made at run time.

use heapledger::{Guard, OwnedRegion, Region};
use workloads::{REGIONS, Tagger};

static NAMES: [Region; REGIONS] =
    [Region::new("bench/first"), Region::new("bench/second"), Region::new("bench/third"), Region::new("bench/fourth")];

/// Enters regions.
#[derive(Clone, Copy)]
pub struct Tagged;

impl Tagger for Tagged {
    type Guard = Guard;
    type Made = OwnedRegion;

    #[inline(always)]
    fn enter(self, region: usize) -> Guard {
        NAMES[region].enter()
    }

    fn make(self, number: usize) -> OwnedRegion {
        OwnedRegion::new(format!("made-{number}"))
    }

    #[inline(always)]
    fn enter_made(made: &OwnedRegion) -> Guard {
        made.enter()
    }
}
