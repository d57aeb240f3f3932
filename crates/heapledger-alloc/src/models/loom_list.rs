//! The lists of free rows, and a reader of slots that it does not hold while their row goes from page to page.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use loom::sync::Arc;
use loom::thread;

use super::page::{A, B, Q, Seen, TWO_SLOTS, explore};
use crate::list::FreeList;
use crate::protocol::{self, Rows};
use crate::sync::{AtomicU16, AtomicU64};
use crate::words::{ROW_ALIGN_BYTES, Row, Word};

/// Rows with room for the number of the next one.
const ENTRIES: usize = 4;

/// A few rows and their list, as `rows.rs` joins them.
struct Listed {
    rows: Vec<[AtomicU16; ENTRIES]>,
    free: FreeList,
}

impl Listed {
    /// So many rows, all of them free.
    fn new(count: usize) -> Arc<Listed> {
        let rows = (0..count).map(|_| [0; ENTRIES].map(AtomicU16::new)).collect();
        let listed = Listed { rows, free: FreeList::new() };
        (1..=count).for_each(|number| listed.free.push(&listed, Row(number * ROW_ALIGN_BYTES)));
        Arc::new(listed)
    }

    /// Takes all that are free.
    fn drain(&self) -> Vec<usize> {
        core::iter::from_fn(|| self.free.pop(self)).map(|row| row.0).collect()
    }

    /// Writes to a row that is the caller's own, and finds that nobody else does.
    fn use_alone(&self, row: Row, mark: u16) {
        self.entry(row, 0).store(mark, Relaxed);
        assert_eq!(self.entry(row, 0).load(Relaxed), mark, "{row:?} is one thread's");
    }
}

impl Rows for Listed {
    fn take(&self, _class: usize) -> Option<Row> {
        self.free.pop(self)
    }

    fn give(&self, row: Row) {
        self.free.push(self, row);
    }

    fn stays(&self, _row: Row, _of: usize, _class: usize) -> bool {
        false
    }

    fn entry(&self, row: Row, slot: usize) -> &AtomicU16 {
        &self.rows[row.0 / ROW_ALIGN_BYTES - 1][slot]
    }
}

#[test]
fn rows_are_taken_by_one_thread_each() {
    explore(4, || {
        let listed = Listed::new(2);
        let other = thread::spawn({
            let listed = listed.clone();
            move || {
                let row = listed.free.pop(&*listed).expect("two threads, two rows");
                listed.use_alone(row, A);
                row.0
            }
        });
        let row = listed.free.pop(&*listed).expect("two threads, two rows");
        listed.use_alone(row, B);
        assert_ne!(other.join().expect("taken"), row.0);
        assert_eq!(listed.drain(), [], "nothing was made up");
    });
}

/// The head goes, and comes back with another row below it, while the other thread is about to take it.
#[test]
fn a_head_that_went_and_came_back_is_noticed() {
    explore(4, || {
        let listed = Listed::new(3);
        let other = thread::spawn({
            let listed = listed.clone();
            move || {
                let first = listed.free.pop(&*listed).expect("three rows");
                let second = listed.free.pop(&*listed).expect("three rows");
                listed.free.push(&*listed, first);
                listed.use_alone(second, A);
                second.0
            }
        });
        let row = listed.free.pop(&*listed).expect("three rows");
        listed.use_alone(row, B);
        let mut all = vec![row.0, other.join().expect("done")];
        all.extend(listed.drain());
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3].map(|number| number * ROW_ALIGN_BYTES), "each row once");
    });
}

#[test]
fn rows_that_are_given_back_at_once_are_all_listed() {
    explore(4, || {
        let listed = Listed::new(2);
        let rows = [listed.free.pop(&*listed), listed.free.pop(&*listed)].map(|row| row.expect("two rows"));
        let other = thread::spawn({
            let listed = listed.clone();
            move || listed.free.push(&*listed, rows[0])
        });
        listed.free.push(&*listed, rows[1]);
        other.join().expect("given");
        let mut all = listed.drain();
        all.sort_unstable();
        assert_eq!(all, [1, 2].map(|number| number * ROW_ALIGN_BYTES));
    });
}

/// A statement looks at a mixed page while a large block takes it, and its row becomes another page's.
#[test]
fn a_reader_believes_no_entry_of_a_row_that_went_to_another_page() {
    static CHANGED: Seen = Seen::new();
    static BELIEVED: Seen = Seen::new();
    static FOREIGN: Seen = Seen::new();
    explore(3, || {
        let listed = Listed::new(1);
        let row = listed.take(TWO_SLOTS).expect("one row");
        for (slot, tag) in [A, B].into_iter().enumerate() {
            listed.entry(row, slot).store(tag, Relaxed);
        }
        let page = Arc::new(AtomicU64::new(Word::mixed(TWO_SLOTS, row).0));
        let other = thread::spawn({
            let (listed, page) = (listed.clone(), page.clone());
            move || {
                protocol::take_page(&page, &*listed, Q);
                let elsewhere = AtomicU64::new(Word::pure(Q).0);
                assert_eq!(protocol::own(&elsewhere, &*listed, TWO_SLOTS, 0, B), B);
            }
        });
        let seen = Word(page.load(Acquire));
        if let Some((_, row)) = seen.row() {
            let entries = [0, 1].map(|slot| listed.entry(row, slot).load(Relaxed));
            let believed = protocol::is_still(&page, seen);
            BELIEVED.note(believed);
            CHANGED.note(!believed);
            FOREIGN.note(entries != [A, B]);
            assert!(!believed || entries == [A, B], "{entries:?}");
        }
        other.join().expect("done");
    });
    assert!(CHANGED.was() && BELIEVED.was() && FOREIGN.was());
}
