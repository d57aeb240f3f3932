//! One slab: which slots are allocated, whose they are, and what of them is resident.

use super::quick::{QUICK, WORTHWHILE};
use super::runs::{Runs, resident_as};
use super::slots::{NONE, region_of};
use super::tally::OWNERS_MAX;
use super::{Bitmap, CLASSES, Classes, Extent, Owners, PageKind, PageOwner, RegionPages, Sheet, World};
use crate::read::Residency;

/// Most pages of a slab; more are refused when a walk is prepared.
pub(crate) const SLAB_PAGES_MAX: usize = 64;

/// A slab and the numbers of its class.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Slab {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) class: usize,
    pub(super) slot_bytes: usize,
    pub(super) slots: usize,
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
    pub(super) fn rest_bytes(self) -> u64 {
        (self.end - self.start - self.slots * self.slot_bytes) as u64
    }

    /// The owner of all blocks, if every page says the same one. Blocks of more than a page leave pages in which none
    /// starts, so those are looked at one by one.
    #[inline]
    fn only_owner(self, owners: &impl Owners, page_bytes: usize) -> Option<PageOwner> {
        let first = owners.start_owner(owners.page(self.start));
        if self.slot_bytes > page_bytes || first == PageOwner::Mixed {
            return None;
        }
        let mut page = self.start + page_bytes;
        while page < self.end {
            if owners.start_owner(owners.page(page)) != first {
                return None;
            }
            page += page_bytes;
        }
        Some(first)
    }
}

/// A bit per page of a slab: which are resident surely, and which perhaps.
#[derive(Copy, Clone, Default)]
pub(super) struct Present {
    pub(super) surely: u64,
    pub(super) perhaps: u64,
}

impl Present {
    pub(super) fn of(runs: &mut Runs<'_>, slab: Slab, page_bytes: usize) -> Self {
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

impl Sheet<'_> {
    pub(super) fn slab(&mut self, world: &impl World, owners: &impl Owners, runs: &mut Runs<'_>, extent: &Extent) {
        let page_bytes = world.classes().page_bytes;
        self.alike.steady = self.alike.goes_on(owners, extent, page_bytes);
        if self.alike.steady {
            return self.map_alike(extent);
        }
        let Some(slab) = Slab::of(world.classes(), extent) else {
            return self.moved(runs, extent.start, extent.end);
        };
        let uniform = runs.uniform(slab.start, slab.end);
        if let Some((kind, until)) = uniform
            && let Some(owner) = slab.only_owner(owners, page_bytes)
        {
            self.map_slab(slab, usize::from(extent.free_slots), owner, kind);
            return self.pure_slab(slab, usize::from(extent.free_slots), owner, (kind, until));
        }
        if !self.tags.read(owners, slab, page_bytes) {
            return self.moved(runs, extent.start, extent.end);
        }
        let kind = uniform.map(|(kind, _)| kind);
        let is_full = extent.free_slots == 0;
        let sums_suffice = is_full && slab.rest_bytes() == 0 && kind == Some(Some(PageKind::Anon));
        if sums_suffice && self.map.is_none() {
            return self.full_slab(slab);
        }
        let is_mapped = self.map.is_some() && uniform.is_some();
        let few = if is_mapped { self.quick.count(self.tags.all(), 0) } else { None };
        let bitmap = match extent.free_slots {
            0 => Bitmap::default(),
            _ => match world.bitmap(extent) {
                Some(bitmap) => bitmap,
                None => return self.moved(runs, extent.start, extent.end),
            },
        };
        if few.is_none() && self.map.is_some() {
            self.map_slots(runs, slab, &bitmap, (kind, page_bytes));
        }
        if sums_suffice {
            if let Some(few) = few {
                self.map_few(slab, &few, &few, kind.flatten());
            }
            return self.full_slab(slab);
        }
        let free = self.tags.take_free(&bitmap);
        let allocated = match few {
            Some(few) => {
                let (allocated, _) = self.quick.count_known(self.tags.all(), free);
                self.map_few(slab, &few, &allocated, kind.flatten());
                Some(allocated)
            }
            None if slab.slots >= WORTHWHILE => self.quick.count(self.tags.all(), free),
            None => None,
        };
        let free = free as u64;
        match uniform {
            Some((kind, _)) => self.mixed_slab(slab, free, (kind, allocated)),
            None => {
                let present = Present::of(runs, slab, page_bytes);
                self.mixed_slab_by_page(slab, free, present, page_bytes);
            }
        }
    }

    pub(super) fn slab_sums(
        &mut self,
        slab: Slab,
        slabs: u64,
        (allocated, free): (u64, u64),
        resident: Residency,
        free_resident: Residency,
    ) {
        self.totals.slabs.bytes += slabs * (slab.end - slab.start) as u64;
        self.totals.slabs.resident += resident;
        self.totals.slabs.free_resident += free_resident;
        if let Some(class) = self.classes.get_mut(slab.class) {
            class.slabs += slabs;
            class.allocated_slots += allocated;
            class.free_slots += free;
            class.free_resident += free_resident;
        }
    }

    /// Slots are of several regions, and all pages are in the same state. `few` is whose the allocated ones are, where
    /// tags are few.
    fn mixed_slab(&mut self, slab: Slab, free: u64, (kind, few): (Option<PageKind>, Option<[u16; QUICK]>)) {
        let slot_bytes = slab.slot_bytes as u64;
        self.tally.clear();
        let regions = &mut self.regions;
        let beyond = |tag| {
            if tag != NONE {
                small(regions, row_of(regions, tag), slab.class, 1, resident_as(kind, slot_bytes));
            }
        };
        match few {
            Some(few) => self.quick.in_order().for_each(|(tag, place)| self.tally.add_many(tag, few[place])),
            None => self.tally.add(self.tags.all(), beyond),
        }
        let free_resident = resident_as(kind, free * slot_bytes + slab.rest_bytes());
        let all = resident_as(kind, (slab.end - slab.start) as u64);
        self.slab_sums(slab, 1, (slab.slots as u64 - free, free), all, free_resident);
        self.charge(slab.class, (free, free_resident), |_, slots| resident_as(kind, slots * slot_bytes));
    }

    /// The same where some pages are there and some are not.
    fn mixed_slab_by_page(&mut self, slab: Slab, free: u64, present: Present, page_bytes: usize) {
        let slot_bytes = slab.slot_bytes;
        let mut allocated = Residency::default();
        let mut by_place = [Residency::default(); OWNERS_MAX];
        self.tally.clear();
        for (slot, tag) in self.tags.all().iter().enumerate().filter(|(_, tag)| **tag != NONE) {
            let resident = present.resident(slot * slot_bytes, (slot + 1) * slot_bytes, page_bytes);
            allocated += resident;
            match self.tally.add_one(*tag) {
                Some(at) => by_place[at] += resident,
                None => small(self.regions, row_of(self.regions, *tag), slab.class, 1, resident),
            }
        }
        // Whatever is not allocated is free: slots, and the rest behind them.
        let all = present.resident(0, slab.end - slab.start, page_bytes);
        let free_resident = Residency {
            at_least_bytes: all.at_least_bytes - allocated.at_least_bytes,
            at_most_bytes: all.at_most_bytes - allocated.at_most_bytes,
        };
        self.slab_sums(slab, 1, (slab.slots as u64 - free, free), all, free_resident);
        self.charge(slab.class, (free, free_resident), |place, _| by_place[place]);
    }

    /// What was tallied of a slab goes to the regions, and its free slots to who has allocated ones.
    fn charge(
        &mut self,
        class: usize,
        (free, free_resident): (u64, Residency),
        resident: impl Fn(usize, u64) -> Residency,
    ) {
        // Tags of nobody and of regions that are newer than the walk are one row.
        let nobody = self.regions.len().wrapping_sub(1);
        let (mut rows, mut nobodys_slots) = (0, 0);
        for (place, tag, slots) in self.tally.owners().filter(|(_, tag, _)| *tag != NONE) {
            let row = row_of(self.regions, tag);
            small(self.regions, row, class, slots, resident(place, slots));
            rows += u32::from(row != nobody);
            nobodys_slots += if row == nobody { slots } else { 0 };
        }
        rows += u32::from(nobodys_slots > 0);
        if rows > 1 {
            self.totals.slabs.free_shared_resident += free_resident;
        }
        if free == 0 && free_resident == Residency::default() {
            return;
        }
        let regions = &mut self.regions;
        let mut pin = |row: usize, slots: u64| {
            let Some(region) = regions.get_mut(row) else { return };
            let pins = region.small.get_mut(class).map(|small| &mut small.pins);
            if rows == 1 {
                region.free_pinned_alone += free_resident;
                pins.into_iter().for_each(|pins| pins.alone(1, slots, free, free_resident));
            } else {
                region.free_pinned_shared += free_resident;
                pins.into_iter().for_each(|pins| pins.shared(free));
            }
        };
        for (_, tag, slots) in self.tally.owners().filter(|(_, tag, _)| *tag != NONE) {
            let row = region_of(tag).map_or(nobody, |region| region.min(nobody));
            if row != nobody {
                pin(row, slots);
            }
        }
        if nobodys_slots > 0 {
            pin(nobody, nobodys_slots);
        }
    }
}

/// The row of a tag's region.
#[inline]
pub(super) fn row_of(regions: &[RegionPages], tag: u16) -> usize {
    let nobody = regions.len().wrapping_sub(1);
    region_of(tag).map_or(nobody, |region| region.min(nobody))
}

pub(super) fn small(regions: &mut [RegionPages], row: usize, class: usize, slots: u64, resident: Residency) {
    if let Some(small) = regions.get_mut(row).and_then(|row| row.small.get_mut(class)) {
        small.allocated_slots += slots;
        small.allocated_resident += resident;
    }
}

// A slab of any class has its pages in one word.
const _: () = assert!(SLAB_PAGES_MAX == u64::BITS as usize && CLASSES == 36);
