//! A world as a sheet adds it up.

use heapledger_probe::attribute::{CLASSES, ClassPages, Extent, Gap, Owners, RegionPages, Run, Sheet, Totals};

use super::{ARENAS, PAGE, REGIONS, Random, Synthetic};

/// What a sheet has added up.
#[derive(Clone, Debug)]
pub struct Added {
    pub regions: Vec<RegionPages>,
    pub classes: Vec<ClassPages>,
    pub arenas: Vec<[u64; 4]>,
    pub totals: Totals,
    pub gaps: Vec<Gap>,
}

/// Adds a world up, in windows that are cut anywhere but inside slabs.
pub fn add(world: &Synthetic, extents: &[Extent], runs: &[Run], random: &mut Random) -> Added {
    add_with(world, world, extents, runs, random)
}

/// The same with another owner map.
pub fn add_with(
    world: &Synthetic,
    owners: &impl Owners,
    extents: &[Extent],
    runs: &[Run],
    random: &mut Random,
) -> Added {
    let mut added = Added {
        regions: vec![RegionPages::default(); REGIONS + 1],
        classes: vec![ClassPages::default(); CLASSES],
        arenas: vec![[0; 4]; ARENAS],
        totals: Totals::default(),
        gaps: Vec::new(),
    };
    each_window(world, extents, runs, random, |runs, extents, window| {
        let mut sheet = Sheet::new(&mut added.regions, &mut added.classes, &mut added.arenas, &mut added.totals);
        sheet.add(world, owners, runs, extents, window, |gap| added.gaps.push(gap));
    });
    added
}

/// The windows of a walk, one after the other: the runs and extents that touch each, and where it starts and ends.
pub fn each_window(
    world: &Synthetic,
    extents: &[Extent],
    runs: &[Run],
    random: &mut Random,
    mut each: impl FnMut(&[Run], &[Extent], (usize, usize)),
) {
    let mut from = world.start;
    while from < world.end() {
        let mut to = (from + (1 + random.below(40)) * PAGE).min(world.end());
        if let Some(slab) = extents.iter().find(|extent| extent.slab && extent.start < to && extent.end > to) {
            to = slab.end;
        }
        let touches = |start: usize, end: usize| start < to && end > from;
        let runs: Vec<_> = runs.iter().filter(|run| touches(run.start, run.end)).copied().collect();
        let extents: Vec<_> = extents.iter().filter(|extent| touches(extent.start, extent.end)).copied().collect();
        each(&runs, &extents, (from, to));
        from = to;
    }
}
