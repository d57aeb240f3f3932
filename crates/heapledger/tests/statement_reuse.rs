//! Ids of regions that are gone go to other names while statements are taken: no region is told what another counted.
//!
//! One test: it fills the table of ids, which the process has once.
#![cfg(target_os = "linux")]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use heapledger::OwnedRegion;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

/// As many as there are ids: each generation finds those of the one before.
const NAMES: usize = heapledger_core::MAX_REGIONS;
const GENERATIONS: usize = 12;

/// A region of generation 7 has one block of 7,000 bytes, which goes at once.
const STEP_BYTES: usize = 1000;

/// Blocks of this process in one reading are far fewer.
const TRAFFIC_AT_MOST: u64 = 1 << 40;

/// Whether a region of ours allocated anything, which is then what those of its generation do.
fn is_told(name: &str, allocated: u64) -> bool {
    let Some((generation, _)) = name.strip_prefix("gen ").and_then(|name| name.split_once('/')) else { return false };
    let bytes = generation.parse::<u64>().expect("it is a number") * STEP_BYTES as u64;
    assert!(allocated == 0 || allocated == bytes, "{name} allocated {allocated} bytes");
    allocated != 0
}

#[test]
fn no_region_is_told_what_another_counted() {
    static DONE: AtomicBool = AtomicBool::new(false);
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let names = std::thread::spawn(|| {
        for generation in 1..=GENERATIONS {
            let regions: Vec<_> = (0..NAMES).map(|name| OwnedRegion::new(format!("gen {generation}/{name}"))).collect();
            for (name, region) in regions.iter().enumerate() {
                // Others fell back to a region that is not theirs alone.
                if region.has_own_name(&format!("gen {generation}/{name}")) {
                    drop(region.scope(|| vec![0_u8; generation * STEP_BYTES]));
                }
            }
            // A whole one, begun after the blocks.
            let taken = TAKEN.load(Relaxed);
            while TAKEN.load(Relaxed) < taken + 2 {
                std::thread::yield_now();
            }
        }
        DONE.store(true, Relaxed);
    });
    let mut told = 0;
    while !DONE.load(Relaxed) {
        let statement = heapledger::statement().expect("the ledger is installed");
        for region in statement.regions() {
            told += usize::from(is_told(&region.name, region.requested_bytes.allocated));
        }
        for region in heapledger::live().regions {
            is_told(region.name, region.allocated_bytes);
        }
        if let Some(traffic) = statement.traffic_bytes() {
            assert!(traffic.allocated < TRAFFIC_AT_MOST && traffic.freed < TRAFFIC_AT_MOST, "{traffic:?}");
        }
        TAKEN.fetch_add(1, Relaxed);
    }
    names.join().expect("the thread ends well");
    assert!(told > 0, "a statement was taken while regions had blocks");
}
