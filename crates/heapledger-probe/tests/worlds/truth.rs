//! What each byte of a world is for, by itself and as a sheet says it.

use std::collections::BTreeMap;

use heapledger_probe::attribute::{CLASSES, ExtentState, PageKind, PageOwner};
use heapledger_probe::read::Residency;

use super::added::Added;
use super::{PAGE, REGIONS, Synthetic};

/// What a byte is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Line {
    Small { region: usize, class: usize },
    FreeSlots { class: usize },
    Usable { region: usize },
    Pad { region: usize },
    Free { state: u8, region: usize },
    FreeMixed { state: u8 },
    Base,
    Gap,
    Moved,
}

/// Every byte of a world by itself: resident surely, and perhaps.
pub fn truth(world: &Synthetic) -> BTreeMap<Line, Residency> {
    let mut lines = BTreeMap::new();
    for (number, page) in world.pages.iter().enumerate() {
        let resident = match page.kind {
            Some(PageKind::Anon | PageKind::File) => (1, 1),
            Some(PageKind::AnonOrZero) => (0, 1),
            _ => continue,
        };
        let start = world.start + number * PAGE;
        for address in start..start + PAGE {
            let line: &mut Residency = lines.entry(line_of(world, page.owner, address)).or_default();
            line.at_least_bytes += resident.0;
            line.at_most_bytes += resident.1;
        }
    }
    lines
}

fn row(owner: Option<usize>) -> usize {
    owner.unwrap_or(REGIONS)
}

fn line_of(world: &Synthetic, owner: PageOwner, address: usize) -> Line {
    let region = match owner {
        PageOwner::Region(region) => row(Some(region)),
        _ => row(None),
    };
    let Some(extent) = world.extents.iter().find(|extent| (extent.start..extent.end).contains(&address)) else {
        let base = world.base.iter().any(|base| (base.0..base.0 + base.1).contains(&address));
        return if base { Line::Base } else { Line::Gap };
    };
    let state = extent.state as u8;
    match (extent.state, extent.slab, owner) {
        (ExtentState::Moved, ..) => Line::Moved,
        (ExtentState::Active, true, _) => {
            let class = usize::from(extent.szind);
            let slot = (address - extent.start) / world.classes.slot_bytes[class] as usize;
            let slab = &world.slabs[&extent.start];
            match slab.free.get(slot) {
                Some(false) => Line::Small { region: row(slab.owners[slot]), class },
                _ => Line::FreeSlots { class },
            }
        }
        (ExtentState::Active, false, _) => {
            let block = extent.start + usize::from(extent.block_offset);
            let usable = world.classes.large_bytes(extent.szind, 0);
            if (block..block + usable).contains(&address) { Line::Usable { region } } else { Line::Pad { region } }
        }
        (_, _, PageOwner::Mixed) => Line::FreeMixed { state },
        _ => Line::Free { state, region },
    }
}

/// What a sheet says, by the same lines.
pub fn lines(added: &Added) -> BTreeMap<Line, Residency> {
    let mut lines = BTreeMap::new();
    let mut put = |line: Line, resident: Residency| {
        if resident != Residency::default() {
            *lines.entry(line).or_default() += resident;
        }
    };
    for (region, pages) in added.regions.iter().enumerate() {
        for class in 0..CLASSES {
            put(Line::Small { region, class }, pages.small[class].allocated_resident);
        }
        put(Line::Usable { region }, pages.large.usable_resident);
        put(Line::Pad { region }, pages.large.pad_resident);
        for (state, resident) in [(1, pages.dirty), (2, pages.muzzy), (3, pages.retained)] {
            put(Line::Free { state, region }, resident);
        }
    }
    for (class, pages) in added.classes.iter().enumerate() {
        put(Line::FreeSlots { class }, pages.free_resident);
    }
    let totals = &added.totals;
    for (state, free) in [(1, totals.dirty), (2, totals.muzzy), (3, totals.retained)] {
        put(Line::FreeMixed { state }, free.mixed_resident);
    }
    put(Line::Base, totals.base_resident);
    put(Line::Gap, added.gaps.iter().map(|gap| gap.resident).sum());
    put(Line::Moved, totals.moved.resident);
    lines
}
