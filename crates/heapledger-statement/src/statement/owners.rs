//! Parts of a line by the region that owns its pages, or owned them last.

use super::Part;
use super::spans::Span;
use crate::{Figure, HeapReading, RegionPagesReading, RegionReading, Resident};

pub(super) type Owned = fn(&RegionPagesReading) -> Resident;

/// The pages of each region beside its name.
pub(super) struct Owners<'a> {
    named: Vec<(&'a RegionReading, &'a RegionPagesReading)>,
    /// Pages that nobody had, and those of an index that came into being while the pages were read.
    nobody: Vec<&'a RegionPagesReading>,
}

impl<'a> Owners<'a> {
    pub fn new(heap: &'a HeapReading, regions: &'a [RegionReading]) -> Self {
        let mut names: Vec<Option<&RegionReading>> = vec![None; heap.regions.len()];
        for region in regions {
            if let Some(name) = names.get_mut(region.index) {
                *name = Some(region);
            }
        }
        let mut owners = Self { named: Vec::with_capacity(regions.len()), nobody: vec![&heap.unowned] };
        for (pages, name) in heap.regions.iter().zip(names) {
            match name {
                Some(region) => owners.named.push((region, pages)),
                None => owners.nobody.push(pages),
            }
        }
        owners
    }

    /// A part for each region that has any, and one for pages that nobody had.
    pub fn parts(&self, owned: Owned, shared: fn(&RegionPagesReading) -> Option<Resident>) -> Vec<Part> {
        let none = Resident::default();
        let mut parts = Vec::new();
        for (region, pages) in &self.named {
            let shared = shared(pages).filter(|shared| *shared != none);
            if owned(pages) != none || shared.is_some() {
                let part = Part::plain(region.name.clone(), region.generation, owned(pages).figure());
                parts.push(Part { shared: shared.map(Resident::figure), ..part });
            }
        }
        let nobody = self.nobody.iter().map(|pages| Span::from(owned(pages))).sum::<Span>();
        push_part(&mut parts, Part::NOBODY, nobody.figure());
        parts
    }
}

pub(super) fn push_part(parts: &mut Vec<Part>, name: &'static str, figure: Figure) {
    if figure != Figure::Exact(0) {
        parts.push(Part::plain(name, 0, figure));
    }
}

/// The largest first.
pub(super) fn sorted(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by(|left, right| right.figure.high().cmp(&left.figure.high()).then_with(|| left.name.cmp(&right.name)));
    parts
}
