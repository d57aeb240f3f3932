//! Scopes: entering and leaving a region on the current thread.
//!
//! Guards form a stack per thread. Dropping the one on top puts its predecessor in force; dropping another only removes
//! its entry. A signal handler may enter and leave between any two instructions here: an entry is written before the
//! depth that makes it visible, and once more after it, because a handler in between may have used the same entry.
//!
//! What is inlined into the program is the usual case alone: a guard that is on top of the stack, over an ordinary region.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;

use crate::region::RegionId;
use crate::thread::{ISOLATED_BIT, Place, Plain, STACK_ENTRIES, TOMBSTONE, ThreadRecord, apply, with_record};
use crate::{claims, ids};

/// Leaves its region when dropped; made by [`RegionId::enter`].
///
/// Bound to its thread: it is neither `Send` nor `Sync`. A leaked guard (`mem::forget`) leaves the thread in the
/// region; thread pools can call [`reset_thread`] between jobs. Up to 64 nested guards may be dropped in any order;
/// deeper ones must be dropped last-in-first-out, otherwise a dropped region may stay in force until those deeper
/// guards are gone.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(heapledger_core::Region::new("a").enter());
/// ```
#[must_use = "the region is left when the guard is dropped; bind it to a name"]
#[derive(Debug)]
pub struct Guard {
    /// Where the thread was before. For a guard deeper than the stack with its predecessor's tag, so that it is no
    /// place where a thread can be.
    place: Place,
    _this_thread: PhantomData<*mut ()>,
}

impl Guard {
    #[inline]
    pub(crate) fn enter(index: u16, generation: u32) -> Guard {
        let Some(guard) = Guard::enter_plain(Plain::of(index)) else { return enter_any(index, generation) };
        // Now that the stack says where we are: see `reuse.rs`.
        compiler_fence(SeqCst);
        if !ids::is_plain(index, generation) {
            enter_special(index, generation);
        }
        guard
    }

    /// All that it takes for an id that somebody keeps from being given to another name, while `ids::all_plain` holds.
    /// Needs no second look: a region that changes meanwhile is one that threads are in already, and those go on as
    /// before. `None`, and nothing is changed, where there is more to do than usual.
    #[inline(always)]
    pub(crate) fn enter_plain(region: Plain) -> Option<Guard> {
        with_record(|record| {
            let place = record.place();
            let entry = record.stack.get(place.depth() + 1)?;
            if !record.is_ordinary() {
                return None;
            }
            entry.store(region.tag(), Relaxed);
            compiler_fence(SeqCst);
            record.go_to(place.above());
            compiler_fence(SeqCst);
            entry.store(region.tag(), Relaxed);
            record.apply_plain(region);
            Some(Guard { place, _this_thread: PhantomData })
        })
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        with_record(|record| {
            // Of a guard that is not on top, or outlived `reset_thread`, or lies deeper than the stack, the places differ.
            if record.place() == self.place.above() {
                // One below the stack's last entry at most, so that the remainder is the depth itself.
                let tag = record.stack[self.place.depth() % STACK_ENTRIES].load(Relaxed);
                if record.is_plain(tag) {
                    record.go_to(self.place);
                    compiler_fence(SeqCst);
                    record.apply_plain(Plain::of_tag(tag));
                    return;
                }
            }
            leave_any(self.place);
        })
    }
}

/// Enters a region from wherever the thread is.
#[cold]
#[inline(never)]
fn enter_any(index: u16, generation: u32) -> Guard {
    let tag = Plain::of(index).tag();
    let guard = with_record(|record| {
        let place = record.place();
        let Some(entry) = record.stack.get(place.depth() + 1) else { return enter_deep(tag) };
        entry.store(tag, Relaxed);
        compiler_fence(SeqCst);
        record.go_to(place.above());
        compiler_fence(SeqCst);
        entry.store(tag, Relaxed);
        apply(tag);
        Guard { place, _this_thread: PhantomData }
    });
    compiler_fence(SeqCst);
    if !ids::is_plain(index, generation) {
        enter_special(index, generation);
    }
    guard
}

/// Cuts the stack to `depth`, and further below dropped entries, and puts what is on top in force.
#[cold]
#[inline(never)]
fn uncover(mut depth: usize) {
    with_record(|record| {
        // The lowest entry is no guard's and never dropped.
        let tag = loop {
            match record.stack[depth].load(Relaxed) {
                TOMBSTONE => depth -= 1,
                tag => break tag,
            }
        };
        record.go_to(record.place().at(depth));
        compiler_fence(SeqCst);
        apply(tag);
    });
}

/// Corrects the entry on top of the stack: the region has an arena of its own, or its index was given to another name,
/// because the id was kept beyond the region.
#[cold]
#[inline(never)]
fn enter_special(index: u16, generation: u32) {
    let tag = ids::tag_of(index, generation).unwrap_or_else(|| {
        claims::count_stale();
        RegionId::OTHER.index() as u16 + 1
    });
    with_record(|record| {
        record.stack.get(record.place().depth()).unwrap_or(&record.deep_tag).store(tag, Relaxed);
        compiler_fence(SeqCst);
        apply(tag);
    });
}

fn enter_deep(tag: u16) -> Guard {
    with_record(|record| {
        let place = record.place();
        let guard = Guard { place: place.over(record.region_tag()), _this_thread: PhantomData };
        record.deep_tag.store(tag, Relaxed);
        record.deep_live.store(record.deep_live.load(Relaxed) + 1, Relaxed);
        compiler_fence(SeqCst);
        record.go_to(place.above());
        compiler_fence(SeqCst);
        record.deep_tag.store(tag, Relaxed);
        apply(tag);
        guard
    })
}

/// Drops a guard that was made at `then`, wherever the thread is.
#[cold]
#[inline(never)]
fn leave_any(then: Place) {
    with_record(|record| {
        let now = record.place();
        if now == then.above() {
            return uncover(then.depth());
        }
        // Of an earlier epoch, or below what was cut already.
        if now.epoch() != then.epoch() || then.depth() >= now.depth() {
            return;
        }
        if let Some(entry) = record.stack.get(then.depth() + 1) {
            entry.store(TOMBSTONE, Relaxed);
            return;
        }
        let live = record.deep_live.load(Relaxed) - 1;
        record.deep_live.store(live, Relaxed);
        if live == 0 {
            uncover(STACK_ENTRIES);
        } else if then.depth() + 1 == now.depth() {
            record.go_to(now.at(then.depth()));
            compiler_fence(SeqCst);
            record.deep_tag.store(then.below(), Relaxed);
            apply(then.below());
        }
    });
}

/// The region in force on this thread: that of the newest guard, or `~untagged`.
///
/// A few loads. Without an installed ledger every region reads as `~untagged`.
pub fn current() -> RegionId {
    RegionId::from_tag(with_record(ThreadRecord::region_tag) & !ISOLATED_BIT)
}

/// Forgets every guard of this thread, leaked ones included, and puts `~untagged` in force.
///
/// For thread pools, between jobs. Guards that are still alive become inert: dropping them later does nothing.
pub fn reset_thread() {
    with_record(|record| {
        record.go_to(record.place().next_epoch());
        record.deep_live.store(0, Relaxed);
        uncover(0);
    });
}
