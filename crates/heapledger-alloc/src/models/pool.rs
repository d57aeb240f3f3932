//! Rows for the models: a bounded pool that panics when a row is used by someone it does not belong to.

use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::protocol::Rows;
use crate::row_sizes::{SIZES, serves, size_of_class};
use crate::sync::{AtomicU16, AtomicUsize};
use crate::words::{ROW_ALIGN_BYTES, Row};

/// What the entries of a free row read, as far as the pool overwrites them: no tag of any model.
const POISON: u16 = 0x3eef;

/// The real list of free rows keeps a number in the first four entries, so those are overwritten.
const OVERWRITTEN_ENTRIES: usize = 4;

/// A fixed number of rows of equal length.
pub(crate) struct Pool {
    rows: Vec<Vec<AtomicU16>>,
    /// What the real lists give: who takes a row comes after who gave it back.
    handed: Vec<AtomicUsize>,
    /// The class that each row was taken for. A lock of the standard library, which loom does not take for
    /// synchronisation.
    taken: Mutex<Vec<Option<usize>>>,
    /// Whether pages keep rows that serve the next class too.
    stay: bool,
}

impl Pool {
    /// A pool of `count` rows with `entries` entries; when all are taken, memory is refused.
    pub(crate) fn new(count: usize, entries: usize, stay: bool) -> Pool {
        let row = || (0..entries).map(|_| AtomicU16::new(POISON)).collect();
        Pool {
            rows: (0..count).map(|_| row()).collect(),
            handed: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            taken: Mutex::new(vec![None; count]),
            stay,
        }
    }

    /// How many rows are taken: what all words together must refer to.
    pub(crate) fn in_use(&self) -> usize {
        self.taken().iter().flatten().count()
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Option<usize>>> {
        // A panic while it was held is reported by the test that panicked.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(row: Row) -> usize {
        assert!(row.0 > 0 && row.0.is_multiple_of(ROW_ALIGN_BYTES), "{row:?} is no row");
        row.0 / ROW_ALIGN_BYTES - 1
    }
}

impl Rows for Pool {
    fn take(&self, class: usize) -> Option<Row> {
        let index = {
            let mut taken = self.taken();
            let index = taken.iter().position(Option::is_none)?;
            taken[index] = Some(class);
            index
        };
        self.handed[index].fetch_add(1, AcqRel);
        Some(Row((index + 1) * ROW_ALIGN_BYTES))
    }

    fn give(&self, row: Row) {
        let index = Self::index(row);
        for entry in self.rows[index].iter().take(OVERWRITTEN_ENTRIES) {
            entry.store(POISON, Relaxed);
        }
        self.handed[index].fetch_add(1, AcqRel);
        let before = self.taken()[index].take();
        assert!(before.is_some(), "{row:?} is given back once");
    }

    fn stays(&self, row: Row, _of: usize, class: usize) -> bool {
        self.stay && self.taken()[Self::index(row)].is_some_and(|taken| serves(size_of_class(taken), class))
    }

    fn entry(&self, row: Row, slot: usize) -> &AtomicU16 {
        let index = Self::index(row);
        let taken = self.taken()[index];
        let bytes =
            taken.map(|class| SIZES[size_of_class(class)]).expect("a row is not used after it was given back (I3)");
        assert!(slot * size_of::<u16>() < bytes, "{row:?} has no slot {slot}");
        &self.rows[index][slot]
    }
}
