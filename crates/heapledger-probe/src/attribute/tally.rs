//! Who has the allocated slots of one slab.

use crate::read::Residency;

/// Owners of one slab among whom its free slots are charged; a slab seldom has more. The slots of the others are theirs
/// too.
const OWNERS_MAX: usize = 64;

/// Allocated slots of one slab, by tag of their owner: a table that is asked once for each slot.
///
/// Kept from slab to slab. A tag is looked for where its low bits say and then further on, so that the few regions of a
/// heap are found at the first look in every slab.
#[derive(Debug)]
pub(super) struct Tally {
    tags: [u16; OWNERS_MAX],
    slots: [u32; OWNERS_MAX],
    /// Of slots that were added by [`add_resident`](Tally::add_resident).
    resident: [Residency; OWNERS_MAX],
    /// A bit for each place whose tag is of this slab.
    seen: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        let none = Residency::default();
        Self { tags: [0; OWNERS_MAX], slots: [0; OWNERS_MAX], resident: [none; OWNERS_MAX], seen: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.slots = [0; OWNERS_MAX];
        self.seen = 0;
    }

    /// Counts a slot; `false` if there is no room for one more owner.
    #[inline(always)]
    pub(super) fn add(&mut self, tag: u16) -> bool {
        let first = usize::from(tag) % OWNERS_MAX;
        let at = if self.tags[first] == tag { Some(first) } else { self.find(tag) };
        let Some(at) = at else { return false };
        self.slots[at] += 1;
        self.seen |= 1 << at;
        true
    }

    /// The same, with what of the slot is resident.
    pub(super) fn add_resident(&mut self, tag: u16, resident: Residency) -> bool {
        let Some(at) = self.find(tag) else { return false };
        if self.seen >> at & 1 == 0 {
            self.resident[at] = Residency::default();
        }
        self.slots[at] += 1;
        self.seen |= 1 << at;
        self.resident[at] += resident;
        true
    }

    /// Where a tag is, or may be put. What is not of this slab makes room.
    #[cold]
    fn find(&mut self, tag: u16) -> Option<usize> {
        let mut places = (0..OWNERS_MAX).map(|step| (usize::from(tag) + step) % OWNERS_MAX);
        let at = places.find(|at| self.tags[*at] == tag || self.seen >> at & 1 == 0)?;
        self.tags[at] = tag;
        Some(at)
    }

    /// A bit for each place that has an owner.
    pub(super) fn places(&self) -> u64 {
        self.seen
    }

    /// The tag of a place, its slots and, if they were added with it, what of them is resident.
    #[inline]
    pub(super) fn at(&self, place: u32) -> (u16, u64, Residency) {
        let at = place as usize % OWNERS_MAX;
        (self.tags[at], u64::from(self.slots[at]), self.resident[at])
    }
}
