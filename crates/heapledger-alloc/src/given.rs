//! Blocks that callers bring: charged and credited without being allocated or freed here, adopted, asked for their owner.

use core::alloc::Layout;

use heapledger_core::hooks::Outcome;
use heapledger_core::region_root;
use heapledger_core::thread::{ISOLATED_BIT, with_record};

use crate::any::{charge, credit};
use crate::marks::{Owner, enter, owner, shape_of};
use crate::page_word::page_word;
use crate::places::{ALLOCATED, FREED};
use crate::threads;

/// Charges a block to the current region as `Ledger::alloc` would, without allocating it.
///
/// For callers that get blocks from jemalloc by other ways, and for signal handlers. Allocates nothing, takes no lock.
/// On a thread whose allocations the ledger has not seen yet it uses counters that all threads share.
///
/// # Safety
/// * `block` is a live block that jemalloc returned for `layout`, is not charged yet, and stays the caller's until
///   [`on_free`] has been called for it.
pub unsafe fn on_alloc(block: *mut u8, layout: Layout) {
    with_record(|record| charge(record, threads::counts_as_is(record), block, layout, None));
}

/// Credits the region that a block is charged to as `Ledger::dealloc` would, without freeing it.
///
/// # Safety
/// * `block` is live and was charged with `layout`, by the `Ledger` or by [`on_alloc`], and not credited since.
pub unsafe fn on_free(block: *mut u8, layout: Layout) {
    with_record(|record| credit(threads::counts_as_is(record), block, layout));
}

/// Charges a live block to the current region, whoever it was charged to; counts as a free and an allocation.
///
/// # Safety
/// * As for `Hooks::adopt`.
pub(crate) unsafe fn adopt(block: *mut u8, layout: Layout) -> Outcome {
    let address = block as usize;
    // A block that was charged has left a tag in the word of its page.
    if page_word(address).is_virgin() {
        return Outcome::NotCharged;
    }
    let shape = shape_of(layout);
    let Owner { tag: before, isolated } = owner(address, shape);
    with_record(|record| {
        let tag = record.region_tag() & !ISOLATED_BIT;
        let root = |tag: u16| region_root(usize::from(tag) - 1);
        if root(tag) == root(before) {
            return Outcome::Kept;
        }
        if isolated {
            return Outcome::Isolated;
        }
        let counts = threads::counts(record);
        let now = enter(address, shape, tag);
        if now == before {
            return Outcome::Refused;
        }
        // Allocated before freed: in between both regions have it, rather than nobody.
        counts.count(now, shape, layout.size(), ALLOCATED);
        counts.count(before, shape, layout.size(), FREED);
        Outcome::Moved
    })
}

/// The index of the region that a live block is charged to. A few loads.
///
/// For a block that was never charged the answer is that of `~other`, or whatever its page says.
pub fn block_owner(block: *const u8, layout: Layout) -> usize {
    region_root(usize::from(owner(block as usize, shape_of(layout)).tag) - 1)
}
