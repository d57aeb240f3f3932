//! The transitions of a page's word, and why each block's owner is exact.
//!
//! Terms: a thread *holds* a slot from the moment jemalloc hands it out until it gives it back; only the holder's
//! thread writes the slot's row entry, and the owner is read before the slot is given back.
//!
//! * **(I1)** On a mixed page the row has the class of the page's slab, and the entry of each held slot names its
//!   owner.
//! * **(I2)** On a pure page that has a row of the slab's class, every slot's entry equals the page's tag.
//! * **(I3)** A row is freed, or becomes one of another class, only when its page carries blocks of another class or a block
//!   of its own pages: then no slot of the row's class is held on that page, so nobody reads it.
//! * **(I4)** A pure page's tag changes only while no block that relies on it is held: by a block that has the page's
//!   starts to itself, by the first block of another class after the page was mixed or had a tail, or by `flip`.
//!
//! A block that *inherits* (finds the page pure with its own tag) writes nothing; when somebody else mixes the page,
//! the row is filled with that tag first, so the block reads the same owner before and after.
//!
//! Orderings: a word is loaded with Acquire and changed with Release (AcqRel), so that who sees a row sees its fill.
//! Entries are read Relaxed: a free is ordered after its allocation by whatever handed the block over. On a mixed page they
//! are written with Release (on x86 the same instruction), for readers that hold no slot: who sees one that belongs to a
//! later class sees that the word has changed (`is_still`).

use crate::classes::{FIRST_PAGED_CLASS, slots_per_page};
use crate::sync::{AtomicU16, AtomicU64, AtomicUsize, fence};
use crate::words::{Row, Word};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Marks the windows of the races. Empty: only the copies that `tests/stress/mutants` builds yield the processor here.
macro_rules! yield_point {
    () => {};
}

/// Where rows come from; the real one is `rows.rs`, loom has a pool of its own.
pub(crate) trait Rows {
    /// An unused row for pages of `class`, or `None` when memory was refused.
    fn take(&self, class: usize) -> Option<Row>;
    /// Gives a row back. Its memory stays readable.
    fn give(&self, row: Row);
    /// Whether a page keeps its row, which it has for the class `of`, when its slab comes back with `class`: only if it has
    /// the entries for that; for the rest a guess whether the page will be mixed again.
    fn stays(&self, row: Row, of: usize, class: usize) -> bool;
    /// The entry of a slot.
    fn entry(&self, row: Row, slot: usize) -> &AtomicU16;
}

/// Makes `tag` the owner of the block that the caller holds in `slot`, and returns the tag that its free will read.
///
/// That is `tag`, except when a row is needed and memory for one was refused: then it is the page's own tag.
pub(crate) fn own<R: Rows>(word: &AtomicU64, rows: &R, class: usize, slot: usize, tag: u16) -> u16 {
    if class >= FIRST_PAGED_CLASS {
        take_start(word, rows, tag);
        return tag;
    }
    loop {
        let seen = Word(word.load(Acquire));
        yield_point!();
        if seen.low() == tag {
            return tag;
        }
        if !seen.is_mixed() {
            if seen.tag() == 0 || seen.tail().is_some() {
                // Nobody's yet, or last of blocks of more than a page: those are of an earlier slab, so nothing of them
                // is held, and no later block inherited from them (see TAILED).
                if swap(word, seen, Word::pure(tag)) {
                    return tag;
                }
                continue;
            }
            match mix(word, rows, class, slot, tag, seen) {
                Mixed::Done => return tag,
                Mixed::Changed => continue,
                Mixed::Refused => return seen.tag(),
            }
        }
        match seen.row() {
            Some((of, row)) if of == class => {
                rows.entry(row, slot).store(tag, Release);
                yield_point!();
                if seen.is_clearing() {
                    // Whoever is clearing the page has not seen our entry, or not yet: make it fail.
                    swap(word, seen, seen.not_clearing());
                    continue;
                }
                // Either `flip` reads our entry, or we read its CLEARING: both fence between store and load.
                fence(SeqCst);
                if word.load(Relaxed) == seen.0 {
                    return tag;
                }
            }
            // Below, the slab that mixed this page is gone (we hold a slot of another class), so nothing of it is held.
            Some((of, row)) if rows.stays(row, of, class) => {
                // Then our entry is written as on any page that is mixed.
                swap(word, seen, Word::mixed(class, row));
            }
            old => {
                if swap(word, seen, Word::pure(tag)) {
                    give_back(rows, old);
                    return tag;
                }
            }
        }
    }
}

enum Mixed {
    Done,
    Changed,
    Refused,
}

/// Turns a pure page of another region into a mixed one.
#[inline(never)]
fn mix<R: Rows>(word: &AtomicU64, rows: &R, class: usize, slot: usize, tag: u16, seen: Word) -> Mixed {
    match seen.row() {
        Some((of, row)) if of == class => {
            // By (I2) the row is right for every block but ours.
            rows.entry(row, slot).store(tag, Relaxed);
            yield_point!();
            if swap(word, seen, Word::mixed(class, row)) { Mixed::Done } else { Mixed::Changed }
        }
        old => {
            let Some(row) = rows.take(class) else { return Mixed::Refused };
            for other in 0..slots_per_page(class) {
                rows.entry(row, other).store(seen.tag(), Relaxed);
            }
            rows.entry(row, slot).store(tag, Relaxed);
            yield_point!();
            if swap(word, seen, Word::mixed(class, row)) {
                give_back(rows, old);
                Mixed::Done
            } else {
                rows.give(row);
                Mixed::Changed
            }
        }
    }
}

fn give_back<R: Rows>(rows: &R, old: Option<(usize, Row)>) {
    if let Some((_, row)) = old {
        rows.give(row);
    }
}

#[inline]
fn swap(word: &AtomicU64, from: Word, to: Word) -> bool {
    word.compare_exchange(from.0, to.0, AcqRel, Relaxed).is_ok()
}

/// The owner of a block that the caller holds, or that lives.
#[inline]
pub(crate) fn owner<R: Rows>(word: Word, rows: &R, slot: usize) -> u16 {
    if word.is_mixed() { rows.entry(word.mixed_row(), slot).load(Relaxed) } else { word.tag() }
}

/// Whether a page's word is still what it was when the caller read it, after reading entries of slots that it does not
/// hold. If it is not, those entries may be another page's by now.
#[inline]
pub(crate) fn is_still(word: &AtomicU64, seen: Word) -> bool {
    // Acquire: who saw an entry that was written after the row had another class, or was given back, sees the word that
    // changed before, because such entries are written with Release, and `list.rs` fences before it writes.
    fence(Acquire);
    word.load(Relaxed) == seen.0
}

/// Gives the whole page to `tag`: for pages that one block has to itself.
pub(crate) fn take_page<R: Rows>(word: &AtomicU64, rows: &R, tag: u16) {
    let wanted = Word::pure(tag);
    if word.load(Relaxed) == wanted.0 {
        return;
    }
    // A swap, because somebody may still be clearing the page; what it held before is told by one instruction.
    give_back(rows, Word(word.swap(wanted.0, AcqRel)).row());
}

/// Marks a page of an arena that is one region's alone.
pub(crate) fn take_isolated<R: Rows>(word: &AtomicU64, rows: &R, tag: u16) {
    let wanted = Word::isolated(tag);
    if word.load(Relaxed) != wanted.0 {
        // As in `take_page`: what an earlier slab left is given back once.
        let before = Word(word.swap(wanted.0, AcqRel));
        give_back(rows, before.row());
    }
}

/// Has a page forget regions that no block and no thread has any more.
pub(crate) fn forget(word: &AtomicU64, gone: impl Fn(u16) -> bool) {
    loop {
        let seen = Word(word.load(Acquire));
        let wanted = seen.without(&gone);
        // A block of another region may come to the page at the same time: then it is looked at again.
        if seen == wanted || swap(word, seen, wanted) {
            return;
        }
    }
}

/// Makes `tag` the owner of the one block that starts in this page, and keeps what is known of one that ends in it.
pub(crate) fn take_start<R: Rows>(word: &AtomicU64, rows: &R, tag: u16) {
    change(word, rows, |seen| match seen.tail() {
        Some(tail) => Word::with_tail(tag, tail),
        None => Word::pure(tag),
    });
}

/// Records that a block of `tag` ends in this page, and keeps the owner of the one that starts in it.
pub(crate) fn take_tail<R: Rows>(word: &AtomicU64, rows: &R, tag: u16) {
    change(word, rows, |seen| Word::with_tail(if seen.is_mixed() { 0 } else { seen.tag() }, tag));
}

/// Two neighbours may change the two halves of a word at once, hence the loop.
fn change<R: Rows>(word: &AtomicU64, rows: &R, to: impl Fn(Word) -> Word) {
    loop {
        let seen = Word(word.load(Acquire));
        let wanted = to(seen);
        if seen == wanted {
            return;
        }
        if swap(word, seen, wanted) {
            give_back(rows, seen.row());
            return;
        }
    }
}

/// Turns a mixed page into a pure one if all its slots read `tag`. The caller holds a slot of the page, and `slots`
/// blocks can start in it.
///
/// Only while the caller is the one registered thread (`registered` counts them, and a thread that registers fences
/// after counting itself): then only slow paths, which fence in `own`, can write an entry meanwhile. A dead slot's
/// entry counts like a live one's: it may be handed out at any moment to a thread that inherits.
pub(crate) fn flip<R: Rows>(word: &AtomicU64, rows: &R, slots: usize, tag: u16, registered: &AtomicUsize) -> bool {
    if registered.load(Relaxed) > 1 {
        return false;
    }
    let seen = Word(word.load(Acquire));
    let Some((class, row)) = seen.row() else { return false };
    let all_ours = || (0..slots).all(|slot| rows.entry(row, slot).load(Relaxed) == tag);
    if !seen.is_mixed() || seen.is_clearing() || !all_ours() {
        return false;
    }
    yield_point!();
    if !swap(word, seen, seen.clearing()) {
        return false;
    }
    yield_point!();
    // Pairs with the fence in `own` and with the one at registration: a store to the row before it is seen by the
    // second look below; one after it sees CLEARING, and then our last swap fails.
    fence(SeqCst);
    // Acquire: a thread that registered, allocated and ended since the first look has left its entries to the second.
    if registered.load(Acquire) > 1 || !all_ours() {
        swap(word, seen.clearing(), seen);
        return false;
    }
    yield_point!();
    // The same class may come back with its blocks at other offsets, and one more of them: keep (I2) for that one too.
    for absent in slots..slots_per_page(class) {
        rows.entry(row, absent).store(tag, Relaxed);
    }
    swap(word, seen.clearing(), seen.purified(tag))
}
