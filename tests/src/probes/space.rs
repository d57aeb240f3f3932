//! Memory that the ledger itself takes, and memory that it must not touch.

use std::hint::black_box;

use heapledger_alloc::{table_ranges, table_use};
use heapledger_core::Region;
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::books::Balance;
use crate::os::jemalloc;
use crate::os::memory::{PAGE_BYTES, present_pages, sizes};

static HEAP: Region = Region::new("heap");

/// The size of the process after its first blocks and its first region.
pub(super) fn start(_: &Options) -> Value {
    let block = HEAP.scope(|| Block::new(100));
    black_box(&block);
    let sizes = sizes();
    json!({ "virtual_bytes": sizes.virtual_bytes, "resident_bytes": sizes.resident_bytes })
}

/// How much of the ledger's tables is present, in bytes.
fn present_bytes() -> u64 {
    // Room for a leaf per GiB, a slot per thread and some chunks of rows; static, so that asking touches nothing new.
    let mut ranges = [(0, 0); 256];
    let count = table_ranges(&mut ranges);
    assert!(count <= ranges.len(), "{count} mappings are more than this probe makes room for");
    present_pages(&ranges[..count]) * PAGE_BYTES as u64
}

/// Options `size`, `count`: so many blocks of one region, of one size.
pub(super) fn tables(options: &Options) -> Value {
    let (size, count) = (options.count("size"), options.count("count"));
    let mut blocks = Vec::with_capacity(count);
    let before = present_bytes();
    HEAP.scope(|| blocks.extend((0..count).map(|_| Block::new(size))));
    let held = present_bytes();
    let mapped = jemalloc::statistic(c"stats.mapped");
    // Back to front, so that vectors of neighbours are not what makes it cheap.
    while blocks.pop().is_some() {}
    let freed = present_bytes();
    let refused_maps = table_use().refused_maps;
    json!({ "before": before, "held": held, "freed": freed, "mapped": mapped, "refused_maps": refused_maps })
}

/// Option `bytes`: zeroed memory that nobody writes to, and what asking for it did to the resident set.
pub(super) fn untouched(options: &Options) -> Value {
    let bytes = options.count("bytes");
    let before = sizes().resident_bytes;
    let mut block = HEAP.scope(|| Block::try_zeroed(layout(bytes, 1)).expect("there is address space"));
    let zeroed = sizes().resident_bytes;
    // In place if the allocator's neighbours allow it; what is copied otherwise is the same with and without a ledger.
    let moved = block.resize(bytes + bytes / 4);
    let grown = sizes().resident_bytes;
    let address = block.address();
    let moved_back = block.resize(bytes);
    let shrunk = sizes().resident_bytes;
    assert!(moved_back || block.address() == address);
    drop(block);
    let grew = |from: u64, to: u64| to.cast_signed() - from.cast_signed();
    json!({
        "moved": moved, "moved_back": moved_back,
        "zeroed_bytes": grew(before, zeroed), "grown_bytes": grew(zeroed, grown), "shrunk_bytes": grew(grown, shrunk),
    })
}

/// Option `size`: what the ledger counts as usable in one block of it.
pub(super) fn usable(options: &Options) -> Value {
    let block = HEAP.scope(|| Block::new(options.count("size")));
    let held = Balance::of(*HEAP);
    drop(block);
    json!({ "held": held.json(), "passed": Balance::of(*HEAP).json() })
}
