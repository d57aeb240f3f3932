//! What the sweep tells the map as it goes.

use super::{FreeState, Holder, MapWriter, Owner, Share};
use crate::attribute::quick::QUICK;
use crate::attribute::runs::Runs;
use crate::attribute::slab::{Present, Slab};
use crate::attribute::slots::region_of;
use crate::attribute::{Bitmap, Extent, ExtentState, PageKind, PageOwner, Sheet};

/// Owners of one slab that are told apart; slots of further ones are of several.
const OWNERS: usize = 64;

impl<'a> Sheet<'a> {
    /// Writes a map of the pages by the way.
    #[must_use]
    pub fn with_map(mut self, map: Option<MapWriter<'a>>) -> Self {
        self.map = map;
        self
    }

    /// The map, once all windows are added.
    pub fn take_map(&mut self) -> Option<MapWriter<'a>> {
        self.map.take()
    }

    /// A slab whose slots are all of one owner and whose pages are all of one kind.
    #[inline]
    pub(in crate::attribute) fn map_slab(&mut self, slab: Slab, free: usize, owner: PageOwner, kind: Option<PageKind>) {
        if let Some(map) = &mut self.map
            && map.is_resident(kind)
        {
            map.slab(slab.start, slab.end - slab.start, slab.class, Owner::of_page(owner), free as u64);
        }
    }

    /// A slab whose pages are all of one kind: how many slots each of the few tags has, and how many of those are
    /// allocated.
    #[inline]
    pub(in crate::attribute) fn map_few(
        &mut self,
        slab: Slab,
        all: &[u16; QUICK],
        allocated: &[u16; QUICK],
        kind: Option<PageKind>,
    ) {
        let Some(map) = self.map.as_mut() else { return };
        if !map.is_resident(kind) {
            return;
        }
        let owners = self.quick.in_order().map(|(tag, place)| (Owner::of(region_of(tag)), place));
        let some = |(_, slots): &(Owner, u64)| *slots > 0;
        let free = |place: usize| u64::from(all[place] - allocated[place]);
        let bytes = slab.end - slab.start;
        let mut with_slots = owners.clone().filter(|(_, place)| all[*place] > 0);
        if let (Some((owner, place)), None) = (with_slots.next(), with_slots.next()) {
            return map.slab(slab.start, bytes, slab.class, owner, free(place));
        }
        let of_blocks = owners.clone().map(|(owner, place)| (owner, allocated[place].into())).filter(some);
        let of_slots = owners.map(|(owner, place)| (owner, free(place))).filter(some);
        map.mixed((slab.start, bytes), slab.class, of_blocks, of_slots);
    }

    /// Any other slab, slot by slot, before the free ones are taken out.
    pub(in crate::attribute) fn map_slots(
        &mut self,
        runs: &mut Runs<'_>,
        slab: Slab,
        bitmap: &Bitmap,
        (uniform, page_bytes): (Option<Option<PageKind>>, usize),
    ) {
        let Some(map) = &mut self.map else { return };
        let tags = self.tags.all();
        let is_free = |slot: usize| bitmap[slot / 64 % bitmap.len()] >> (slot % 64) & 1 != 0;
        // PERF: kept from slab to slab, for clearing all of it takes longer than counting.
        let [allocated, free] = &mut self.counts;
        allocated.clear();
        free.clear();
        for (slot, tag) in tags.iter().enumerate() {
            let counts = if is_free(slot) { &mut *free } else { &mut *allocated };
            counts.add(Owner::of(region_of(*tag)), 1);
        }
        if let Some(kind) = uniform {
            if !map.is_resident(kind) {
                return;
            }
            let bytes = slab.end - slab.start;
            let mut owners = allocated.iter().chain(free.iter()).map(|(owner, _)| owner);
            let first = owners.next().unwrap_or_default();
            let is_of_one = owners.all(|owner| owner == first);
            drop(owners);
            if is_of_one {
                map.slab(slab.start, bytes, slab.class, first, free.sum());
            } else {
                allocated.sort();
                free.sort();
                map.mixed((slab.start, bytes), slab.class, allocated.iter(), free.iter());
            }
            return;
        }
        // A part of its pages is resident: each by itself.
        let keeper = allocated.keeper();
        let present = Present::of(runs, slab, page_bytes);
        if present.perhaps != present.surely {
            map.unclear();
        }
        for number in (0..(slab.end - slab.start) / page_bytes).filter(|page| present.surely >> page & 1 != 0) {
            let (start, end) = (number * page_bytes, (number + 1) * page_bytes);
            let (mut of_blocks, mut of_slots) = (Counts::new(), Counts::new());
            let mut rest = page_bytes as u64;
            let inside = tags.iter().enumerate().skip(start / slab.slot_bytes);
            for (slot, tag) in inside.take_while(|(slot, _)| slot * slab.slot_bytes < end) {
                let (from, to) = (slot * slab.slot_bytes, (slot + 1) * slab.slot_bytes);
                let bytes = (to.min(end) - from.max(start)) as u64;
                let counts = if is_free(slot) { &mut of_slots } else { &mut of_blocks };
                counts.add(Owner::of(region_of(*tag)), bytes);
                rest -= bytes;
            }
            of_slots.add(Owner::Nobody, rest);
            let blocks = of_blocks.iter().map(|(owner, bytes)| (Holder::Block { owner, huge: false }, bytes));
            let slots = of_slots.iter().map(|(last, bytes)| (Holder::Slot { last, keeper }, bytes));
            let shares = blocks.chain(slots).filter(|(_, bytes)| *bytes > 0);
            map.page(slab.start + start, page_bytes, shares.map(|(holder, bytes)| Share { holder, bytes }));
        }
    }

    /// A large block, or the part of it in a window.
    pub(in crate::attribute) fn map_large(
        &mut self,
        runs: &mut Runs<'_>,
        extent: &Extent,
        block: (usize, usize),
        (window, page_bytes): ((usize, usize), usize),
        owner: Option<usize>,
    ) {
        let Some(map) = &mut self.map else { return };
        let owner = Owner::of(owner);
        let inside = window.0 <= extent.start && extent.end <= window.1;
        if inside && let Some((kind, _)) = runs.uniform(extent.start, extent.end) {
            if map.is_resident(kind) {
                let around = (block.0 - extent.start, extent.end - block.1);
                map.large((extent.start, extent.end - extent.start), page_bytes, owner, around);
            }
            return;
        }
        let holder = Holder::Block { owner, huge: extent.end - extent.start >= super::HUGE_BYTES };
        let whole = (block.0.next_multiple_of(page_bytes), block.1 - block.1 % page_bytes);
        let (from, to) = (extent.start.max(window.0), extent.end.min(window.1));
        for run in runs.within(from, to) {
            if !map.is_resident(Some(run.kind)) {
                continue;
            }
            let (mut at, end) = (run.start.max(from), run.end.min(to));
            while at < end {
                let next = if whole.0 <= at && at < whole.1 { end.min(whole.1) } else { at + page_bytes };
                let of_block = block.1.min(next).saturating_sub(block.0.max(at)) as u64;
                let of_pad = (next - at) as u64 - of_block;
                match (of_block, of_pad) {
                    (_, 0) => map.pages(at, next, page_bytes, holder),
                    (0, _) => map.pages(at, next, page_bytes, Holder::Pad),
                    _ => {
                        let shares = [(holder, of_block), (Holder::Pad, of_pad)];
                        map.page(at, page_bytes, shares.into_iter().map(|(holder, bytes)| Share { holder, bytes }));
                    }
                }
                at = next;
            }
        }
    }

    /// Pages that no block lies in.
    pub(in crate::attribute) fn map_free(
        &mut self,
        state: ExtentState,
        owner: PageOwner,
        kind: PageKind,
        (start, end, page_bytes): (usize, usize, usize),
    ) {
        let Some(map) = &mut self.map else { return };
        if !map.is_resident(Some(kind)) {
            return;
        }
        let last = Owner::of_page(owner);
        let state = match state {
            ExtentState::Dirty => FreeState::Dirty,
            ExtentState::Muzzy => FreeState::Muzzy,
            _ => FreeState::Retained,
        };
        map.pages(start, end, page_bytes, Holder::Free { state, last });
    }

    pub(in crate::attribute) fn map_moved(&mut self, runs: &mut Runs<'_>, start: usize, end: usize) {
        let Some(map) = &mut self.map else { return };
        for run in runs.within(start, end) {
            if map.is_resident(Some(run.kind)) {
                map.pages(run.start.max(start), run.end.min(end), super::SMALLEST_PAGE_BYTES, Holder::Moved);
            }
        }
    }
}

impl MapWriter<'_> {
    /// Whether pages of this kind are in memory; where nobody can tell, the map is not clear any more.
    #[inline]
    fn is_resident(&mut self, kind: Option<PageKind>) -> bool {
        if kind == Some(PageKind::AnonOrZero) {
            self.unclear();
        }
        matches!(kind, Some(PageKind::Anon | PageKind::File))
    }
}

/// How much each of a few owners has.
#[derive(Debug)]
pub(in crate::attribute) struct Counts {
    of: [(Owner, u64); OWNERS],
    len: usize,
    /// The one that was added to last.
    at: usize,
}

impl Counts {
    pub(in crate::attribute) const fn new() -> Self {
        Self { of: [(Owner::Nobody, 0); OWNERS], len: 0, at: 0 }
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    fn add(&mut self, owner: Owner, more: u64) {
        let known = self.of.get_mut(..self.len).unwrap_or_default();
        let place = match known.get(self.at) {
            Some((same, _)) if *same == owner => self.at,
            _ => match known.iter().position(|(known, _)| *known == owner) {
                Some(place) => place,
                None if self.len < OWNERS => {
                    self.of[self.len] = (owner, 0);
                    self.len += 1;
                    self.len - 1
                }
                // The last place is for all that have none.
                None => {
                    self.of[OWNERS - 1].0 = Owner::Several;
                    OWNERS - 1
                }
            },
        };
        self.at = place;
        self.of[place].1 += more;
    }

    fn iter(&self) -> impl Iterator<Item = (Owner, u64)> + Clone {
        self.of.iter().take(self.len).copied()
    }

    /// Puts them in the order of their owners, so that what is alike is written alike.
    fn sort(&mut self) {
        self.of.get_mut(..self.len).unwrap_or_default().sort_unstable_by_key(|(owner, _)| *owner);
    }

    fn sum(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Who keeps a slab with these allocated slots.
    fn keeper(&self) -> Owner {
        match self.len {
            0 => Owner::Nobody,
            1 => self.of[0].0,
            _ => Owner::Several,
        }
    }
}
