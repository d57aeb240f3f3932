//! Which mappings page maps lie in, so that every walk can give them a line. Without locks, for a forked child could
//! find one held.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// More page maps than this cannot be kept at a time.
pub(crate) const HELD_MAX: usize = 256;

/// Addresses, 0 where a place is free and 1 where it is being taken.
static STARTS: [AtomicUsize; HELD_MAX] = [const { AtomicUsize::new(FREE) }; HELD_MAX];
static LENGTHS: [AtomicUsize; HELD_MAX] = [const { AtomicUsize::new(0) }; HELD_MAX];

const FREE: usize = 0;
const TAKEN: usize = 1;

/// A place in the list; free again when dropped.
#[derive(Debug)]
pub(crate) struct Held(usize);

impl Held {
    /// Lists a mapping; `None` if the list is full.
    pub(crate) fn list((start, bytes): (usize, usize)) -> Option<Self> {
        // Relaxed: nobody reads what belongs to the place before its address is stored.
        let take = |place: &usize| STARTS[*place].compare_exchange(FREE, TAKEN, Relaxed, Relaxed).is_ok();
        let place = (0..HELD_MAX).find(take)?;
        let held = Self(place);
        held.set((start, bytes));
        Some(held)
    }

    /// The mapping is elsewhere now, or of another length.
    pub(crate) fn set(&self, (start, bytes): (usize, usize)) {
        LENGTHS[self.0].store(bytes, Relaxed);
        // Release: who sees the address sees the length.
        STARTS[self.0].store(start, Release);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        STARTS[self.0].store(FREE, Relaxed);
    }
}

/// Address and length of each mapping that page maps lie in. A few hundred loads.
pub fn held_ranges() -> impl Iterator<Item = (usize, usize)> {
    STARTS.iter().zip(&LENGTHS).filter_map(|(start, bytes)| {
        // Acquire pairs with `set`.
        let start = start.load(Acquire);
        (start > TAKEN).then(|| (start, bytes.load(Relaxed)))
    })
}
