//! Slabs of which sums suffice: several regions have slots, all of them allocated and resident.

use super::quick::{QUICK, WORTHWHILE};
use super::slab::{Slab, row_of, small};
use super::{CLASSES, Sheet};
use crate::read::Residency;

/// Tags whose slots in full slabs are counted together: those of the regions that were named first.
const TAGS: usize = 32;

/// Slabs of one class in which several regions have slots, all of them allocated and resident.
#[derive(Copy, Clone, Debug)]
pub(super) struct Full {
    /// The last.
    slab: Slab,
    slabs: u64,
    /// Slots that were counted many at once, by place of their tag.
    quick: [u64; QUICK],
    /// The others, by tag, in four parts.
    slots: [[u32; TAGS]; 4],
}

impl Full {
    pub(super) const fn new() -> Self {
        let slab = Slab { start: 0, end: 0, class: 0, slot_bytes: 0, slots: 0 };
        Self { slab, slabs: 0, quick: [0; QUICK], slots: [[0; TAGS]; 4] }
    }
}

impl Sheet<'_> {
    /// Slots are of several regions, none is free, and all of it is resident. Then it matters only how many each has,
    /// in all such slabs of the class together.
    #[inline]
    pub(super) fn full_slab(&mut self, slab: Slab) {
        let Some(full) = self.full.get_mut(slab.class) else { return };
        full.slabs += 1;
        full.slab = slab;
        let tags = self.tags.all();
        if tags.len() >= WORTHWHILE
            && let Some(few) = self.quick.count(tags, 0)
        {
            return full.quick.iter_mut().zip(few).for_each(|(sum, slots)| *sum += u64::from(slots));
        }
        // PERF: each of four slots has a table of its own, so that a count seldom waits for the one before it.
        let (fours, rest) = tags.as_chunks::<4>();
        let regions = &mut self.regions;
        let mut count = |table: &mut [u32; TAGS], tag: u16| match table.get_mut(usize::from(tag)) {
            Some(slots) => *slots += 1,
            None => small(regions, row_of(regions, tag), slab.class, 1, Residency::exactly(slab.slot_bytes as u64)),
        };
        let [first, second, third, fourth] = &mut full.slots;
        for [one, two, three, four] in fours {
            count(first, *one);
            count(second, *two);
            count(third, *three);
            count(fourth, *four);
        }
        rest.iter().for_each(|tag| count(first, *tag));
    }

    /// Adds up the slabs that were counted as full.
    pub(super) fn add_full(&mut self) {
        for class in 0..CLASSES {
            let Full { slab, slabs, .. } = self.full[class];
            if slabs == 0 {
                continue;
            }
            let full = std::mem::replace(&mut self.full[class], Full::new());
            let others = full.slots.into_iter().flat_map(|table| (0..).zip(table.map(u64::from)));
            for (tag, slots) in self.quick.tags().zip(full.quick).chain(others).filter(|(_, slots)| *slots != 0) {
                let row = row_of(self.regions, tag);
                small(self.regions, row, class, slots, Residency::exactly(slots * slab.slot_bytes as u64));
            }
            let all = Residency::exactly(slabs * (slab.end - slab.start) as u64);
            self.slab_sums(slab, slabs, (slabs * slab.slots as u64, 0), all, Residency::default());
        }
        self.quick.begin_anew();
    }
}
