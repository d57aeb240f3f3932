//! The page flow: `properties.rs` has it against a naive oracle that knows for every unit of every page whose it was
//! and whose it is, `cases.rs` one step after the other, `told.rs` as text and JSON. `units.rs` are the oracle's pages,
//! `written.rs` a map of them that is written.

mod cases;
mod properties;
mod told;
mod units;
mod written;

use heapledger_statement::{Figure, Flow, FlowCounters, FlowReadings, Holder, PageOwner, RegionName, Share, Stretch};

const PAGE: u64 = 4096;

fn name(region: u32) -> RegionName {
    RegionName::new(["a", "b", "c"][region as usize], 0)
}

fn readings() -> FlowReadings {
    let names = || (0..3).map(|region| Some(name(region))).collect();
    FlowReadings {
        before: names(),
        after: names(),
        given_back_bytes: Some(0),
        faulted_bytes: Some(0),
        // All that is allocated lives.
        counters: (0..3)
            .map(|region| FlowCounters {
                region: name(region),
                live_after: Figure::Exact(i64::MAX),
                between: Some(Flow::new(0, 0)),
            })
            .collect(),
    }
}

fn slab(start: u64, pages: u64, shares: &[(Holder, u64)]) -> Stretch {
    let shares = shares.iter().map(|(holder, bytes)| Share { holder: *holder, bytes: *bytes }).collect();
    Stretch { start: start * PAGE, end: (start + pages) * PAGE, alike: 0, shares }
}

fn block(region: u32) -> Holder {
    Holder::Block { owner: PageOwner::Region(region), forced: false }
}

fn slot(last: u32, keeper: u32) -> Holder {
    Holder::Slot { last: PageOwner::Region(last), keeper: PageOwner::Region(keeper) }
}
