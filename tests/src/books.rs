//! The ledger's figures of one region, in the three units that must not be mixed.

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

/// Reads all regions. Charged to `~ledger`, so that reading changes no balance that a test looks at.
pub fn all_totals() -> Vec<RegionTotals> {
    let _ours = RegionId::LEDGER.enter();
    let mut totals = vec![RegionTotals::default(); region_count()];
    read_totals(&mut totals);
    totals
}

impl Balance {
    /// The region's balance as of now.
    pub fn of(region: RegionId) -> Balance {
        let totals = all_totals();
        let balance = Balance::from(&totals[region.index()]);
        RegionId::LEDGER.scope(|| drop(totals));
        balance
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
    let totals = all_totals();
    let sum = totals.iter().fold(Balance::default(), |sum, region| sum.and(Balance::from(region)));
    RegionId::LEDGER.scope(|| drop(totals));
    sum
}
