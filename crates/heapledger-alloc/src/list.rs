//! Lists of free rows, without locks: a row that is given back is the next to be taken.
//!
//! A free row keeps the number of the next one in its first four entries. The head has a count of changes beside it, so
//! that a head which went and came back, with another row below it, is noticed.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::protocol::Rows;
use crate::sync::{AtomicU64, fence};
use crate::words::{ROW_ALIGN_BYTES, Row};

/// `row / 32` above, the count of changes below.
pub(crate) struct FreeList(AtomicU64);

/// Rows lie below 2^47, so a number has 42 bits.
const COUNT_BITS: u32 = 22;

/// Entries that hold the next number.
const PARTS: usize = 4;

fn head(number: u64, before: u64) -> u64 {
    number << COUNT_BITS | before.wrapping_add(1) & ((1 << COUNT_BITS) - 1)
}

fn read_next<R: Rows>(rows: &R, row: Row) -> u64 {
    (0..PARTS).map(|part| u64::from(rows.entry(row, part).load(Relaxed)) << (16 * part)).sum()
}

fn write_next<R: Rows>(rows: &R, row: Row, next: u64) {
    for part in 0..PARTS {
        rows.entry(row, part).store((next >> (16 * part)) as u16, Relaxed);
    }
}

impl FreeList {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> FreeList {
        FreeList(AtomicU64::new(0))
    }

    #[cfg(all(loom, test))]
    pub(crate) fn new() -> FreeList {
        FreeList(AtomicU64::new(0))
    }

    /// Takes the row that was given back last.
    pub(crate) fn pop<R: Rows>(&self, rows: &R) -> Option<Row> {
        let mut seen = self.0.load(Acquire);
        loop {
            let number = seen >> COUNT_BITS;
            if number == 0 {
                return None;
            }
            let row = Row(number as usize * ROW_ALIGN_BYTES);
            // If somebody else takes the row meanwhile, this reads garbage, and the count makes the exchange fail.
            let next = read_next(rows, row);
            // Acquire pairs with `push`: the next number was written before the row was listed.
            match self.0.compare_exchange(seen, head(next, seen), AcqRel, Acquire) {
                Ok(_) => {
                    // As in `push`, for what the row's new page writes.
                    fence(Release);
                    return Some(row);
                }
                Err(now) => seen = now,
            }
        }
    }

    /// Gives a row back. Its page's word has forgotten it before.
    pub(crate) fn push<R: Rows>(&self, rows: &R, row: Row) {
        // A reader that comes from the page's old word may still look at the row: if it sees anything that is written
        // from here on, its second look at the word sees that it changed (`protocol::is_still`).
        fence(Release);
        let mut seen = self.0.load(Relaxed);
        loop {
            write_next(rows, row, seen >> COUNT_BITS);
            let number = (row.0 / ROW_ALIGN_BYTES) as u64;
            // Release: who takes the row sees the next number, and everything that its last page did to it.
            match self.0.compare_exchange(seen, head(number, seen), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}
