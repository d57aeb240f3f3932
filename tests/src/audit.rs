//! The ledger with a live bit per slot: an allocator that keeps a list of its own of every block that it hands out,
//! with the region in force, so that what the ledger says can be compared block by block.
//!
//! The list lies in memory that it maps itself (`table.rs`), with the last owner of each slot and page; nothing of it
//! is taken from the ledger. `compare.rs` asks the ledger's owner map about each slot and page in it. The process that
//! looks on reads the list at the moment of a statement and computes its lines from it.

pub mod compare;
pub mod table;

use std::alloc::{GlobalAlloc, Layout};

use heapledger_core::current;
use tikv_jemalloc_sys::malloc_usable_size;

use table::{Block, with_table};

/// A [`heapledger::Ledger`] and the list.
#[derive(Debug)]
pub struct Audit {
    ledger: heapledger::Ledger,
}

impl Audit {
    /// The allocator; it is meant to be the program's global one.
    pub const fn new() -> Audit {
        Audit { ledger: heapledger::Ledger::new() }
    }
}

impl Default for Audit {
    fn default() -> Audit {
        Audit::new()
    }
}

/// Notes a block that was handed out; `region` of who asked for it.
fn note(block: *mut u8, layout: Layout, region: usize) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block lives and is jemalloc's.
    let usable = unsafe { malloc_usable_size(block.cast()) };
    let block = Block { address: block as u64, layout, usable: usable as u64, region };
    with_table(|table| table.allocated(&block));
}

// SAFETY: every method makes the ledger's call, whose contract is the same; the list never touches a block.
unsafe impl GlobalAlloc for Audit {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller.
        let block = unsafe { self.ledger.alloc(layout) };
        note(block, layout, current().index());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller.
        let block = unsafe { self.ledger.alloc_zeroed(layout) };
        note(block, layout, current().index());
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Before, because another thread can have the same slot a moment later.
        with_table(|table| table.freed(block as u64));
        // SAFETY: by the caller.
        unsafe { self.ledger.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(region) = with_table(|table| table.freed(block as u64)) else { std::process::abort() };
        // SAFETY: by the caller.
        let moved = unsafe { self.ledger.realloc(block, layout, size) };
        // If there was no memory, the block is what it was.
        let (kept, size) = if moved.is_null() { (block, layout.size()) } else { (moved, size) };
        // SAFETY: the alignment is that of a valid layout, and the size that of a block.
        let layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        note(kept, layout, region);
        moved
    }
}
