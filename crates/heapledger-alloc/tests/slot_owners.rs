//! Whose each slot of a mixed page is, read in bulk, and that a page which changed meanwhile is not believed.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;

use heapledger_alloc::{CLASS_BYTES, Ledger, PageWord, block_owner, page_word};
use heapledger_core::Region;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static X: Region = Region::new("x");
static Y: Region = Region::new("y");

const PAGE_BYTES: usize = 4096;
const BLOCKS: usize = 600;

fn allocate(bytes: usize) -> *mut u8 {
    // SAFETY: the size is not 0.
    let block = unsafe { LEDGER.alloc(layout(bytes)) };
    assert!(!block.is_null());
    block
}

fn free(block: *mut u8, bytes: usize) {
    // SAFETY: the block is live, with this layout.
    unsafe { LEDGER.dealloc(block, layout(bytes)) }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).expect("a layout")
}

/// Blocks of one class in two regions, by the page that they start in.
fn mixed_pages(bytes: usize) -> BTreeMap<usize, Vec<*mut u8>> {
    let mut pages: BTreeMap<usize, Vec<*mut u8>> = BTreeMap::new();
    for number in 0..BLOCKS {
        let block = if number % 2 == 0 { X.scope(|| allocate(bytes)) } else { Y.scope(|| allocate(bytes)) };
        pages.entry(block.addr() / PAGE_BYTES).or_default().push(block);
    }
    pages
}

#[test]
fn slots_read_in_bulk_name_the_owner_of_each_block() {
    for (class, bytes) in CLASS_BYTES.iter().map(|&bytes| bytes as usize).enumerate().filter(|(_, b)| *b < PAGE_BYTES) {
        let pages = mixed_pages(bytes);
        let mut mixed = 0;
        let mut stale: Vec<(PageWord, usize)> = Vec::with_capacity(BLOCKS);
        for (page, blocks) in &pages {
            let word = page_word(page * PAGE_BYTES);
            if !word.is_mixed() {
                continue;
            }
            mixed += 1;
            let slots = word.slot_owners(class).expect("a mixed page of this class");
            for block in blocks {
                let offset = block.addr() % PAGE_BYTES;
                let owner = block_owner(*block, layout(bytes));
                assert_eq!(slots.owner(offset / bytes), Some(owner), "class {class} offset {offset}");
                assert_eq!(word.slot_owner(class, offset), Some(owner), "class {class} offset {offset}");
            }
            assert_eq!(slots.owner(PAGE_BYTES.div_ceil(bytes)), None, "beyond the slots of a page");
            assert!(slots.still_hold());
            assert!(word.slot_owners(class + 1).is_none(), "the page is of another class");
            stale.push((word, blocks[0].addr() % PAGE_BYTES));
        }
        assert!(mixed > 0, "class {class}");
        pages.into_values().flatten().for_each(|block| free(block, bytes));
        // The slabs go and come back in the hands of large blocks: what was read of their pages is of the past.
        drop(flush_and_take_all());
        let changed = stale.iter().filter(|(word, _)| !word.slot_owners(class).expect("was mixed").still_hold());
        for (word, offset) in changed {
            assert_eq!(word.slot_owner(class, *offset), None, "class {class}");
        }
    }
}

/// Large blocks over what is free.
fn flush_and_take_all() -> Vec<Vec<u8>> {
    // SAFETY: the control takes no value and returns none.
    let code = unsafe {
        tikv_jemalloc_sys::mallctl(
            c"thread.tcache.flush".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        )
    };
    assert_eq!(code, 0);
    (0..64).map(|_| vec![1_u8; 64 << 10]).collect()
}
