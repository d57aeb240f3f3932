//! The arithmetic of a walk against a count of every byte, on worlds that never existed.

#[allow(dead_code, reason = "each test program uses a part of it")]
mod worlds;

use std::collections::BTreeSet;

use heapledger_probe::attribute::{CLASSES, ExtentState};
use heapledger_probe::read::Residency;
use worlds::added::add;
use worlds::truth::{Line, lines, truth};
use worlds::{Random, Synthetic};

const WORLDS: u64 = 300;

#[test]
fn every_byte_stands_on_its_line() {
    for seed in 0..WORLDS {
        let world = Synthetic::new(seed);
        let mut random = Random(!seed);
        let runs = world.runs(&mut random);
        let added = add(&world, &world.extents, &runs, &mut random);
        assert_eq!(lines(&added), truth(&world), "seed {seed}");
    }
}

#[test]
fn slots_blocks_and_address_space_are_counted_resident_or_not() {
    for seed in 0..WORLDS {
        let world = Synthetic::new(seed);
        let mut random = Random(!seed);
        let runs = world.runs(&mut random);
        let added = add(&world, &world.extents, &runs, &mut random);
        let mut slots = vec![[0_u64; CLASSES]; worlds::REGIONS + 1];
        let mut arenas = vec![[0_u64; 4]; worlds::ARENAS];
        let (mut large, mut moved) = (0, 0);
        for extent in &world.extents {
            if extent.state == ExtentState::Moved {
                moved += 1;
                continue;
            }
            arenas[usize::from(extent.arena)][extent.state as usize] += (extent.end - extent.start) as u64;
            large += u64::from(extent.state == ExtentState::Active && !extent.slab);
            let Some(slab) = world.slabs.get(&extent.start) else { continue };
            for (owner, _) in slab.owners.iter().zip(&slab.free).filter(|(_, free)| !**free) {
                slots[owner.unwrap_or(worlds::REGIONS)][usize::from(extent.szind)] += 1;
            }
        }
        let counted = |region: usize| added.regions[region].small.map(|small| small.allocated_slots);
        for (region, slots) in slots.iter().enumerate() {
            assert_eq!(counted(region), *slots, "seed {seed}, region {region}");
        }
        assert_eq!(added.arenas, arenas, "seed {seed}");
        assert_eq!(added.regions.iter().map(|region| region.large.blocks).sum::<u64>(), large, "seed {seed}");
        assert_eq!(added.totals.moved.extents, moved, "seed {seed}");
        assert_eq!(added.totals.base_bytes, world.base.iter().map(|base| base.1 as u64).sum(), "seed {seed}");
    }
}

#[test]
fn free_slots_are_charged_to_who_has_allocated_ones_beside_them() {
    let zero = Residency::default();
    for seed in 0..WORLDS {
        let world = Synthetic::new(seed);
        let mut random = Random(!seed);
        let runs = world.runs(&mut random);
        let added = add(&world, &world.extents, &runs, &mut random);
        let mut alone = vec![zero; worlds::REGIONS + 1];
        let mut shared = vec![zero; worlds::REGIONS + 1];
        let mut shared_once = zero;
        for extent in world.extents.iter().filter(|extent| extent.slab) {
            let slab = &world.slabs[&extent.start];
            let live = slab.owners.iter().zip(&slab.free).filter(|(_, free)| !**free);
            let owners: BTreeSet<usize> = live.map(|(owner, _)| owner.unwrap_or(worlds::REGIONS)).collect();
            // The world with this slab alone.
            let mut only = world.clone();
            only.extents.retain(|other| other.start == extent.start);
            let free = truth(&only).into_iter().filter(|(line, _)| matches!(line, Line::FreeSlots { .. }));
            let free: Residency = free.map(|(_, resident)| resident).sum();
            if owners.len() > 1 {
                shared_once += free;
            }
            for owner in &owners {
                *(if owners.len() == 1 { &mut alone } else { &mut shared }).get_mut(*owner).expect("a row") += free;
            }
        }
        for (region, pages) in added.regions.iter().enumerate() {
            assert_eq!(pages.free_pinned_alone, alone[region], "seed {seed}, region {region}");
            assert_eq!(pages.free_pinned_shared, shared[region], "seed {seed}, region {region}");
        }
        assert_eq!(added.totals.slabs.free_shared_resident, shared_once, "seed {seed}");
    }
}
