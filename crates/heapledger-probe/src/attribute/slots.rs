//! The owners of a slab's slots, read page by page.

use super::slab::Slab;
use super::{Bitmap, Owners, Starts};

/// Most slots of a slab; jemalloc's bitmap has a bit for each.
pub(super) const SLOTS_MAX: usize = 512;

/// Stands for a slot that is free. No region has this tag, for indices have fewer bits.
pub(super) const NONE: u16 = u16::MAX;

/// A page that changes while it is read is read again so often.
const TRIES: usize = 4;

/// A tag for each slot of a slab: one more than the index of the region, 0 for nobody.
#[derive(Debug)]
pub(super) struct Tags {
    tags: [u16; SLOTS_MAX],
    len: usize,
}

/// The index of the region of a tag.
pub(super) fn region_of(tag: u16) -> Option<usize> {
    usize::from(tag).checked_sub(1)
}

impl Tags {
    pub(super) fn new() -> Self {
        Self { tags: [NONE; SLOTS_MAX], len: 0 }
    }

    /// Reads the owners of all slots; `false` if a page changed at every try, or a slab has more slots than there can
    /// be.
    pub(super) fn read(&mut self, owners: &impl Owners, slab: Slab, page_bytes: usize) -> bool {
        let Some(mut rest) = self.tags.get_mut(..slab.slots) else { return false };
        self.len = slab.slots;
        // How many slots start in a page: so many, or one more.
        let fewest = page_bytes as u32 / slab.slot_bytes.max(1) as u32;
        let fewest = fewest as usize;
        let (mut from, mut page) = (slab.start, slab.start);
        while page < slab.end {
            let more = from + fewest * slab.slot_bytes < page + page_bytes;
            let count = (fewest + usize::from(more)).min(rest.len());
            let (here, behind) = rest.split_at_mut(count);
            rest = behind;
            if count > 0 {
                let starts = Starts { class: slab.class, offset: from - page, step: slab.slot_bytes };
                if !(0..TRIES).any(|_| owners.slot_owners(page, starts, here)) {
                    return false;
                }
            }
            from += count * slab.slot_bytes;
            page += page_bytes;
        }
        true
    }

    /// Takes the slots that are free by the bitmap out; how many there are.
    pub(super) fn take_free(&mut self, bitmap: &Bitmap) -> usize {
        let mut count = 0;
        for (first, word) in (0..self.len).step_by(64).zip(bitmap) {
            let beyond = (first + 64).saturating_sub(self.len);
            let mut bits = word << beyond >> beyond;
            count += bits.count_ones() as usize;
            while bits != 0 {
                self.tags[(first + bits.trailing_zeros() as usize) % SLOTS_MAX] = NONE;
                bits &= bits - 1;
            }
        }
        count
    }

    /// The tag of each slot, by number.
    #[inline]
    pub(super) fn all(&self) -> &[u16] {
        &self.tags[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::tally::Tally;

    #[test]
    fn each_slot_that_is_not_free_is_counted_once() {
        let mut tally = Tally::new();
        for owners in [1, 3, 40, 63] {
            for len in [1, 63, 64, 65, 448, SLOTS_MAX] {
                // Regions whose tags meet in the table, and such as do not.
                for apart in [1, 7, 64] {
                    let tag = |slot: usize| (slot * 7 % owners * apart) as u16;
                    let mut tags = Tags { len, ..Tags::new() };
                    tags.tags.iter_mut().take(len).enumerate().for_each(|(slot, place)| *place = tag(slot));
                    // Bits beyond the last slot say nothing.
                    let free = |slot: usize| slot.is_multiple_of(5) || slot >= len;
                    let mut bitmap = Bitmap::default();
                    (0..SLOTS_MAX).filter(|slot| free(*slot)).for_each(|slot| bitmap[slot / 64] |= 1 << (slot % 64));
                    assert_eq!(tags.take_free(&bitmap), len.div_ceil(5));
                    tally.clear();
                    tally.add(tags.all(), |tag| panic!("{tag} has no place"));
                    for owner in 0..owners {
                        let tag_of_owner = (owner * apart) as u16;
                        let expected = (0..len).filter(|slot| !free(*slot) && tag(*slot) == tag_of_owner).count();
                        let found: Vec<u64> = tally
                            .owners()
                            .filter(|(_, tag, _)| *tag == tag_of_owner)
                            .map(|(.., slots)| slots)
                            .collect();
                        assert_eq!(found.iter().sum::<u64>(), expected as u64);
                        assert!(found.len() <= 1);
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_that_is_full_refuses() {
        let mut tally = Tally::new();
        tally.clear();
        let tags: Vec<u16> = (100..166).chain([100, 165]).collect();
        let mut beyond = Vec::new();
        tally.add(&tags, |tag| beyond.push(tag));
        assert_eq!(beyond, [164, 165, 165]);
    }
}
