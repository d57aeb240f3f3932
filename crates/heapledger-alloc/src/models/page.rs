//! One page under loom: its word, the rows, the number of registered threads, and what the allocator does with them.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::AtomicBool;

use loom::sync::Arc;

use super::pool::Pool;
use crate::classes::slots_per_page;
use crate::protocol::{self, Rows};
use crate::sync::{AtomicU64, AtomicUsize, fence};
use crate::words::Word;

/// Three blocks of 1,792 bytes start in a page at most.
pub(crate) const THREE_SLOTS: usize = 23;
/// Two blocks of 2,048 bytes start in a page.
pub(crate) const TWO_SLOTS: usize = 24;

/// Regions of the models.
pub(crate) const A: u16 = 5;
pub(crate) const B: u16 = 6;
pub(crate) const Q: u16 = 7;

/// Enough for the row of the page, and for one more per thread that races for it.
const ROWS: usize = 4;

pub(crate) struct Page {
    pub(crate) word: AtomicU64,
    pub(crate) rows: Pool,
    pub(crate) registered: AtomicUsize,
}

impl Page {
    /// A page in the state `word`, with one registered thread; it gives its row back when its class changes.
    pub(crate) fn new(word: Word) -> Page {
        Page::with(word, false)
    }

    fn with(word: Word, stay: bool) -> Page {
        Page { word: AtomicU64::new(word.0), rows: Pool::new(ROWS, 3, stay), registered: AtomicUsize::new(1) }
    }

    /// A mixed page of `class` whose slots read `owners`.
    pub(crate) fn mixed(class: usize, owners: &[u16]) -> Page {
        Page::new(Word::VIRGIN).mix(class, owners)
    }

    /// The same, but the page keeps its row when its class changes.
    pub(crate) fn mixed_for_long(class: usize, owners: &[u16]) -> Page {
        Page::with(Word::VIRGIN, true).mix(class, owners)
    }

    fn mix(self, class: usize, owners: &[u16]) -> Page {
        assert_eq!(owners.len(), slots_per_page(class));
        let page = self;
        let row = page.rows.take(class).expect("the pool is new");
        for (slot, &owner) in owners.iter().enumerate() {
            page.rows.entry(row, slot).store(owner, Relaxed);
        }
        page.word.store(Word::mixed(class, row).0, Relaxed);
        page
    }

    /// A pure page that still has a row of `class`, as `flip` leaves it.
    pub(crate) fn flipped(class: usize, tag: u16) -> Page {
        let page = Page::mixed(class, &vec![tag; slots_per_page(class)]);
        let word = page.word();
        page.word.store(word.purified(tag).0, Relaxed);
        page
    }

    pub(crate) fn shared(self) -> Arc<Page> {
        Arc::new(self)
    }

    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// The slow path: every thread may take it, registered or not.
    pub(crate) fn own(&self, class: usize, slot: usize, tag: u16) -> u16 {
        protocol::own(&self.word, &self.rows, class, slot, tag)
    }

    /// What an allocation of a registered thread does: it inherits, or writes the entry of a mixed page without a
    /// fence (`small::charge_small`), or goes the slow path.
    pub(crate) fn own_registered(&self, class: usize, slot: usize, tag: u16) -> u16 {
        let word = self.word();
        if word.low() == tag {
            return tag;
        }
        let pair = u8::try_from(2 * class).expect("classes are few");
        if word.low() == Word::mixed_low(pair) {
            self.rows.entry(word.mixed_row(), slot).store(tag, Release);
            return tag;
        }
        self.own(class, slot, tag)
    }

    /// The owner of a held slot, as a free reads it.
    pub(crate) fn owner(&self, slot: usize) -> u16 {
        protocol::owner(self.word(), &self.rows, slot)
    }

    pub(crate) fn flip(&self, slots: usize, tag: u16) -> bool {
        protocol::flip(&self.word, &self.rows, slots, tag, &self.registered)
    }

    /// As `threads::register`.
    pub(crate) fn register(&self) {
        self.registered.fetch_add(1, SeqCst);
        fence(SeqCst);
    }

    /// As `threads::unregister`.
    pub(crate) fn unregister(&self) {
        self.registered.fetch_sub(1, Release);
    }

    /// What must hold when every thread is done: each held slot names its owner, (I1) and (I2) hold, and no row leaks.
    pub(crate) fn check(&self, class: usize, held: &[(usize, u16)]) {
        for &(slot, tag) in held {
            assert_eq!(self.owner(slot), tag, "slot {slot}");
        }
        let word = self.word();
        assert!(!word.is_clearing(), "nobody is clearing the page any more");
        assert_eq!(self.rows.in_use(), usize::from(word.row().is_some()), "the word refers to every row that is taken");
        match word.row() {
            Some((of, _)) if word.is_mixed() => assert_eq!(of, class, "(I1)"),
            Some((of, row)) if of == class => {
                for slot in 0..slots_per_page(class) {
                    assert_eq!(self.rows.entry(row, slot).load(Relaxed), word.tag(), "(I2) slot {slot}");
                }
            }
            _ => {}
        }
    }
}

/// A model that never meets the case it is about proves nothing: each names its cases, which must have been seen.
pub(crate) struct Seen(AtomicBool);

impl Seen {
    pub(crate) const fn new() -> Seen {
        Seen(AtomicBool::new(false))
    }

    pub(crate) fn note(&self, seen: bool) {
        self.0.fetch_or(seen, Relaxed);
    }

    pub(crate) fn was(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Checks every interleaving with at most `preemptions` involuntary switches.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
