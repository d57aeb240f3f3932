//! The ledger's figures of one region, in the three units that must not be mixed.

use std::sync::Mutex;

use heapledger_alloc::{Flow, RegionTotals, read_totals};
use heapledger_core::{RegionId, region_count};
use serde_json::{Value, json};

/// What a region allocated and freed since the process started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// Number of blocks.
    pub blocks: Flow,
    /// Bytes that were asked for.
    pub requested: Flow,
    /// Bytes of the size classes that they were rounded up to.
    pub usable: Flow,
}

/// The totals of every region. Kept from one reading to the next, so that a second one allocates nothing: under a limit
/// there may be nothing to allocate, and what there is may be what a test counts.
static TOTALS: Mutex<Vec<RegionTotals>> = Mutex::new(Vec::new());

fn with_totals<R>(use_them: impl FnOnce(&[RegionTotals]) -> R) -> R {
    let mut totals = TOTALS.lock().expect("no reader of the books panics");
    if totals.len() < region_count() {
        RegionId::LEDGER.scope(|| totals.resize(region_count(), RegionTotals::default()));
    }
    read_totals(&mut totals);
    use_them(&totals)
}

/// Everything that is counted of a region, as of now.
pub fn totals_of(region: RegionId) -> RegionTotals {
    with_totals(|totals| totals[region.index()])
}

impl Balance {
    /// The region's balance as of now.
    pub fn of(region: RegionId) -> Balance {
        Balance::from(&totals_of(region))
    }

    /// What `blocks` blocks of `requested` bytes in classes of `usable` bytes come to, all of them live.
    pub fn held(blocks: u64, requested: u64, usable: u64) -> Balance {
        let flow = |n: u64| Flow { allocated: blocks * n, freed: 0 };
        Balance { blocks: flow(1), requested: flow(requested), usable: flow(usable) }
    }

    /// What the same blocks come to once they are freed.
    pub fn passed(blocks: u64, requested: u64, usable: u64) -> Balance {
        let flow = |n: u64| Flow { allocated: blocks * n, freed: blocks * n };
        Balance { blocks: flow(1), requested: flow(requested), usable: flow(usable) }
    }

    /// Both together.
    pub fn and(self, other: Balance) -> Balance {
        let sum = |a: Flow, b: Flow| Flow { allocated: a.allocated + b.allocated, freed: a.freed + b.freed };
        Balance {
            blocks: sum(self.blocks, other.blocks),
            requested: sum(self.requested, other.requested),
            usable: sum(self.usable, other.usable),
        }
    }

    /// As JSON: `[allocated, freed]` of each unit.
    pub fn json(self) -> Value {
        let pair = |flow: Flow| json!([flow.allocated, flow.freed]);
        json!({ "blocks": pair(self.blocks), "requested": pair(self.requested), "usable": pair(self.usable) })
    }
}

impl From<&RegionTotals> for Balance {
    fn from(totals: &RegionTotals) -> Balance {
        Balance { blocks: totals.blocks(), requested: totals.requested_bytes, usable: totals.usable_bytes() }
    }
}

/// The sum of all regions.
pub fn everything() -> Balance {
    with_totals(|totals| totals.iter().fold(Balance::default(), |sum, region| sum.and(Balance::from(region))))
}
