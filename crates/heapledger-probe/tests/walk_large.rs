//! A process of its own: large blocks, live, untouched, half read, freed, purged.
#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
use heapledger_probe::Walker;
use support::{exact, heap};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static ZEROES: Region = Region::new("zeroes");

const BLOCK_BYTES: usize = 1 << 20;
const BLOCKS: usize = 256;
const ZEROES_BYTES: usize = 256 << 20;

/// A page on each side of a block that the block does not fill.
const EDGES_BYTES: u64 = 2 * 4096;

#[test]
fn large_blocks_are_resident_as_far_as_they_were_touched() {
    let mut walker = Walker::new().expect("buffers");
    let blocks: Vec<Vec<u8>> = WEIGHTS.scope(|| (0..BLOCKS).map(|_| vec![1; BLOCK_BYTES]).collect());
    let table_bytes = (BLOCKS * size_of::<Vec<u8>>()) as u64;

    let taken = support::take(&mut walker);
    println!("256 MiB\n{}", support::describe(&taken));
    support::assert_quiet(&taken);
    let large = heap(&taken).regions[WEIGHTS.index()].large;
    assert_eq!(large.blocks, BLOCKS as u64);
    assert_eq!(large.usable_bytes, (BLOCKS * BLOCK_BYTES) as u64);
    assert_eq!(exact(large.usable_resident), (BLOCKS * BLOCK_BYTES) as u64);
    assert!(exact(large.pad_resident) <= BLOCKS as u64 * EDGES_BYTES);
    assert!(support::live(&taken, WEIGHTS.index()) >= large.usable_bytes + table_bytes);

    let mut zeroes = ZEROES.scope(|| vec![0_u8; ZEROES_BYTES]);
    let resident = |walker: &mut Walker| {
        let taken = support::take(walker);
        support::assert_quiet(&taken);
        exact(heap(&taken).regions[ZEROES.index()].large.usable_resident)
    };
    assert!(resident(&mut walker) <= EDGES_BYTES, "untouched");
    black_box(zeroes[..ZEROES_BYTES / 2].iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
    assert!(resident(&mut walker) <= EDGES_BYTES, "read, not written");
    zeroes[..ZEROES_BYTES / 4].fill(1);
    let written = resident(&mut walker);
    assert!(written.abs_diff(ZEROES_BYTES as u64 / 4) <= EDGES_BYTES, "a quarter was written: {written}");
    drop(zeroes);

    drop(blocks);
    let taken = support::take(&mut walker);
    println!("freed\n{}", support::describe(&taken));
    support::assert_quiet(&taken);
    let region = heap(&taken).regions[WEIGHTS.index()];
    assert_eq!(region.large.blocks, 0);
    let dirty = heap(&taken).dirty;
    assert!(exact(dirty.resident) <= dirty.bytes);
    assert!(exact(region.dirty) <= exact(dirty.resident));
}
