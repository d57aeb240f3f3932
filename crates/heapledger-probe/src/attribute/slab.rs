//! One slab: which slots are allocated, whose they are, and what of them is resident.

use super::runs::{Runs, resident_as};
use super::{Bitmap, CLASSES, Classes, Extent, Owners, PageKind, PageOwner, Sheet, World};
use crate::read::Residency;

/// Most pages of a slab; more are refused when a walk is prepared.
pub(crate) const SLAB_PAGES_MAX: usize = 64;

/// Regions of one slab that are told apart when its free slots are charged; a slab seldom has more.
const PINNING_MAX: usize = 64;

/// A slab and the numbers of its class.
#[derive(Copy, Clone)]
struct Slab {
    start: usize,
    end: usize,
    class: usize,
    slot_bytes: usize,
    slots: usize,
}

impl Slab {
    /// `None` if the extent is not what its class says: it changed while it was read.
    #[inline]
    fn of(classes: &Classes, extent: &Extent) -> Option<Self> {
        let class = usize::from(extent.szind);
        let bytes = *classes.slab_bytes.get(class)? as usize;
        let slots = *classes.slots.get(class)? as usize;
        let slot_bytes = *classes.slot_bytes.get(class)? as usize;
        let fits = extent.end - extent.start == bytes && usize::from(extent.free_slots) <= slots;
        fits.then_some(Self { start: extent.start, end: extent.end, class, slot_bytes, slots })
    }

    /// What the slab has beyond its slots; such bytes are as free as a free slot.
    fn rest_bytes(self) -> u64 {
        (self.end - self.start - self.slots * self.slot_bytes) as u64
    }

    /// The owner of all blocks, if every page says the same one. Blocks of more than a page leave pages in which none
    /// starts, so those are looked at one by one.
    #[inline]
    fn only_owner(self, owners: &impl Owners, page_bytes: usize) -> Option<Option<usize>> {
        let first = owners.start_owner(self.start);
        if self.slot_bytes > page_bytes {
            return None;
        }
        let mut page = self.start + page_bytes;
        while page < self.end {
            if owners.start_owner(page) != first {
                return None;
            }
            page += page_bytes;
        }
        match first {
            PageOwner::Region(region) => Some(Some(region)),
            PageOwner::Nobody => Some(None),
            PageOwner::Mixed => None,
        }
    }
}

/// A bit per page of a slab: which are resident surely, and which perhaps.
#[derive(Copy, Clone, Default)]
struct Present {
    surely: u64,
    perhaps: u64,
}

impl Present {
    fn of(runs: &mut Runs<'_>, slab: Slab, page_bytes: usize) -> Self {
        let mut present = Self::default();
        for run in runs.within(slab.start, slab.end) {
            let first = (run.start.max(slab.start) - slab.start) / page_bytes;
            let behind = (run.end.min(slab.end) - slab.start) / page_bytes;
            let bits = low_bits(behind) & !low_bits(first);
            match run.kind {
                PageKind::Anon | PageKind::File => {
                    present.surely |= bits;
                    present.perhaps |= bits;
                }
                PageKind::AnonOrZero => present.perhaps |= bits,
                PageKind::Zero | PageKind::Swapped => {}
            }
        }
        present
    }

    /// How much of the bytes `from..to` of the slab is resident.
    fn resident(self, from: usize, to: usize, page_bytes: usize) -> Residency {
        let mut resident = Residency::default();
        let mut at = from;
        while at < to {
            let page = at / page_bytes;
            let behind = ((page + 1) * page_bytes).min(to);
            let bytes = (behind - at) as u64;
            resident.at_least_bytes += if self.surely >> page & 1 != 0 { bytes } else { 0 };
            resident.at_most_bytes += if self.perhaps >> page & 1 != 0 { bytes } else { 0 };
            at = behind;
        }
        resident
    }
}

/// So many ones from the lowest bit on.
fn low_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// The regions that have allocated slots in a slab.
struct Pinning {
    regions: [Option<usize>; PINNING_MAX],
    count: usize,
}

impl Pinning {
    fn add(&mut self, region: Option<usize>) {
        let known = self.regions.get(..self.count).unwrap_or_default();
        // Neighbours mostly have the same owner.
        if known.last() == Some(&region) || known.contains(&region) {
            return;
        }
        if let Some(place) = self.regions.get_mut(self.count) {
            *place = region;
            self.count += 1;
        }
    }
}

impl Sheet<'_> {
    pub(super) fn slab(&mut self, world: &impl World, owners: &impl Owners, runs: &mut Runs<'_>, extent: &Extent) {
        let page_bytes = world.classes().page_bytes;
        let Some(slab) = Slab::of(world.classes(), extent) else {
            return self.moved(runs, extent.start, extent.end);
        };
        if let Some(kind) = runs.uniform(slab.start, slab.end)
            && let Some(owner) = slab.only_owner(owners, page_bytes)
        {
            return self.pure_slab(slab, usize::from(extent.free_slots), owner, kind);
        }
        let Some(bitmap) = world.bitmap(extent) else {
            return self.moved(runs, extent.start, extent.end);
        };
        let present = Present::of(runs, slab, page_bytes);
        self.mixed_slab(owners, page_bytes, slab, (&bitmap, present));
    }

    /// All slots are one region's, and all pages are in the same state: numbers suffice.
    #[inline]
    fn pure_slab(&mut self, slab: Slab, free: usize, owner: Option<usize>, kind: Option<PageKind>) {
        let allocated = (slab.slots - free) as u64;
        let free = free as u64;
        let slot_bytes = slab.slot_bytes as u64;
        let free_resident = resident_as(kind, free * slot_bytes + slab.rest_bytes());
        self.slab_sums(slab, (allocated, free), resident_as(kind, (slab.end - slab.start) as u64), free_resident);
        let Some(row) = self.row(owner) else { return };
        if let Some(small) = row.small.get_mut(slab.class) {
            small.allocated_slots += allocated;
            small.allocated_resident += resident_as(kind, allocated * slot_bytes);
        }
        if allocated > 0 {
            row.free_pinned_alone += free_resident;
        }
    }

    fn slab_sums(&mut self, slab: Slab, (allocated, free): (u64, u64), resident: Residency, free_resident: Residency) {
        self.totals.slabs.bytes += (slab.end - slab.start) as u64;
        self.totals.slabs.resident += resident;
        self.totals.slabs.free_resident += free_resident;
        if let Some(class) = self.classes.get_mut(slab.class) {
            class.slabs += 1;
            class.allocated_slots += allocated;
            class.free_slots += free;
            class.free_resident += free_resident;
        }
    }

    /// Slot by slot, with jemalloc's bitmap.
    fn mixed_slab(
        &mut self,
        owners: &impl Owners,
        page_bytes: usize,
        slab: Slab,
        (bitmap, present): (&Bitmap, Present),
    ) {
        let mut pinning = Pinning { regions: [None; PINNING_MAX], count: 0 };
        let (mut allocated, mut free_resident) = (0, Residency::default());
        let mut page = (usize::MAX, PageOwner::Nobody);
        for slot in 0..slab.slots {
            let from = slot * slab.slot_bytes;
            let resident = present.resident(from, from + slab.slot_bytes, page_bytes);
            let is_free = bitmap.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 != 0);
            if is_free {
                free_resident += resident;
                continue;
            }
            allocated += 1;
            let address = slab.start + from;
            if page.0 != address / page_bytes {
                page = (address / page_bytes, owners.start_owner(address));
            }
            let owner = match page.1 {
                PageOwner::Region(region) => Some(region),
                PageOwner::Nobody => None,
                PageOwner::Mixed => owners.slot_owner(address, slab.class),
            };
            pinning.add(owner);
            if let Some(small) = self.row(owner).and_then(|row| row.small.get_mut(slab.class)) {
                small.allocated_slots += 1;
                small.allocated_resident += resident;
            }
        }
        let whole = slab.end - slab.start;
        free_resident += present.resident(slab.slots * slab.slot_bytes, whole, page_bytes);
        let free = (slab.slots - allocated) as u64;
        self.slab_sums(slab, (allocated as u64, free), present.resident(0, whole, page_bytes), free_resident);
        self.charge_free_slots(&pinning, free_resident);
    }

    fn charge_free_slots(&mut self, pinning: &Pinning, free_resident: Residency) {
        let regions = pinning.regions.get(..pinning.count).unwrap_or_default();
        if let [only] = regions {
            if let Some(row) = self.row(*only) {
                row.free_pinned_alone += free_resident;
            }
            return;
        }
        if regions.len() > 1 {
            self.totals.slabs.free_shared_resident += free_resident;
        }
        for region in regions {
            if let Some(row) = self.row(*region) {
                row.free_pinned_shared += free_resident;
            }
        }
    }
}

// A slab of any class has its pages in one word.
const _: () = assert!(SLAB_PAGES_MAX == u64::BITS as usize && CLASSES == 36);
