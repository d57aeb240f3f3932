//! A world: its pages, extents, slabs and base blocks, made from a seed, and what it tells a walk.

use std::collections::BTreeMap;

use heapledger_probe::attribute::{
    Bitmap, CLASSES, Classes, Extent, ExtentState, GapKind, Owners, PageKind, PageOwner, Run, World,
};

use super::{ARENAS, PAGE, REGIONS, Random};

/// Where worlds begin; below an address at which a base block can lie.
const ORIGIN: usize = (1 << 40) - 8 * PAGE;

/// jemalloc's classes; one of them with a rest behind its slots.
pub fn classes() -> Classes {
    let mut classes = Classes::unknown(PAGE);
    let (mut bytes, mut step) = (16, 16);
    classes.slot_bytes[0] = 8;
    for slot in &mut classes.slot_bytes[1..] {
        *slot = bytes;
        if bytes >= 128 && bytes.is_power_of_two() {
            step = bytes / 4;
        }
        bytes += step;
    }
    for class in 0..CLASSES {
        let slot = classes.slot_bytes[class] as usize;
        let pages = (1..).find(|pages| (pages * PAGE).is_multiple_of(slot)).expect("a multiple");
        let pages = if class == 5 { 1 } else { pages };
        classes.slab_bytes[class] = (pages * PAGE) as u32;
        classes.slots[class] = (pages * PAGE / slot) as u32;
    }
    classes
}

#[derive(Clone, Debug)]
pub struct Slab {
    pub free: Vec<bool>,
    pub owners: Vec<Option<usize>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub kind: Option<PageKind>,
    pub owner: PageOwner,
}

/// A stretch of anonymous memory.
#[derive(Clone, Debug)]
pub struct Synthetic {
    pub classes: Classes,
    pub start: usize,
    pub pages: Vec<Page>,
    pub extents: Vec<Extent>,
    /// By start of the extent.
    pub slabs: BTreeMap<usize, Slab>,
    /// Base blocks: start and bytes.
    pub base: Vec<(usize, usize)>,
    /// Borders of mappings.
    pub borders: Vec<usize>,
}

impl Synthetic {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut world = Self {
            classes: classes(),
            start: ORIGIN,
            pages: Vec::new(),
            extents: Vec::new(),
            slabs: BTreeMap::new(),
            base: Vec::new(),
            borders: Vec::new(),
        };
        // All of it is there, most of it, or a part.
        let absent = [1000, 20, 2][random.below(3)];
        let items = 3 + random.below(14);
        for _ in 0..items {
            match random.below(8) {
                0..=3 => world.slab(&mut random, absent),
                4 => world.large(&mut random, absent),
                5 | 6 => world.free(&mut random, absent),
                _ => world.gap(&mut random, absent),
            }
        }
        world
    }

    pub fn end(&self) -> usize {
        self.start + self.pages.len() * PAGE
    }

    fn push_pages(&mut self, random: &mut Random, absent: usize, count: usize, owner: impl Fn(usize) -> PageOwner) {
        for page in 0..count {
            let kind = if random.one_in(absent) {
                [None, Some(PageKind::Zero), Some(PageKind::Swapped), Some(PageKind::AnonOrZero)][random.below(4)]
            } else {
                Some(PageKind::Anon)
            };
            self.pages.push(Page { kind, owner: owner(page) });
        }
    }

    fn slab(&mut self, random: &mut Random, absent: usize) {
        let class = random.below(CLASSES);
        let (bytes, slots) = (self.classes.slab_bytes[class] as usize, self.classes.slots[class] as usize);
        let slot_bytes = self.classes.slot_bytes[class] as usize;
        let start = self.end();
        let main = random.region();
        let strangers = [1000, 8, 2][random.below(3)];
        let full = random.below(3);
        let mut slab = Slab { free: Vec::new(), owners: Vec::new() };
        for _ in 0..slots {
            slab.owners.push(if random.one_in(strangers) { random.region() } else { main });
            slab.free.push(full > 0 && random.one_in(full + 1));
        }
        let starts_in = |page: usize| (0..slots).filter(move |slot| slot * slot_bytes / PAGE == page);
        let mixed: Vec<bool> = (0..bytes / PAGE)
            .map(|page| {
                let mut owners = starts_in(page).map(|slot| slab.owners[slot]);
                let first = owners.next();
                random.one_in(10) || owners.any(|owner| Some(owner) != first)
            })
            .collect();
        let owners = slab.owners.clone();
        self.push_pages(random, absent, bytes / PAGE, |page| {
            match (mixed[page], starts_in(page).next().and_then(|slot| owners[slot])) {
                (true, _) => PageOwner::Mixed,
                (false, Some(region)) => PageOwner::Region(region),
                (false, None) => PageOwner::Nobody,
            }
        });
        let free_slots = slab.free.iter().filter(|free| **free).count();
        self.slabs.insert(start, slab);
        self.extents.push(Extent {
            start,
            end: start + bytes,
            record: 1,
            state: ExtentState::Active,
            slab: true,
            szind: class as u8,
            arena: random.below(ARENAS) as u16,
            free_slots: free_slots as u16,
            ..Extent::default()
        });
    }

    fn large(&mut self, random: &mut Random, absent: usize) {
        let start = self.end();
        let szind = (CLASSES + random.below(6)) as u8;
        let padded = random.below(2);
        let usable = self.classes.large_bytes(szind, 0);
        let owner = random.region().map_or(PageOwner::Nobody, PageOwner::Region);
        self.push_pages(random, absent, usable / PAGE + padded, |_| owner);
        self.extents.push(Extent {
            start,
            end: self.end(),
            state: ExtentState::Active,
            szind,
            block_offset: (padded * random.below(PAGE / 64) * 64) as u16,
            arena: random.below(ARENAS) as u16,
            ..Extent::default()
        });
    }

    fn free(&mut self, random: &mut Random, absent: usize) {
        let start = self.end();
        let states = [ExtentState::Dirty, ExtentState::Muzzy, ExtentState::Retained, ExtentState::Moved];
        let moves = random.one_in(10);
        let state = states[random.below(if moves { 4 } else { 3 })];
        for _ in 0..1 + random.below(4) {
            let owner = match random.below(REGIONS + 2) {
                REGIONS => PageOwner::Nobody,
                region if region > REGIONS => PageOwner::Mixed,
                region => PageOwner::Region(region),
            };
            let count = 1 + random.below(3);
            self.push_pages(random, absent, count, |_| owner);
        }
        let (end, arena) = (self.end(), random.below(ARENAS) as u16);
        // Left over from when it was a slab.
        let szind = random.below(256) as u8;
        self.extents.push(Extent { start, end, state, szind, arena, ..Extent::default() });
    }

    fn gap(&mut self, random: &mut Random, absent: usize) {
        let count = 1 + random.below(12);
        if random.one_in(3) {
            self.borders.push(self.end());
        }
        self.push_pages(random, absent, count, |_| PageOwner::Nobody);
        let aligned = self.end().next_multiple_of(2 << 20) - (2 << 20);
        let last_gap = self.extents.last().map_or(self.start, |last| last.end).max(self.end() - count * PAGE);
        if self.base.is_empty() && aligned >= last_gap && aligned < self.end() {
            let there = self.pages[(aligned - self.start) / PAGE].kind;
            if matches!(there, Some(PageKind::Anon | PageKind::AnonOrZero)) {
                self.base.push((aligned, self.end() - aligned));
            }
        }
    }

    /// The pages as runs, now and then cut where they need not be.
    pub fn runs(&self, random: &mut Random) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (start, page) in (self.start..).step_by(PAGE).zip(&self.pages) {
            let Some(kind) = page.kind else { continue };
            match runs.last_mut() {
                Some(last) if last.end == start && last.kind == kind && !random.one_in(30) => last.end += PAGE,
                _ => runs.push(Run { start, end: start + PAGE, kind }),
            }
        }
        runs
    }
}

impl Owners for Synthetic {
    type Page = (usize, PageOwner);

    fn page(&self, address: usize) -> (usize, PageOwner) {
        // Pages behind the end are asked for too, before it is known where that is.
        let owner = self.pages.get((address - self.start) / PAGE).map_or(PageOwner::Nobody, |page| page.owner);
        (address / PAGE * PAGE, owner)
    }

    fn start_owner(&self, page: (usize, PageOwner)) -> PageOwner {
        page.1
    }

    fn last_owner(&self, page: (usize, PageOwner)) -> PageOwner {
        page.1
    }

    fn slot_owner(&self, page: (usize, PageOwner), class: usize, offset: usize) -> Option<usize> {
        let address = page.0 + offset;
        let (start, slab) = self.slabs.range(..=address).next_back()?;
        slab.owners[(address - start) / self.classes.slot_bytes[class] as usize]
    }
}

impl World for Synthetic {
    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn bitmap(&self, extent: &Extent) -> Option<Bitmap> {
        let mut bitmap = Bitmap::default();
        for (slot, _) in self.slabs.get(&extent.start)?.free.iter().enumerate().filter(|(_, free)| **free) {
            bitmap[slot / 64] |= 1 << (slot % 64);
        }
        Some(bitmap)
    }

    fn header(&self, address: usize) -> Option<(GapKind, usize)> {
        let base = self.base.iter().find(|base| base.0 == address)?;
        Some((GapKind::Base, base.1))
    }

    fn mapping_end(&self, address: usize) -> usize {
        self.borders.iter().copied().find(|border| *border > address).unwrap_or(self.end())
    }
}
