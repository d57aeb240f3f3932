//! Heaps of a given shape: one measure varies, the others stay small.

use std::hint::black_box;
use std::sync::Barrier;

use heapledger::OwnedRegion;
use serde_json::Value;

/// Blocks in which resident memory is held, whatever its amount, so that the extents do not vary with it.
const RESIDENT_BLOCKS: usize = 1_000;
/// A block of one page: its slab is an extent of its own.
const EXTENT_BYTES: usize = 4_096;
const PAGE_BYTES: usize = 4_096;
/// Small blocks, sixteen of them on a page.
const SMALL_BYTES: usize = 256;
/// Regions of the threads, and blocks per region and thread.
const REGIONS: usize = 4;

/// Calls `read` while the process has `value` of what `name` says.
pub fn within(name: &str, value: u64, read: impl FnOnce() -> Result<Value, String>) -> Result<Value, String> {
    let value = usize::try_from(value).map_err(|_| format!("{value} is too much for this machine"))?;
    match name {
        "resident" => {
            let held = resident(value);
            let told = read();
            drop(held);
            told
        }
        "mixed" => {
            // The worst case of a walk: every page holds blocks of all four regions, one after the other.
            let regions = named(REGIONS);
            let block = |number: usize| regions[number % REGIONS].scope(|| vec![1; SMALL_BYTES]);
            let held: Vec<Vec<u8>> = (0..value / SMALL_BYTES).map(block).collect();
            let told = read();
            drop(held);
            told
        }
        "extents" => {
            // Not written, so that their pages are not resident and resident memory does not vary with them.
            let held: Vec<Vec<u8>> = (0..value).map(|_| black_box(Vec::with_capacity(EXTENT_BYTES))).collect();
            let told = read();
            drop(held);
            told
        }
        "threads" => threads(value, read),
        "regions" => {
            let regions: Vec<OwnedRegion> = named(value);
            let held: Vec<Vec<u8>> = regions.iter().map(|region| region.scope(|| vec![1; 100])).collect();
            let told = read();
            drop(held);
            told
        }
        _ => Err(format!("there is no shape {name:?}; there are resident, mixed, extents, threads, regions")),
    }
}

/// Blocks that together take `bytes`, every page of them written.
pub fn resident(bytes: usize) -> Vec<Vec<u8>> {
    let block = || {
        let mut block = Vec::with_capacity(bytes / RESIDENT_BLOCKS);
        for byte in block.spare_capacity_mut().iter_mut().step_by(PAGE_BYTES) {
            byte.write(1);
        }
        black_box(block)
    };
    (0..RESIDENT_BLOCKS).map(|_| block()).collect()
}

fn threads(count: usize, read: impl FnOnce() -> Result<Value, String>) -> Result<Value, String> {
    let regions = named(REGIONS);
    let line = Barrier::new(count + 1);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let held: Vec<Vec<u8>> = regions.iter().map(|region| region.scope(|| vec![1; 100])).collect();
                line.wait();
                line.wait();
                drop(held);
            });
        }
        line.wait();
        let told = read();
        line.wait();
        told
    })
}

fn named(count: usize) -> Vec<OwnedRegion> {
    (0..count).map(|number| OwnedRegion::new(format!("shape-{number}"))).collect()
}
