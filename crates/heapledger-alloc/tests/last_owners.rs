//! Every page of a freed block says who had it last, and a live block says whose it is: for every size class, for large
//! blocks, and for what a shrunk one gives back.
//!
//! One test, because a page that is free may be used by any other thread of the process before it is looked at.

use std::alloc::{GlobalAlloc, Layout};
use std::fmt::Arguments;
use std::ops::Range;

use heapledger_alloc::{CLASS_BYTES, Ledger, PageOwner, block_owner, page_owner, page_word};
use heapledger_core::{Region, RegionId};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static X: Region = Region::new("x");
static Y: Region = Region::new("y");

const PAGE_BYTES: usize = 4096;
const LARGE_BYTES: [usize; 6] = [14_337, 16_384, 65_536, 100_000, 1 << 20, 5 << 20];
/// Some whole slabs of every class.
const SMALL_TOTAL_BYTES: usize = 3 << 16;

struct Block {
    at: *mut u8,
    layout: Layout,
}

impl Block {
    fn new(bytes: usize, align: usize) -> Block {
        let layout = Layout::from_size_align(bytes, align).expect("a layout");
        // SAFETY: the size is not 0.
        let at = unsafe { LEDGER.alloc(layout) };
        assert!(!at.is_null());
        Block { at, layout }
    }

    fn owner(&self) -> usize {
        block_owner(self.at, self.layout)
    }

    /// The bytes that it may use.
    fn range(&self) -> Range<usize> {
        // SAFETY: the block is live, and jemalloc's.
        let usable = unsafe { tikv_jemalloc_sys::malloc_usable_size(self.at.cast()) };
        self.at.addr()..self.at.addr() + usable
    }

    fn resize(&mut self, bytes: usize) {
        // SAFETY: the block is live with this layout, and the size is not 0.
        self.at = unsafe { LEDGER.realloc(self.at, self.layout, bytes) };
        assert!(!self.at.is_null());
        self.layout = Layout::from_size_align(bytes, self.layout.align()).expect("a layout");
    }

    fn free(self) {
        // SAFETY: the block is live with this layout.
        unsafe { LEDGER.dealloc(self.at, self.layout) }
    }
}

/// Gives the slots that this thread caches back to their slabs.
fn flush() {
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
}

/// The pages that the ranges cover to the last byte, together.
fn covered_pages(ranges: &mut [Range<usize>]) -> Vec<usize> {
    ranges.sort_by_key(|range| range.start);
    let mut pages = Vec::new();
    let mut run: Range<usize> = 0..0;
    let mut close = |run: &Range<usize>| {
        pages.extend((run.start.div_ceil(PAGE_BYTES)..run.end / PAGE_BYTES).map(|page| page * PAGE_BYTES));
    };
    for range in ranges.iter() {
        if range.start == run.end {
            run.end = range.end;
        } else {
            close(&run);
            run = range.clone();
        }
    }
    close(&run);
    pages
}

/// `when` is not formatted unless the test fails: what is allocated here could use the pages that are looked at.
fn assert_pages(pages: &[usize], region: RegionId, when: Arguments<'_>) {
    for page in pages {
        assert_eq!(page_owner(*page), PageOwner::Region(region.index()), "page {page:#x}, {when}");
    }
}

/// Allocates in one region, frees in the other, and looks at the pages before and after.
fn blocks_leave_their_owner(bytes: usize, align: usize, region: RegionId, elsewhere: RegionId) {
    let count = (SMALL_TOTAL_BYTES / bytes).clamp(6, 200);
    let blocks: Vec<Block> = (0..count).map(|_| region.scope(|| Block::new(bytes, align))).collect();
    let mut ranges: Vec<Range<usize>> = blocks.iter().map(Block::range).collect();
    let whole = covered_pages(&mut ranges);
    assert!(bytes < PAGE_BYTES || !whole.is_empty());
    for block in &blocks {
        assert_eq!(block.owner(), region.index(), "a live block of {bytes} bytes at {align}");
    }
    elsewhere.scope(|| blocks.into_iter().for_each(Block::free));
    // Pages with many slots may be mixed, by what was there before: then it is the slots that tell.
    if bytes >= PAGE_BYTES {
        assert_pages(&whole, region, format_args!("when blocks of {bytes} bytes at {align} are freed"));
    }
    flush();
}

fn shrunk_blocks_leave_their_owner(from: usize, to: usize) {
    let mut block = X.scope(|| Block::new(from, 8));
    let before = block.range();
    Y.scope(|| block.resize(to));
    let after = block.range();
    assert_eq!(block.owner(), X.index(), "from {from} to {to} bytes");
    let freed: Vec<usize> = covered_pages(&mut [before]).into_iter().filter(|page| !after.contains(page)).collect();
    assert!(!freed.is_empty());
    assert_pages(&freed, *X, format_args!("freed when {from} bytes became {to}"));
    Y.scope(|| block.free());
    assert_pages(&covered_pages(&mut [after]), *X, format_args!("when {from} bytes that became {to} are freed"));
}

fn grown_blocks_leave_their_owner(from: usize, to: usize) {
    let mut block = X.scope(|| Block::new(from, 8));
    Y.scope(|| block.resize(to));
    let after = block.range();
    assert_eq!(block.owner(), X.index(), "from {from} to {to} bytes");
    Y.scope(|| block.free());
    assert_pages(&covered_pages(&mut [after]), *X, format_args!("when {from} bytes that became {to} are freed"));
}

/// Slabs of blocks that end in the middle of pages go, and slabs of little blocks of one of the two regions come.
/// Returns how many blocks were looked at: which pages jemalloc takes for them is its own affair.
fn pages_forget_where_wide_blocks_ended(wide_bytes: usize) -> usize {
    const LITTLE_BYTES: usize = 64;
    /// jemalloc splits no run of more than 64 free pages for a slab of one page (`opt.lg_extent_max_active_fit`). So
    /// every eighth block stays, and what lies between two of those is 28 pages at most.
    const KEPT_EACH: usize = 8;
    let count = 4 * SMALL_TOTAL_BYTES / wide_bytes;
    // All room before anything is looked at.
    let mut wide: Vec<Block> = Vec::with_capacity(count);
    let mut pages: Vec<usize> = Vec::with_capacity(8 * count);
    let mut kept: Vec<Block> = Vec::with_capacity(count);
    let mut little: Vec<Block> = Vec::with_capacity(16 * SMALL_TOTAL_BYTES / LITTLE_BYTES);
    for number in 0..count {
        let region = if number % 2 == 0 { *X } else { *Y };
        wide.push(region.scope(|| Block::new(wide_bytes, 8)));
    }
    for block in &wide {
        let range = block.range();
        pages.extend((range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES)).map(|page| page * PAGE_BYTES));
    }
    pages.sort_unstable();
    pages.dedup();
    for (number, block) in wide.into_iter().enumerate() {
        if number % KEPT_EACH == 0 { kept.push(block) } else { block.free() }
    }
    flush();
    Y.scope(|| (0..little.capacity()).for_each(|_| little.push(Block::new(LITTLE_BYTES, 8))));
    let mut used_again = 0;
    for block in &little {
        let page = block.at.addr() / PAGE_BYTES * PAGE_BYTES;
        // A mixed page is one that another thread's little blocks came to; what is told of it is told per slot.
        if pages.binary_search(&page).is_ok() && !page_word(page).is_mixed() {
            used_again += 1;
            assert_pages(&[page], *Y, format_args!("of blocks of {LITTLE_BYTES} bytes where {wide_bytes} were"));
        }
    }
    little.into_iter().chain(kept).for_each(Block::free);
    flush();
    used_again
}

#[test]
fn every_page_of_a_freed_block_knows_its_last_owner() {
    // First, while there are no other free pages for the little blocks.
    let used_again = [5_120, 6_144, 7_168, 10_240, 14_336].map(pages_forget_where_wide_blocks_ended);
    assert!(used_again.iter().sum::<usize>() > 0, "no page was used again");
    let small = CLASS_BYTES.iter().map(|&bytes| bytes as usize);
    for bytes in small.chain(LARGE_BYTES) {
        // The same pages go from hand to hand.
        blocks_leave_their_owner(bytes, 8, *X, *Y);
        blocks_leave_their_owner(bytes, 8, *Y, *X);
        blocks_leave_their_owner(bytes, 8, *Y, RegionId::UNTAGGED);
        blocks_leave_their_owner(bytes, 8, *X, *X);
    }
    for align in [4096, 8192, 1 << 16, 1 << 21] {
        for bytes in [1, 4096, 5000, 20_000, 1 << 20] {
            blocks_leave_their_owner(bytes, align, *X, *Y);
            blocks_leave_their_owner(bytes, align, *Y, *X);
        }
    }
    for (from, to) in [(5 << 20, 1 << 20), (1 << 20, 20_000), (65_536, 16_384), (65_536, 100), (14_336, 8)] {
        shrunk_blocks_leave_their_owner(from, to);
        grown_blocks_leave_their_owner(to, from);
    }
}
