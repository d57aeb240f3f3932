//! A process of its own, in which nobody else frees: dirty pages are the process's.

use heapledger_probe::control;
use heapledger_probe::read::{self, Jemalloc};

#[global_allocator]
static JEMALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Blocks of 1 KiB: their slabs do not grow together to what would be given back at once.
const BLOCK: usize = 1024;
const BLOCKS: usize = 65_536;

/// So long that nothing goes by itself, however long the test is kept from running.
const DECAY_MS: i64 = 3_600_000_000;

fn dirty_bytes() -> u64 {
    let stats = read::stats(&Jemalloc).expect("it has statistics");
    stats.pdirty * stats.page_bytes
}

#[test]
fn purging_returns_what_was_freed() {
    control::set_decay_ms(control::Pages::Dirty, DECAY_MS).expect("it is a decay time");
    let blocks: Vec<Box<[u8; BLOCK]>> = (0..BLOCKS).map(|_| Box::new([1; BLOCK])).collect();
    drop(std::hint::black_box(blocks));
    assert_eq!(control::flush_thread_cache(), Ok(()));
    assert!(dirty_bytes() >= (BLOCKS * BLOCK) as u64, "there is something to purge");
    assert_eq!(control::purge(), Ok(()));
    assert_eq!(dirty_bytes(), 0);
}
