//! The regions of a run, and a model of the guard stack that says which one must be in force.

use heapledger_core::{Guard, OwnedRegion, RegionId, current, reset_thread};

use crate::failure::fail;
use crate::random::Random;

/// More than a byte can number.
const REGIONS: usize = 320;
/// Most operations happen in these, so that they meet on the same pages.
const HOT: usize = 6;
/// A hot one and one that is not have arenas of their own.
const ISOLATED: [usize; 2] = [HOT - 1, HOT + 1];
/// Indices of the ledger's own regions come first.
const FIRST: usize = 3;

/// All regions under test. Made before the run, in no region of it.
pub struct Regions {
    owned: Vec<OwnedRegion>,
    names: Vec<String>,
}

impl Regions {
    /// Names them.
    pub fn new() -> Regions {
        let names: Vec<String> = (0..REGIONS).map(|number| format!("stress/{number}")).collect();
        let name = |(number, name)| {
            if ISOLATED.contains(&number) { OwnedRegion::isolated(name) } else { OwnedRegion::new(name) }
        };
        let owned: Vec<OwnedRegion> = names.iter().enumerate().map(name).collect();
        for (number, region) in owned.iter().enumerate() {
            if region.index() != FIRST + number {
                fail(format_args!("region {number} has index {}", region.index()));
            }
        }
        Regions { owned, names }
    }

    /// The indices under test: from the first to below the second.
    pub fn indices(&self) -> (usize, usize) {
        (FIRST, FIRST + self.owned.len())
    }

    /// The region with this number.
    pub fn get(&self, number: usize) -> RegionId {
        *self.owned[number]
    }

    /// One of them, mostly a hot one.
    #[inline]
    pub fn pick(&self, random: &mut Random) -> RegionId {
        let among = if random.one_in(8) { self.owned.len() } else { HOT };
        self.get(random.below(among))
    }

    /// A region that comes and goes: its name is known, so it is the same region again.
    fn reborn(&self, random: &mut Random) -> OwnedRegion {
        OwnedRegion::new(&self.names[random.below(self.names.len())])
    }
}

/// How many guards the stack of a thread holds without help; deeper ones are dropped last-in-first-out.
const STACK_ENTRIES: usize = 64;
/// No history goes deeper.
const DEPTH_MAX: usize = 150;

struct Entry {
    /// `None` for a guard that was leaked.
    guard: Option<Guard>,
    region: RegionId,
    position: usize,
}

/// The guards of one thread, and which region they put in force.
pub struct Scopes {
    entries: Vec<Entry>,
    /// Guards that `reset_thread` made inert; dropping them must do nothing.
    inert: Vec<Guard>,
}

impl Scopes {
    /// No guards. Allocates, so it is made outside the regions under test.
    pub fn new() -> Scopes {
        Scopes { entries: Vec::with_capacity(DEPTH_MAX + 1), inert: Vec::with_capacity(2 * DEPTH_MAX) }
    }

    /// The index of the region that must be in force.
    #[inline]
    pub fn region(&self) -> usize {
        self.entries.last().map_or(RegionId::UNTAGGED, |entry| entry.region).index()
    }

    /// Enters `region`.
    pub fn enter(&mut self, region: RegionId) {
        if self.entries.len() < DEPTH_MAX {
            let position = self.entries.last().map_or(0, |entry| entry.position + 1);
            self.entries.push(Entry { guard: Some(region.enter()), region, position });
        }
        self.check();
    }

    /// Drops the guard at `at` of those that are left, or the deepest one if that one may not be dropped.
    fn leave(&mut self, at: usize) {
        let last = self.entries.len() - 1;
        // Deep guards only from the top, and leaked ones not at all.
        let at = if self.entries[at].position >= STACK_ENTRIES { last } else { at };
        if self.entries[at].guard.is_some() {
            drop(self.entries.remove(at).guard);
        }
        self.check();
    }

    /// Leaves every scope, one after the other from the top.
    pub fn leave_all(&mut self) {
        if self.entries.iter().any(|entry| entry.guard.is_none()) {
            return self.reset();
        }
        while let Some(last) = self.entries.len().checked_sub(1) {
            self.leave(last);
        }
    }

    fn reset(&mut self) {
        reset_thread();
        self.inert.extend(self.entries.drain(..).filter_map(|entry| entry.guard));
        self.check();
        if self.inert.len() > DEPTH_MAX / 2 {
            self.inert.clear();
            self.check();
        }
    }

    /// One random change: mostly one guard more or less.
    #[inline]
    pub fn change(&mut self, regions: &Regions, random: &mut Random) {
        match random.below(256) {
            0 => self.dive(regions, random),
            1 => self.reset(),
            2 => self.leak(),
            3 => self.inert.clear(),
            4..=7 => {
                let region = regions.reborn(random);
                self.enter(*region);
            }
            8..=130 => self.enter(regions.pick(random)),
            131..=170 if !self.entries.is_empty() => self.leave(random.below(self.entries.len())),
            _ => {
                if let Some(last) = self.entries.len().checked_sub(1) {
                    self.leave(last);
                }
            }
        }
        self.check();
    }

    /// Deeper than the stack has entries.
    #[cold]
    fn dive(&mut self, regions: &Regions, random: &mut Random) {
        for _ in 0..STACK_ENTRIES + 20 {
            self.enter(regions.pick(random));
        }
    }

    /// A leaked guard leaves the thread in its region until `reset_thread`.
    #[cold]
    fn leak(&mut self) {
        if let Some(guard) = self.entries.last_mut().and_then(|entry| entry.guard.take()) {
            std::mem::forget(guard);
        }
    }

    #[inline]
    fn check(&self) {
        let found = current().index();
        if found != self.region() {
            fail(format_args!("region {found} is in force after {} guards, not {}", self.entries.len(), self.region()));
        }
    }
}
