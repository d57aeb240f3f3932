//! Two maps, read side by side, cut where both can be cut.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::cells::{Cells, Mixer};
use super::stretch::{Holder, PageOwner, Share, Stretch, Stretches};
use super::transport::{Amount, Place, Sums, distribute};

/// Numbers of a map's regions in a list of both maps', and those of what several regions or none had.
#[derive(Copy, Clone, Debug)]
pub(super) struct Numbers<'a> {
    pub regions: &'a [u32],
    pub several: u32,
    pub nobody: u32,
}

impl Numbers<'_> {
    fn of(self, owner: PageOwner) -> u32 {
        match owner {
            // A region that is newer than the list has nothing that the counters could be asked about.
            PageOwner::Region(index) => self.regions.get(index as usize).copied().unwrap_or(self.nobody),
            PageOwner::Several => self.several,
            PageOwner::Nobody => self.nobody,
        }
    }
}

/// Distributes every byte of both maps.
///
/// A stretch of one share can be cut anywhere, one of several only at its ends. So the pages between two addresses at
/// which both maps can be cut are taken together: a page, a slab, or what slabs of either map overlap.
pub(super) fn merge(
    before: &mut impl Stretches,
    after: &mut impl Stretches,
    numbers: (Numbers<'_>, Numbers<'_>),
) -> Cells {
    let mut cells = Cells::default();
    let mut before = Side::new(before, numbers.0);
    let mut after = Side::new(after, numbers.1);
    let (mut had, mut has) = (Sums::default(), Sums::default());
    let mut pairs: HashMap<(u64, u64), Pair, BuildHasherDefault<Mixer>> = HashMap::default();
    loop {
        let start = before.start().min(after.start());
        if start == u64::MAX {
            break;
        }
        if let Some(alike) = before.alike_with(&after) {
            pairs.entry(alike).or_insert_with(|| Pair { bytes: before.stretch.end - start, times: 0 }).times += 1;
            before.advance();
            after.advance();
            continue;
        }
        let mut end = before.border(start).min(after.border(start));
        loop {
            before.take(&mut end, &mut had);
            after.take(&mut end, &mut has);
            if before.start() >= end {
                break;
            }
        }
        distribute(&mut had, &mut has, end - start, 1, &mut cells);
        had.clear();
        has.clear();
    }
    for ((one, other), Pair { bytes, times }) in pairs {
        before.add_alike(one, bytes, &mut had);
        after.add_alike(other, bytes, &mut has);
        distribute(&mut had, &mut has, bytes, times, &mut cells);
        had.clear();
        has.clear();
    }
    cells
}

/// Stretches of which those of either map are alike, at the same places.
struct Pair {
    bytes: u64,
    times: u64,
}

/// One map, and how far it was read.
struct Side<'a, S> {
    of: &'a mut S,
    /// What is left of the stretch under way.
    stretch: Stretch,
    is_over: bool,
    numbers: Numbers<'a>,
}

impl<'a, S: Stretches> Side<'a, S> {
    fn new(of: &'a mut S, numbers: Numbers<'a>) -> Self {
        let mut side = Self { of, stretch: Stretch::default(), is_over: false, numbers };
        side.advance();
        side
    }

    #[inline]
    fn advance(&mut self) {
        self.stretch.alike = 0;
        self.is_over = !self.of.next_into(&mut self.stretch);
    }

    /// What each is alike, if both stretches are, and have the same pages.
    #[inline]
    fn alike_with<T>(&self, other: &Side<'_, T>) -> Option<(u64, u64)> {
        let (one, two) = (&self.stretch, &other.stretch);
        let same = one.start == two.start && one.end == two.end && one.alike != 0 && two.alike != 0;
        (same && !self.is_over && !other.is_over).then_some((one.alike, two.alike))
    }

    /// The shares of a stretch of this kind.
    fn add_alike(&self, alike: u64, bytes: u64, sums: &mut Sums) {
        let mut stretch = Stretch { start: 0, end: bytes, alike, shares: Vec::new() };
        self.of.fill(&mut stretch);
        stretch.shares.iter().for_each(|share| sums.add(self.amount(*share)));
    }

    #[inline]
    fn start(&self) -> u64 {
        if self.is_over { u64::MAX } else { self.stretch.start }
    }

    /// The first address behind `start` at which something begins or ends here.
    fn border(&self, start: u64) -> u64 {
        match self.start() {
            begins if begins > start => begins,
            _ => self.stretch.end,
        }
    }

    /// Adds what there is below `end` to `sums`. A stretch of several shares that reaches beyond moves the end.
    fn take(&mut self, end: &mut u64, sums: &mut Sums) {
        while self.start() < *end {
            if self.stretch.alike != 0 {
                self.of.fill(&mut self.stretch);
            }
            if let [share] = &mut self.stretch.shares[..]
                && self.stretch.end > *end
            {
                let bytes = *end - self.stretch.start;
                // One share is all of a stretch, so this is no more than it has.
                share.bytes -= bytes;
                self.stretch.start = *end;
                let part = Share { holder: share.holder, bytes };
                sums.add(self.amount(part));
                return;
            }
            *end = self.stretch.end.max(*end);
            for place in 0..self.stretch.shares.len() {
                sums.add(self.amount(self.stretch.shares[place]));
            }
            self.advance();
        }
    }

    fn amount(&self, share: Share) -> Amount {
        let forced = matches!(share.holder, Holder::Block { forced: true, .. });
        Amount { place: Place::of(share.holder, |owner| self.numbers.of(owner)), bytes: share.bytes, forced }
    }
}
