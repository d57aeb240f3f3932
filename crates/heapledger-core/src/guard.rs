//! Scopes: entering and leaving a region on the current thread.
//!
//! Guards form a stack per thread. Dropping the one on top puts its predecessor in force; dropping another only removes
//! its entry. A signal handler may enter and leave between any two instructions here: an entry is written before the
//! depth that makes it visible, and once more after it, because a handler in between may have used the same entry.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::compiler_fence;

use crate::region::RegionId;
use crate::thread::{ISOLATED_BIT, STACK_ENTRIES, TAG_UNTAGGED, TOMBSTONE, ThreadRecord, with_record};
use crate::{ids, names};

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
    position: u32,
    epoch: u16,
    /// The predecessor, used only by guards deeper than the stack.
    below: u16,
    _this_thread: PhantomData<*mut ()>,
}

impl Guard {
    #[inline]
    pub(crate) fn enter(index: u16, generation: u32) -> Guard {
        let guard = Guard::enter_tag(index + 1);
        // Now that the stack says where we are: see `reuse.rs`.
        compiler_fence(SeqCst);
        if !ids::is_plain(index, generation) {
            enter_special(index, generation);
        }
        guard
    }

    /// For an id that somebody keeps from being given to another name, while `ids::all_plain` holds. Needs no second
    /// look: a region that changes meanwhile is one that threads are in already, and those go on as before.
    #[inline(always)]
    pub(crate) fn enter_plain(index: u16) -> Guard {
        Guard::enter_tag(index + 1)
    }

    #[inline(always)]
    fn enter_tag(tag: u16) -> Guard {
        with_record(|record| {
            let depth = record.depth.load(Relaxed);
            let Some(entry) = record.stack.get(depth as usize) else { return enter_deep(record, tag) };
            entry.store(tag, Relaxed);
            compiler_fence(SeqCst);
            record.depth.store(depth + 1, Relaxed);
            compiler_fence(SeqCst);
            entry.store(tag, Relaxed);
            record.apply(tag);
            Guard { position: depth, epoch: record.epoch.load(Relaxed), below: 0, _this_thread: PhantomData }
        })
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        with_record(|record| {
            let depth = record.depth.load(Relaxed);
            if self.position + 1 != depth || self.position as usize >= STACK_ENTRIES {
                return leave_out_of_order(record, self);
            }
            // A guard that outlived `reset_thread` is caught above or here.
            if record.epoch.load(Relaxed) == self.epoch {
                uncover(record, self.position);
            }
        })
    }
}

/// Cuts the stack to `depth`, and further below dropped entries, and puts what is on top in force.
#[inline]
fn uncover(record: &ThreadRecord, mut depth: u32) {
    let tag = loop {
        let Some(below) = depth.checked_sub(1) else { break TAG_UNTAGGED };
        match record.stack[below as usize].load(Relaxed) {
            TOMBSTONE => depth = below,
            tag => break tag,
        }
    };
    record.depth.store(depth, Relaxed);
    compiler_fence(SeqCst);
    record.apply(tag);
}

/// Corrects the entry on top of the stack: the region has an arena of its own, or its index was given to another name,
/// because the id was kept beyond the region.
#[cold]
#[inline(never)]
fn enter_special(index: u16, generation: u32) {
    let tag = ids::tag_of(index, generation).unwrap_or_else(|| {
        names::count_stale();
        RegionId::OTHER.index() as u16 + 1
    });
    with_record(|record| {
        let top = record.depth.load(Relaxed) as usize - 1;
        record.stack.get(top).unwrap_or(&record.deep_tag).store(tag, Relaxed);
        compiler_fence(SeqCst);
        record.apply(tag);
    });
}

#[cold]
fn enter_deep(record: &ThreadRecord, tag: u16) -> Guard {
    let position = record.depth.load(Relaxed);
    let below = record.region_tag();
    record.deep_tag.store(tag, Relaxed);
    record.deep_live.store(record.deep_live.load(Relaxed) + 1, Relaxed);
    compiler_fence(SeqCst);
    record.depth.store(position + 1, Relaxed);
    compiler_fence(SeqCst);
    record.deep_tag.store(tag, Relaxed);
    record.apply(tag);
    Guard { position, epoch: record.epoch.load(Relaxed), below, _this_thread: PhantomData }
}

#[cold]
fn leave_out_of_order(record: &ThreadRecord, guard: &Guard) {
    let depth = record.depth.load(Relaxed);
    if record.epoch.load(Relaxed) != guard.epoch || guard.position >= depth {
        return;
    }
    if let Some(entry) = record.stack.get(guard.position as usize) {
        entry.store(TOMBSTONE, Relaxed);
        return;
    }
    let live = record.deep_live.load(Relaxed) - 1;
    record.deep_live.store(live, Relaxed);
    if live == 0 {
        uncover(record, STACK_ENTRIES as u32);
    } else if guard.position + 1 == depth {
        record.depth.store(guard.position, Relaxed);
        compiler_fence(SeqCst);
        record.deep_tag.store(guard.below, Relaxed);
        record.apply(guard.below);
    }
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
        record.epoch.store(record.epoch.load(Relaxed).wrapping_add(1), Relaxed);
        record.deep_live.store(0, Relaxed);
        uncover(record, 0);
    });
}
