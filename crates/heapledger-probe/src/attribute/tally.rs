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
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { tags: [0; OWNERS_MAX], slots: [0; OWNERS_MAX] }
    }

    pub(super) fn clear(&mut self) {
        self.slots = [0; OWNERS_MAX];
    }

    /// Counts slots; those of owners for whom there is no room go to `beyond`, one by one.
    #[inline]
    pub(super) fn add(&mut self, tags: &[u16], mut beyond: impl FnMut(u16)) {
        for tag in tags {
            let first = usize::from(*tag) % OWNERS_MAX;
            if self.tags[first] == *tag {
                self.slots[first] += 1;
                continue;
            }
            match self.find(*tag) {
                Some(at) => self.slots[at] += 1,
                None => beyond(*tag),
            }
        }
    }

    /// Counts a slot and says at which place; `None` if there is no room for one more owner.
    pub(super) fn add_one(&mut self, tag: u16) -> Option<usize> {
        let at = self.find(tag)?;
        self.slots[at] += 1;
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
        let counted = |at: usize, slots: &u32| (*slots != 0).then(|| (at, self.tags[at], u64::from(*slots)));
        self.slots.iter().enumerate().filter_map(move |(at, slots)| counted(at, slots))
    }
}
