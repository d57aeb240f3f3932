//! Many threads that live at once and allocate in many regions, and what they take of address space.
//!
//! Options `threads`, `regions`. Each thread holds one block of 100 bytes and one of 5,000 in each region while the
//! books are read, and frees them before it ends.

use std::sync::Barrier;

use heapledger_alloc::table_use;
use heapledger_core::OwnedRegion;
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::books::Balance;
use crate::os::memory::sizes;

/// What the threads do needs no deep stacks, and address space may be scarce.
const STACK_BYTES: usize = 128 << 10;

/// How many of the regions have the balance of the first, and that balance.
fn alike(regions: &[OwnedRegion]) -> (usize, Balance) {
    let balances: Vec<Balance> = regions.iter().map(|region| Balance::of(**region)).collect();
    (balances.iter().filter(|&balance| *balance == balances[0]).count(), balances[0])
}

pub(super) fn run(options: &Options) -> Value {
    let threads = options.count("threads");
    let regions: Vec<OwnedRegion> =
        (0..options.count("regions")).map(|number| OwnedRegion::new(format!("crowd/{number}"))).collect();
    let (holding, read) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let hold = || {
        let mut blocks = Vec::with_capacity(2 * regions.len());
        for region in &regions {
            region.scope(|| blocks.extend([Block::new(100), Block::new(5_000)]));
        }
        holding.wait();
        read.wait();
    };
    let (held_alike, held, virtual_bytes) = std::thread::scope(|scope| {
        for _ in 0..threads {
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            builder.spawn_scoped(scope, hold).expect("the thread can be started");
        }
        holding.wait();
        let (count, held) = alike(&regions);
        let virtual_bytes = sizes().virtual_bytes;
        read.wait();
        (count, held, virtual_bytes)
    });
    let (passed_alike, passed) = alike(&regions);
    json!({
        "held": held.json(), "held_alike": held_alike, "passed": passed.json(), "passed_alike": passed_alike,
        "refused_maps": table_use().refused_maps, "virtual_bytes": virtual_bytes,
    })
}
