//! A walk that is wrong on purpose: each time a check fails, and says which.

mod checks;
#[allow(dead_code, reason = "each test program uses a part of it")]
mod worlds;

use checks::{Check, Facts, LiveBlocks, check};

use heapledger_probe::attribute::{
    ArenaSums, CLASSES, ClassPages, Extent, ExtentState, Heap, KernelPages, Moved, Outside, Owners, PageKind,
    PageOwner, Run, Unattributed, Walk,
};
use heapledger_probe::read::{Backend, Residency};
use worlds::added::{Added, add, add_with};
use worlds::{PAGE, Random, Synthetic};

const WORLDS: u64 = 200;

/// A world in which nothing moves and every page is known.
fn world(seed: u64) -> Synthetic {
    let mut world = Synthetic::new(seed);
    for extent in &mut world.extents {
        if extent.state == ExtentState::Moved {
            extent.state = ExtentState::Dirty;
        }
    }
    for page in &mut world.pages {
        if page.kind == Some(PageKind::AnonOrZero) {
            page.kind = Some(PageKind::Anon);
        }
    }
    world
}

fn runs(world: &Synthetic) -> Vec<Run> {
    world.runs(&mut Random(1))
}

/// The statement's walk from what was added up; pages are those of the runs that were looked at.
fn walk(world: &Synthetic, added: &Added, runs: &[Run]) -> Walk {
    let totals = &added.totals;
    let sums = added.arenas.iter().zip(arenas(world)).zip(0..);
    Walk {
        page_bytes: PAGE as u64,
        backend: Backend::Scan,
        pages: KernelPages {
            anon: runs.iter().map(|run| run.resident_in(world.start, world.end())).sum(),
            ..KernelPages::default()
        },
        heap: Ok(Heap {
            regions: added.regions.clone(),
            classes: counted(world, &added.classes),
            slabs: totals.slabs,
            dirty: totals.dirty,
            muzzy: totals.muzzy,
            retained: totals.retained,
            base_bytes: totals.base_bytes,
            base_resident: totals.base_resident,
            sums: sums
                .map(|((walked, counted), arena)| ArenaSums { arena, walked_bytes: *walked, counted_bytes: counted })
                .collect(),
            extents: totals.extents,
            uncounted: None,
        }),
        own_tables: Residency::default(),
        scratch: Residency::default(),
        outside: Outside::default(),
        unattributed: added
            .gaps
            .iter()
            .map(|gap| Unattributed { start: gap.start, end: gap.end, resident: gap.resident })
            .collect(),
        unlisted_resident: Residency::default(),
        moved: Moved { ..totals.moved },
    }
}

/// What jemalloc would say of slabs and slots.
fn counted(world: &Synthetic, classes: &[ClassPages]) -> Vec<ClassPages> {
    let mut classes = classes.to_vec();
    for extent in &world.extents {
        let Some(slab) = world.slabs.get(&extent.start) else { continue };
        let class = &mut classes[usize::from(extent.szind)];
        class.counted_slabs += 1;
        class.counted_slots += slab.free.iter().filter(|free| !**free).count() as u64;
    }
    classes
}

fn arenas(world: &Synthetic) -> Vec<[u64; 4]> {
    let mut arenas = vec![[0; 4]; worlds::ARENAS];
    for extent in &world.extents {
        arenas[usize::from(extent.arena)][extent.state as usize] += (extent.end - extent.start) as u64;
    }
    arenas
}

/// What the kernel, jemalloc and the counters would say: all that is allocated on a region's pages lives, and what is
/// on nobody's is cached.
fn facts(world: &Synthetic) -> Facts {
    let none = LiveBlocks { small_blocks: [0; CLASSES], large_usable_bytes: 0 };
    let mut regions = vec![none; worlds::REGIONS + 1];
    let slot_bytes = world.classes.slot_bytes;
    for extent in world.extents.iter().filter(|extent| extent.state == ExtentState::Active) {
        if let Some(slab) = world.slabs.get(&extent.start) {
            for (owner, _) in slab.owners.iter().zip(&slab.free).filter(|(_, free)| !**free) {
                regions[owner.unwrap_or(worlds::REGIONS)].small_blocks[usize::from(extent.szind)] += 1;
            }
        } else {
            let owner = world.pages[(extent.start - world.start) / PAGE].owner;
            let row = if let PageOwner::Region(region) = owner { region } else { worlds::REGIONS };
            let bytes = extent.end - extent.start;
            regions[row].large_usable_bytes += world.classes.large_bytes(extent.szind, bytes) as u64;
        }
    }
    let usable = |region: &LiveBlocks| {
        let small = region.small_blocks.iter().zip(slot_bytes).map(|(blocks, bytes)| blocks * u64::from(bytes));
        small.sum::<u64>() + region.large_usable_bytes
    };
    let allocated_bytes = regions.iter().map(usable).sum();
    let cached_bytes = regions.pop().as_ref().map_or(0, usable);
    let written = world.pages.iter().filter(|page| page.kind == Some(PageKind::Anon)).count() * PAGE;
    Facts {
        rss_bytes: [Some(written as u64), Some(0), Some(0)],
        allocated_bytes,
        past_the_ledger_bytes: 0,
        cached_bytes,
        base_bytes: world.base.iter().map(|base| base.1 as u64).sum(),
        regions,
        slot_bytes: slot_bytes.to_vec(),
    }
}

fn failed(world: &Synthetic, extents: &[Extent], runs: &[Run]) -> Vec<Check> {
    let added = add(world, extents, runs, &mut Random(2));
    check(&walk(world, &added, runs), &facts(world)).into_iter().map(|failed| failed.check).collect()
}

/// Worlds, and a choice among the extents of each that `fits`.
fn each_chosen(fits: impl Fn(&Extent) -> bool, mut check: impl FnMut(u64, Synthetic, usize)) {
    let mut count = 0;
    for seed in 0..WORLDS {
        let world = world(seed);
        let chosen: Vec<usize> = (0..world.extents.len()).filter(|at| fits(&world.extents[*at])).collect();
        if !chosen.is_empty() {
            count += 1;
            check(seed, world, chosen[Random(seed).below(chosen.len())]);
        }
    }
    assert!(count > WORLDS / 4, "only {count} worlds have such an extent");
}

#[test]
fn a_walk_that_is_right_fails_no_check() {
    for seed in 0..WORLDS {
        let world = world(seed);
        assert_eq!(failed(&world, &world.extents, &runs(&world)), [], "seed {seed}");
    }
}

#[test]
fn an_extent_that_is_hidden_is_missed_in_its_arena() {
    each_chosen(
        |_| true,
        |seed, world, at| {
            let mut extents = world.extents.clone();
            let hidden = extents.remove(at);
            let check = Check::Extents { arena: u32::from(hidden.arena), state: hidden.state as usize };
            assert!(failed(&world, &extents, &runs(&world)).contains(&check), "seed {seed}");
        },
    );
}

#[test]
fn two_extents_whose_states_are_swapped_are_missed_in_their_arenas() {
    each_chosen(
        |extent| extent.state != ExtentState::Active,
        |seed, world, at| {
            let differs = |other: &Extent| {
                let one = &world.extents[at];
                let size = |extent: &Extent| (extent.end - extent.start, extent.arena);
                other.state != one.state && other.state != ExtentState::Active && size(other) != size(one)
            };
            let Some(other) = world.extents.iter().position(differs) else { return };
            let mut extents = world.extents.clone();
            (extents[at].state, extents[other].state) = (extents[other].state, extents[at].state);
            let found = failed(&world, &extents, &runs(&world));
            assert!(found.iter().any(|check| matches!(check, Check::Extents { .. })), "seed {seed}: {found:?}");
        },
    );
}

#[test]
fn a_slab_without_its_bit_is_missed_among_the_slabs_of_its_class() {
    each_chosen(
        |extent| extent.slab,
        |seed, world, at| {
            let mut extents = world.extents.clone();
            extents[at].slab = false;
            let check = Check::Slabs { class: usize::from(extents[at].szind) };
            assert!(failed(&world, &extents, &runs(&world)).contains(&check), "seed {seed}");
        },
    );
}

#[test]
fn a_mapping_that_is_skipped_is_a_counter_gap() {
    each_chosen(
        |_| true,
        |seed, world, at| {
            let skipped = world.extents[at];
            let outside = |start: usize, end: usize| end <= skipped.start || start >= skipped.end;
            let all = world.runs(&mut Random(1));
            let mut kept: Vec<Run> = Vec::new();
            for run in &all {
                for (start, end) in [(run.start, run.end.min(skipped.start)), (run.start.max(skipped.end), run.end)] {
                    if start < end && outside(start, end) {
                        kept.push(Run { start, end, kind: run.kind });
                    }
                }
            }
            let resident: Residency = all.iter().map(|run| run.resident_in(skipped.start, skipped.end)).sum();
            if resident == Residency::default() {
                return;
            }
            let mut extents = world.extents.clone();
            extents.remove(at);
            let found = failed(&world, &extents, &kept);
            assert!(found.contains(&Check::CounterGap("RssAnon")), "seed {seed}: {found:?}");
        },
    );
}

/// The owner map of a world, with the tags of one region told of the page before.
struct Shifted(Synthetic);

impl Owners for Shifted {
    type Page = (usize, PageOwner);

    fn page(&self, address: usize) -> (usize, PageOwner) {
        let behind = (address + PAGE).min(self.0.end() - 1);
        (address / PAGE * PAGE, self.0.page(behind).1)
    }

    fn start_owner(&self, page: (usize, PageOwner)) -> PageOwner {
        page.1
    }

    fn last_owner(&self, page: (usize, PageOwner)) -> PageOwner {
        page.1
    }

    fn slot_owner(&self, page: (usize, PageOwner), class: usize, offset: usize) -> Option<usize> {
        self.0.slot_owner(page, class, offset)
    }
}

#[test]
fn tags_that_are_shifted_leave_a_region_with_more_live_blocks_than_pages() {
    let mut count = 0;
    for seed in 0..WORLDS {
        let world = world(seed);
        let runs = runs(&world);
        let right = add(&world, &world.extents, &runs, &mut Random(2));
        let wrong = add_with(&world, &Shifted(world.clone()), &world.extents, &runs, &mut Random(2));
        let blocks = |added: &Added| -> Vec<_> {
            added
                .regions
                .iter()
                .map(|region| (region.small.map(|small| small.allocated_slots), region.large.usable_bytes))
                .collect()
        };
        if blocks(&right) == blocks(&wrong) {
            continue;
        }
        count += 1;
        let failed = check(&walk(&world, &wrong, &runs), &facts(&world));
        // What a region lost, nobody may have got: that is no region, and its blocks count as cached.
        let lost = |check: &Check| matches!(check, Check::Region(_));
        let to_a_region = failed.iter().any(|failed| lost(&failed.check));
        let from_nobody = blocks(&right)[..worlds::REGIONS].iter().zip(&blocks(&wrong)).all(|(right, wrong)| {
            right.1 <= wrong.1 && right.0.iter().zip(&wrong.0).all(|(right, wrong)| right <= wrong)
        });
        assert!(to_a_region || from_nobody, "seed {seed}: {failed:?}");
    }
    assert!(count > WORLDS / 4, "only {count} worlds notice");
}
