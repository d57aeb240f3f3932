//! Whose slots are how many.

/// Owners that have a place; of one slab, among whom its free slots are charged. A slab seldom has more. The slots of
/// the others are theirs too.
pub(super) const OWNERS_MAX: usize = 64;

/// Slots of one slab by tag of their owner: a table that is asked once for each slot.
///
/// A tag is looked for where its low bits say and then further on. Tags stay when slots are forgotten, so that the few
/// regions of a heap are found at the first look in every slab; a place without slots is free.
#[derive(Debug)]
pub(super) struct Tally {
    tags: [u16; OWNERS_MAX],
    slots: [u32; OWNERS_MAX],
    /// A bit for each place that has slots.
    places: u64,
}

const _: () = assert!(OWNERS_MAX == u64::BITS as usize);

impl Tally {
    pub(super) fn new() -> Self {
        Self { tags: [0; OWNERS_MAX], slots: [0; OWNERS_MAX], places: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.slots = [0; OWNERS_MAX];
        self.places = 0;
    }

    /// Counts so many slots of one tag, of which there are less than places.
    #[inline]
    pub(super) fn add_many(&mut self, tag: u16, slots: u16) {
        if slots == 0 {
            return;
        }
        let first = usize::from(tag) % OWNERS_MAX;
        if let Some(at) = if self.tags[first] == tag { Some(first) } else { self.find(tag) } {
            self.slots[at] += u32::from(slots);
            self.places |= 1 << at;
        }
    }

    /// Counts slots; those of owners for whom there is no room go to `beyond`, one by one.
    #[inline]
    pub(super) fn add(&mut self, tags: &[u16], mut beyond: impl FnMut(u16)) {
        for tag in tags {
            let first = usize::from(*tag) % OWNERS_MAX;
            if self.tags[first] == *tag {
                self.slots[first] += 1;
                self.places |= 1 << first;
                continue;
            }
            match self.find(*tag) {
                Some(at) => {
                    self.slots[at] += 1;
                    self.places |= 1 << at;
                }
                None => beyond(*tag),
            }
        }
    }

    /// Counts a slot and says at which place; `None` if there is no room for one more owner.
    pub(super) fn add_one(&mut self, tag: u16) -> Option<usize> {
        let at = self.find(tag)?;
        self.slots[at] += 1;
        self.places |= 1 << at;
        Some(at)
    }

    /// Where a tag is, or may be put.
    #[cold]
    fn find(&mut self, tag: u16) -> Option<usize> {
        let mut places = (0..OWNERS_MAX).map(|step| (usize::from(tag) + step) % OWNERS_MAX);
        let at = places.find(|at| self.tags[*at] == tag || self.slots[*at] == 0)?;
        self.tags[at] = tag;
        Some(at)
    }

    /// Each place that has slots, with the tag and how many.
    #[inline]
    pub(super) fn owners(&self) -> impl Iterator<Item = (usize, u16, u64)> {
        let mut places = self.places;
        std::iter::from_fn(move || {
            let at = places.trailing_zeros() as usize;
            places &= places.checked_sub(1)?;
            Some((at, self.tags[at], u64::from(self.slots[at])))
        })
    }
}
