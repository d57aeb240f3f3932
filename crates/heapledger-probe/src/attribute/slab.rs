//! One slab: which slots are allocated, whose they are, and what of them is resident.

use super::runs::{Runs, resident_as};
use super::tally::Tallied;
use super::{Bitmap, CLASSES, Classes, Extent, Owners, PageKind, PageOwner, Sheet, World};
use crate::read::Residency;

/// Most pages of a slab; more are refused when a walk is prepared.
pub(crate) const SLAB_PAGES_MAX: usize = 64;

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
        let first = owners.start_owner(owners.page(self.start));
        if self.slot_bytes > page_bytes {
            return None;
        }
        let mut page = self.start + page_bytes;
        while page < self.end {
            if owners.start_owner(owners.page(page)) != first {
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

/// What is known of a slab's pages.
#[derive(Copy, Clone)]
struct Pages {
    page_bytes: usize,
    /// The kind of all of them, if it is one.
    uniform: Option<Option<PageKind>>,
    /// Else which of them are there.
    present: Present,
}

/// So many ones from the lowest bit on.
fn low_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

impl Sheet<'_> {
    pub(super) fn slab(&mut self, world: &impl World, owners: &impl Owners, runs: &mut Runs<'_>, extent: &Extent) {
        let page_bytes = world.classes().page_bytes;
        let Some(slab) = Slab::of(world.classes(), extent) else {
            return self.moved(runs, extent.start, extent.end);
        };
        let uniform = runs.uniform(slab.start, slab.end);
        if let Some(kind) = uniform
            && let Some(owner) = slab.only_owner(owners, page_bytes)
        {
            return self.pure_slab(slab, usize::from(extent.free_slots), owner, kind);
        }
        let bitmap = match extent.free_slots {
            0 => None,
            _ => match world.bitmap(extent) {
                Some(bitmap) => Some(bitmap),
                None => return self.moved(runs, extent.start, extent.end),
            },
        };
        let present = if uniform.is_some() { Present::default() } else { Present::of(runs, slab, page_bytes) };
        self.mixed_slab(owners, slab, bitmap.as_ref(), Pages { page_bytes, uniform, present });
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
            small.pins.alone(allocated, free, free_resident);
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

    /// Slot by slot. Without a bitmap all slots are allocated; pages that are all of one `kind` need not be looked at.
    fn mixed_slab<O: Owners>(&mut self, owners: &O, slab: Slab, bitmap: Option<&Bitmap>, pages: Pages) {
        let page_bytes = pages.page_bytes;
        // Pages are powers of two; a division for each slot would take half of the time.
        let (page_shift, page_mask) = (page_bytes.trailing_zeros(), page_bytes - 1);
        self.tally.clear();
        let mut free = (0, Residency::default());
        let mut page: Option<(usize, O::Page, PageOwner)> = None;
        let slot_bytes = slab.slot_bytes;
        for slot in 0..slab.slots {
            let from = slot * slot_bytes;
            let resident = || match pages.uniform {
                Some(kind) => resident_as(kind, slot_bytes as u64),
                None => pages.present.resident(from, from + slot_bytes, page_bytes),
            };
            if bitmap.is_some_and(|bitmap| bitmap[slot / 64 % bitmap.len()] >> (slot % 64) & 1 != 0) {
                free.0 += 1;
                free.1 += resident();
                continue;
            }
            let (number, offset) = (from >> page_shift, from & page_mask);
            let (_, word, owner) = match page {
                Some(known @ (same, ..)) if same == number => known,
                _ => {
                    let word = owners.page(slab.start + from);
                    *page.insert((number, word, owners.start_owner(word)))
                }
            };
            let owner = match owner {
                PageOwner::Region(region) => Some(region),
                PageOwner::Nobody => None,
                PageOwner::Mixed => owners.slot_owner(word, slab.class, offset),
            };
            let row = self.index(owner);
            match self.tally.of(row) {
                Some(tallied) => {
                    tallied.slots += 1;
                    tallied.resident += resident();
                }
                None => self.small(row, slab.class, 1, resident()),
            }
        }
        let whole = slab.end - slab.start;
        let (all, rest) = match pages.uniform {
            Some(kind) => (resident_as(kind, whole as u64), resident_as(kind, slab.rest_bytes())),
            None => {
                let used = slab.slots * slot_bytes;
                (pages.present.resident(0, whole, page_bytes), pages.present.resident(used, whole, page_bytes))
            }
        };
        free.1 += rest;
        self.slab_sums(slab, (slab.slots as u64 - free.0, free.0), all, free.1);
        self.charge(slab.class, free);
    }

    /// What was tallied of a slab goes to the regions, and its free slots to who has allocated ones.
    fn charge(&mut self, class: usize, (free_slots, free_resident): (u64, Residency)) {
        let count = self.tally.owners().len();
        if count > 1 {
            self.totals.slabs.free_shared_resident += free_resident;
        }
        for at in 0..count {
            let Some(Tallied { row, slots, resident }) = self.tally.owners().get(at).copied() else { return };
            self.small(row, class, slots, resident);
            let Some(region) = self.regions.get_mut(row) else { continue };
            let pins = region.small.get_mut(class).map(|small| &mut small.pins);
            if count == 1 {
                region.free_pinned_alone += free_resident;
                pins.into_iter().for_each(|pins| pins.alone(slots, free_slots, free_resident));
            } else {
                region.free_pinned_shared += free_resident;
                pins.into_iter().for_each(|pins| pins.shared(free_slots));
            }
        }
    }

    fn small(&mut self, row: usize, class: usize, slots: u64, resident: Residency) {
        if let Some(small) = self.regions.get_mut(row).and_then(|row| row.small.get_mut(class)) {
            small.allocated_slots += slots;
            small.allocated_resident += resident;
        }
    }
}

// A slab of any class has its pages in one word.
const _: () = assert!(SLAB_PAGES_MAX == u64::BITS as usize && CLASSES == 36);
