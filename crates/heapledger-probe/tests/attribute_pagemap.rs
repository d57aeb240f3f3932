//! The map of a walk's pages against a count of every byte, and what it takes.

#[allow(dead_code, reason = "each test program uses a part of it")]
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use heapledger_probe::attribute::pagemap::{FreeState, Holder, MapFault, MapWriter, Owner, Piece, Pieces};
use heapledger_probe::attribute::{CLASSES, ClassPages, ExtentState, PageKind, PageOwner, RegionPages, Sheet, Totals};
use worlds::added::each_window;
use worlds::synthetic::{Slab, classes};
use worlds::{PAGE, Random, Synthetic};

const WORLDS: u64 = 60;

/// Large blocks of this and more are huge.
const HUGE_BYTES: usize = 8 << 20;

/// Walks a world in windows, and gives the map that was written.
fn map_of(world: &Synthetic, room: usize, random: &mut Random) -> Result<Vec<u8>, MapFault> {
    let runs = world.runs(random);
    let mut regions = vec![RegionPages::default(); worlds::REGIONS + 1];
    let mut classes = vec![ClassPages::default(); CLASSES];
    let mut arenas = vec![[0; 4]; worlds::ARENAS];
    let mut totals = Totals::default();
    let mut bytes = vec![0; room];
    let map = Some(MapWriter::new(&mut bytes));
    let mut sheet = Sheet::new(&mut regions, &mut classes, &mut arenas, &mut totals).with_map(map);
    each_window(world, &world.extents, &runs, random, |runs, extents, window| {
        sheet.add(world, world, runs, extents, window, |_| {});
    });
    let written = sheet.take_map().expect("it was given").finish()?;
    bytes.truncate(written);
    Ok(bytes)
}

fn pieces(map: &[u8], world: &Synthetic) -> Vec<Piece> {
    let mut from_map = Pieces::new(map, &world.classes);
    let mut lazily = Pieces::new(map, &world.classes).lazily();
    let (mut piece, mut lazy, mut pieces) = (Piece::default(), Piece::default(), Vec::new());
    while from_map.next_into(&mut piece) {
        // The same comes where shares are asked for later.
        assert!(lazily.next_into(&mut lazy));
        if lazy.alike != 0 {
            assert!(lazy.shares.is_empty());
            let alike = std::mem::take(&mut lazy.alike);
            match lazily.record(alike) {
                [] => lazily.fill(alike, &mut lazy.shares),
                record => lazy.shares.extend(lazily.shares_of(record)),
            }
        }
        assert_eq!(lazy, piece);
        pieces.push(piece.clone());
    }
    assert!(!lazily.next_into(&mut lazy));
    pieces
}

/// Who keeps each slab, by its start.
fn keepers(world: &Synthetic) -> BTreeMap<usize, Owner> {
    let keeper = |slab: &Slab| {
        let allocated = slab.owners.iter().zip(&slab.free).filter(|(_, free)| !**free);
        let keepers: BTreeSet<Owner> = allocated.map(|(owner, _)| Owner::of(*owner)).collect();
        match keepers.len() {
            0 => Owner::Nobody,
            1 => *keepers.first().expect("there is one"),
            _ => Owner::Several,
        }
    };
    world.slabs.iter().map(|(start, slab)| (*start, keeper(slab))).collect()
}

/// What a byte of a resident page in an extent is for.
fn holder(world: &Synthetic, keepers: &BTreeMap<usize, Owner>, address: usize) -> Option<Holder> {
    let extent = world.extents.iter().find(|extent| (extent.start..extent.end).contains(&address))?;
    let last = match world.pages[(address - world.start) / PAGE].owner {
        PageOwner::Nobody => Owner::Nobody,
        PageOwner::Region(region) => Owner::of(Some(region)),
        PageOwner::Mixed => Owner::Several,
    };
    Some(match (extent.state, extent.slab) {
        (ExtentState::Active, true) => {
            let slab = &world.slabs[&extent.start];
            let slot = (address - extent.start) / world.classes.slot_bytes[usize::from(extent.szind)] as usize;
            let owner = slab.owners.get(slot).map_or(Owner::Nobody, |owner| Owner::of(*owner));
            let keeper = keepers[&extent.start];
            match slab.free.get(slot) {
                Some(false) => Holder::Block { owner, huge: false },
                _ => Holder::Slot { last: owner, keeper },
            }
        }
        (ExtentState::Active, false) => {
            let block = extent.start + usize::from(extent.block_offset);
            let owner = if last == Owner::Several { Owner::Nobody } else { last };
            let huge = extent.end - extent.start >= HUGE_BYTES;
            match address.checked_sub(block) {
                Some(inside) if inside < world.classes.large_bytes(extent.szind, 0) => Holder::Block { owner, huge },
                _ => Holder::Pad,
            }
        }
        (ExtentState::Dirty, _) => Holder::Free { state: FreeState::Dirty, last },
        (ExtentState::Muzzy, _) => Holder::Free { state: FreeState::Muzzy, last },
        (ExtentState::Retained, _) => Holder::Free { state: FreeState::Retained, last },
        (ExtentState::Moved, _) => Holder::Moved,
    })
}

fn clear(seed: u64) -> Synthetic {
    let mut world = Synthetic::new(seed);
    for page in world.pages.iter_mut().filter(|page| page.kind == Some(PageKind::AnonOrZero)) {
        page.kind = Some(PageKind::Anon);
    }
    world
}

#[test]
fn every_byte_of_every_piece_has_the_holder_that_the_map_says() {
    for seed in 0..WORLDS {
        let world = clear(seed);
        let map = map_of(&world, 1 << 20, &mut Random(!seed)).expect("there is room");
        let (keepers, mut seen) = (keepers(&world), BTreeSet::new());
        for piece in pieces(&map, &world) {
            let mut holders: BTreeMap<Holder, u64> = BTreeMap::new();
            for address in piece.start..piece.end {
                let holder = holder(&world, &keepers, address).expect("it is in an extent");
                *holders.entry(holder).or_default() += 1;
            }
            let shares: BTreeMap<Holder, u64> = piece.shares.iter().map(|share| (share.holder, share.bytes)).collect();
            assert_eq!(shares, holders, "seed {seed}, {piece:x?}");
            assert_eq!(shares.len(), piece.shares.len(), "seed {seed}: each holder comes once");
            for page in (piece.start..piece.end).step_by(PAGE) {
                assert!(seen.insert(page), "seed {seed}: {page:x} comes twice");
            }
        }
        let resident = world.pages.iter().enumerate().filter(|(_, page)| page.kind == Some(PageKind::Anon));
        let resident = resident.map(|(number, _)| world.start + number * PAGE);
        let in_extents: BTreeSet<usize> = resident.filter(|page| holder(&world, &keepers, *page).is_some()).collect();
        assert_eq!(seen, in_extents, "seed {seed}");
    }
}

#[test]
fn pages_that_may_be_zero_make_no_map() {
    let mut unclear = 0;
    for seed in 0..WORLDS {
        let world = Synthetic::new(seed);
        let keepers = keepers(&world);
        let perhaps = (world.start..)
            .step_by(PAGE)
            .zip(&world.pages)
            .any(|(page, of)| of.kind == Some(PageKind::AnonOrZero) && holder(&world, &keepers, page).is_some());
        unclear += usize::from(perhaps);
        let map = map_of(&world, 1 << 20, &mut Random(!seed));
        assert_eq!(map.err(), perhaps.then_some(MapFault::Unclear), "seed {seed}");
    }
    assert!(unclear > 0, "some worlds have such pages");
}

#[test]
fn a_map_that_does_not_fit_says_so() {
    let world = clear(7);
    let map = map_of(&world, 1 << 20, &mut Random(1)).expect("there is room");
    assert_eq!(map_of(&world, map.len() - 1, &mut Random(1)), Err(MapFault::NoRoom));
}

/// Writes one-page slabs of 64-byte slots side by side, and gives the bytes of the map for each page.
fn bytes_per_page(pages: usize, mut slab: impl FnMut(&mut MapWriter<'_>, usize, usize)) -> f64 {
    let classes = classes();
    let class = classes.slot_bytes.iter().position(|bytes| *bytes == 64).expect("it is a class");
    assert_eq!(classes.slab_bytes[class] as usize, PAGE);
    let mut bytes = vec![0; 64 * pages];
    let mut map = MapWriter::new(&mut bytes);
    (0..pages).for_each(|page| slab(&mut map, (1 << 40) + page * PAGE, class));
    map.finish().expect("there is room") as f64 / pages as f64
}

const PAGES: usize = 100_000;

#[test]
fn pages_of_one_region_each_take_a_byte_at_most() {
    let mut random = Random(3);
    let full = bytes_per_page(PAGES, |map, page, class| map.slab(page, PAGE, class, Owner::Region(7), 0));
    assert!(full < 0.01, "full pages of one region: {full}");
    let used = bytes_per_page(PAGES, |map, page, class| {
        map.slab(page, PAGE, class, Owner::Region(7), random.below(64) as u64);
    });
    assert!(used < 1.01, "pages of one region, each with free slots: {used}");
    let apart = bytes_per_page(PAGES, |map, page, class| {
        map.slab(page, PAGE, class, Owner::Region(random.below(60) as u32), 0);
    });
    assert!(apart < 1.01, "full pages of sixty regions: {apart}");
    let freed = bytes_per_page(PAGES, |map, page, _| {
        let last = Owner::Region(random.below(60) as u32);
        map.pages(page, page + PAGE, PAGE, Holder::Free { state: FreeState::Dirty, last });
    });
    assert!(freed < 1.01, "dirty pages of sixty regions: {freed}");
    // Blocks of 16 KiB, the smallest large ones, with their pads.
    let large = bytes_per_page(PAGES / 5, |map, page, _| {
        let start = (1 << 41) + (page - (1 << 40)) * 5;
        let before = random.below(64) * 64;
        map.large((start, 5 * PAGE), PAGE, Owner::Region(1), (before, PAGE - before));
    }) / 5.0;
    assert!(large < 0.5, "blocks of 16 KiB: {large}");
}

/// What the issue allows beyond a byte for each page: for each region on a mixed page.
const BYTES_PER_MIXED: f64 = 8.0;

#[test]
fn a_mixed_page_takes_eight_bytes_for_each_region_and_one_in_twenty_keeps_within_a_byte_for_each_page() {
    let mixed = |random: &mut Random, map: &mut MapWriter<'_>, page: usize, class: usize, regions: u64| {
        let share = 64 / (2 * regions);
        let owners = |first: u32| (0..regions as u32).map(move |region| (Owner::Region(first + region), share));
        map.mixed((page, PAGE), class, owners(random.below(400) as u32), owners(random.below(400) as u32));
    };
    let mut random = Random(5);
    let mut one_in_twenty = |free: usize| {
        bytes_per_page(PAGES, |map, page, class| {
            if random.one_in(20) {
                mixed(&mut random, map, page, class, 2);
            } else {
                map.slab(page, PAGE, class, Owner::Region(3), random.below(free) as u64);
            }
        })
    };
    let (full, used) = (one_in_twenty(1), one_in_twenty(64));
    assert!(full <= 1.0, "all other pages are full: {full}");
    assert!(used <= 1.0 + BYTES_PER_MIXED * 2.0 / 20.0, "all others have free slots, each another number: {used}");
    for regions in [2, 4, 8] {
        let mut random = Random(regions);
        let all = bytes_per_page(PAGES, |map, page, class| mixed(&mut random, map, page, class, regions));
        assert!(all <= BYTES_PER_MIXED * regions as f64, "{regions} regions on each page: {all}");
    }
}
