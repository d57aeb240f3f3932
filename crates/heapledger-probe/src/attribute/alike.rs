//! Slabs of which numbers suffice: one region has all of the slots.

use super::runs::resident_as;
use super::slab::{Slab, small};
use super::{Extent, Owners, PageKind, PageOwner, Sheet};

/// Slabs of one class and one owner, all of whose pages are in one state, one after the other.
#[derive(Copy, Clone, Debug)]
pub(super) struct Alike {
    /// The first.
    slab: Slab,
    owner: PageOwner,
    kind: Option<PageKind>,
    slabs: u64,
    /// Those with free slots.
    pinned: u64,
    /// Free slots of all of them.
    free: u64,
    /// As far as all pages are in this state.
    until: usize,
    /// The last slab was one of them at the first look.
    pub(super) steady: bool,
}

impl Default for Alike {
    fn default() -> Self {
        let owner = PageOwner::Nobody;
        Self { slab: Slab::default(), owner, kind: None, slabs: 0, pinned: 0, free: 0, until: 0, steady: false }
    }
}

impl Alike {
    /// Counts a slab if it is like those before it.
    #[inline]
    pub(super) fn goes_on(&mut self, owners: &impl Owners, extent: &Extent, page_bytes: usize) -> bool {
        let slab = &self.slab;
        let free = usize::from(extent.free_slots);
        let alike = extent.end <= self.until
            && usize::from(extent.szind) == slab.class
            && extent.end - extent.start == slab.end - slab.start
            && free < slab.slots
            && slab.slot_bytes <= page_bytes;
        let mut page = extent.start;
        while alike && page < extent.end {
            if owners.start_owner(owners.page(page)) != self.owner {
                return false;
            }
            page += page_bytes;
        }
        if alike {
            self.add(free);
        }
        alike
    }

    #[inline]
    fn add(&mut self, free: usize) {
        self.slabs += 1;
        self.pinned += u64::from(free > 0);
        self.free += free as u64;
    }
}

impl Sheet<'_> {
    /// Tells the map of a slab like those before it.
    #[inline]
    pub(super) fn map_alike(&mut self, extent: &Extent) {
        if self.map.is_some() {
            let Alike { slab, owner, kind, .. } = self.alike;
            let slab = Slab { start: extent.start, end: extent.end, ..slab };
            self.map_slab(slab, usize::from(extent.free_slots), owner, kind);
        }
    }

    /// All slots are one region's, and all pages are in the same state: numbers suffice, and slabs that are alike are
    /// added up together.
    pub(super) fn pure_slab(
        &mut self,
        slab: Slab,
        free: usize,
        owner: PageOwner,
        (kind, until): (Option<PageKind>, usize),
    ) {
        let alike = self.alike;
        // A slab without allocated slots is pinned by nobody; jemalloc has none, unless it is about to give it back.
        if alike.owner != owner || alike.kind != kind || alike.slab.class != slab.class || free == slab.slots {
            self.add_alike();
            self.alike = Alike { slab, owner, kind, ..Alike::default() };
        }
        self.alike.until = until;
        self.alike.add(free);
        if free == slab.slots {
            self.add_alike();
        }
    }

    /// Adds up the slabs that were counted as alike.
    pub(super) fn add_alike(&mut self) {
        let Alike { slab, owner, kind, slabs, pinned, free, .. } = std::mem::take(&mut self.alike);
        if slabs == 0 {
            return;
        }
        let row = self.index(match owner {
            PageOwner::Region(region) => Some(region),
            PageOwner::Nobody | PageOwner::Mixed => None,
        });
        let slot_bytes = slab.slot_bytes as u64;
        let allocated = slabs * slab.slots as u64 - free;
        let free_resident = resident_as(kind, free * slot_bytes + slabs * slab.rest_bytes());
        let resident = resident_as(kind, slabs * (slab.end - slab.start) as u64);
        self.slab_sums(slab, slabs, (allocated, free), resident, free_resident);
        small(self.regions, row, slab.class, allocated, resident_as(kind, allocated * slot_bytes));
        if let Some(region) = self.regions.get_mut(row).filter(|_| allocated > 0) {
            region.free_pinned_alone += free_resident;
            if let Some(small) = region.small.get_mut(slab.class) {
                let slots = pinned * slab.slots as u64 - free;
                let free_resident = resident_as(kind, free * slot_bytes + pinned * slab.rest_bytes());
                small.pins.alone(pinned, slots, free, free_resident);
            }
        }
    }
}
