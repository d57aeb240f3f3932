//! The global allocator for programs with isolated regions: one look at the thread record before each allocation.

use core::alloc::{GlobalAlloc, Layout};

use heapledger_core::thread::{ISOLATED_BIT, with_record};

use crate::ledger::Ledger;
use crate::{any, isolated};

/// [`Ledger`], with arenas of their own for regions that were declared with
/// [`Region::isolated`](heapledger_core::Region::isolated).
///
/// ```
/// #[global_allocator]
/// static LEDGER: heapledger_alloc::IsolatingLedger = heapledger_alloc::IsolatingLedger::new();
/// # fn main() {}
/// ```
///
/// Everything that is said of [`Ledger`] holds for it. It costs a load and a test more per allocation, nothing per
/// free, and is a type of its own so that programs without isolated regions do not pay for that. With a plain
/// [`Ledger`] such regions work as ordinary ones, and [`isolation`](heapledger_core::RegionId::isolation) says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct IsolatingLedger {
    ledger: Ledger,
}

impl IsolatingLedger {
    /// The allocator; all its state is global.
    pub const fn new() -> IsolatingLedger {
        IsolatingLedger { ledger: Ledger::new() }
    }
}

/// Whether the region in force may be isolated: the bit is also in what a thread has that is not registered yet.
#[inline(always)]
fn may_be_isolated() -> bool {
    with_record(|record| record.tag() & ISOLATED_BIT != 0)
}

// SAFETY: each method is `Ledger`'s, or its slow path, which serves every layout. A block says by its page how it is
// freed and resized.
unsafe impl GlobalAlloc for IsolatingLedger {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if may_be_isolated() {
            isolated::note_isolating();
            // SAFETY: by the caller.
            return unsafe { any::alloc_any(layout) };
        }
        // SAFETY: by the caller.
        unsafe { self.ledger.alloc(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe { self.ledger.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if may_be_isolated() {
            isolated::note_isolating();
            // SAFETY: by the caller.
            return unsafe { any::alloc_zeroed_any(layout) };
        }
        // SAFETY: by the caller.
        unsafe { self.ledger.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the caller.
        unsafe { self.ledger.realloc(block, layout, new_size) }
    }
}
