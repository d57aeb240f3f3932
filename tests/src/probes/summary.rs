//! What a summary says of a heap whose every byte is known.

use std::time::Duration;

use heapledger_core::Region;
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::os::jemalloc;

/// Large enough that no thread caches it, too small to be given back at once.
const DIRTIED_BLOCK_BYTES: usize = 1 << 20;

static A: Region = Region::new("a");
static B: Region = Region::new("b");
static GONE: Region = Region::new("gone");

/// Options: `small` blocks of 100 bytes in `a`; `untouched` bytes in `b`, zeroed and never written; `dirtied` bytes
/// that were written in `gone` and freed. The summary as JSON and as text.
pub(super) fn run(options: &Options) -> Value {
    let small = options.count("small");
    let mut blocks = Vec::with_capacity(small);
    A.scope(|| blocks.extend((0..small).map(|_| Block::new(100))));
    let untouched = options.count("untouched");
    let untouched = (untouched > 0).then(|| B.scope(|| Block::try_zeroed(layout(untouched, 1))));
    let dirtied = options.count("dirtied") / DIRTIED_BLOCK_BYTES;
    let mut dirtied: Vec<Block> = GONE.scope(|| (0..dirtied).map(|_| Block::new(DIRTIED_BLOCK_BYTES)).collect());
    dirtied.iter_mut().for_each(|block| block.fill(1));
    drop(dirtied);
    // Longer than a decay time of 1 ms, which some settings ask for; others are not due yet. What is new when jemalloc
    // looks at the clock is due the next time at the earliest.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(10));
        jemalloc::decay();
    }
    let summary = heapledger::quick().expect("the ledger is installed").with_stage("probe");
    drop((blocks, untouched));
    let parsed: Value = serde_json::from_str(&summary.to_json()).expect("a summary's JSON is JSON");
    json!({ "summary": parsed, "text": summary.to_string() })
}
