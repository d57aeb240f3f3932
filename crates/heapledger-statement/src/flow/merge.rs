//! Two maps, read side by side, cut where both can be cut.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::cells::{Cells, Mixer, Stays};
use super::memo::{Memo, Pair};
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
    #[inline]
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
pub(super) fn merge<B: Stretches>(
    before: &mut B,
    after: &mut impl Stretches,
    numbers: (Numbers<'_>, Numbers<'_>),
) -> Cells {
    let mut before = Side::new(before, numbers.0);
    let mut after = Side::new(after, numbers.1);
    let mut bytes_of = Meeting::new(numbers.0.several);
    let mut pairs: HashMap<(u64, u64), Alike, BuildHasherDefault<Mixer>> = HashMap::default();
    let mut under: HashMap<Under, u64, BuildHasherDefault<Mixer>> = HashMap::default();
    let mut memo = Memo::default();
    let mut counts = B::Counts::default();
    let same = numbers.0.regions.iter().zip(numbers.1.regions).take_while(|(one, other)| one == other).count();
    loop {
        let start = before.start().min(after.start());
        if start == u64::MAX {
            break;
        }
        if let Some((one, other)) = before.alike_with(&after) {
            let bytes = before.stretch.end - start;
            let written = (before.of.written(one), after.of.written(other));
            match (written.0.is_empty(), written.1.is_empty()) {
                (true, true) => pairs.entry((one, other)).or_insert(Alike { bytes, times: 0 }).times += 1,
                (false, false) if before.of.count(written, same, &mut counts) => {}
                (false, false) => {
                    // PERF: most are what they were, and many are alike.
                    let behind = if written.0 == written.1 { &[] } else { written.1 };
                    match memo.count(written.0, behind, bytes) {
                        Some(None) => {}
                        Some(Some(pair)) => bytes_of.pair(&before, &after, &pair),
                        None => bytes_of.written((&before, written.0), (&after, behind), (bytes, 1)),
                    }
                }
                _ => bytes_of.alike((&mut before, one), (&mut after, other), (bytes, 1)),
            }
            before.advance();
            after.advance();
            continue;
        }
        // PERF: a long stretch of one share over many slabs that are alike.
        if let Some(one) = before.over(&after) {
            *under.entry(Under { later: true, ..one }).or_insert(0) += 1;
            after.advance();
            continue;
        }
        if let Some(one) = after.over(&before) {
            *under.entry(one).or_insert(0) += 1;
            before.advance();
            continue;
        }
        let mut end = before.border(start).min(after.border(start));
        loop {
            before.take(&mut end, &mut bytes_of.had);
            after.take(&mut end, &mut bytes_of.has);
            if before.start() >= end {
                break;
            }
        }
        bytes_of.distribute(end - start, 1);
    }
    for ((one, other), Alike { bytes, times }) in pairs {
        bytes_of.alike((&mut before, one), (&mut after, other), (bytes, times));
    }
    for (Under { later, place, forced, alike, bytes }, times) in under {
        let whole = Amount { place, bytes, forced };
        if later {
            bytes_of.had.0.push(whole);
            after.add_alike(alike, &mut bytes_of.has);
        } else {
            before.add_alike(alike, &mut bytes_of.had);
            bytes_of.has.0.push(whole);
        }
        bytes_of.distribute(bytes, times);
    }
    for (from, to, bytes) in before.of.counted(&counts) {
        let [source, target] = [from, to].map(|holder| Place::of(holder, |owner| before.numbers.of(owner)));
        bytes_of.cells.exactly(source.as_source(), target.as_target(), false, bytes);
    }
    memo.rest().for_each(|pair| bytes_of.pair(&before, &after, &pair));
    bytes_of.stays.finish(&mut bytes_of.cells);
    bytes_of.cells
}

/// What some pages had and have, on the way to the cells.
struct Meeting {
    cells: Cells,
    stays: Stays,
    had: Sums,
    has: Sums,
}

impl Meeting {
    fn new(several: u32) -> Self {
        let (had, has) = (Sums::default(), Sums::default());
        Self { cells: Cells::default(), stays: Stays::new(several), had, has }
    }

    /// Of as many pages as `times` says, each with so many bytes.
    fn distribute(&mut self, bytes: u64, times: u64) {
        distribute(&mut self.had, &mut self.has, bytes, times, &mut self.cells);
        self.had.clear();
        self.has.clear();
    }

    /// Stretches with these numbers.
    fn alike<S: Stretches, T: Stretches>(
        &mut self,
        (before, one): (&mut Side<'_, S>, u64),
        (after, other): (&mut Side<'_, T>, u64),
        (bytes, times): (u64, u64),
    ) {
        before.add_alike(one, &mut self.had);
        after.add_alike(other, &mut self.has);
        self.distribute(bytes, times);
    }

    fn pair<S: Stretches, T: Stretches>(&mut self, before: &Side<'_, S>, after: &Side<'_, T>, pair: &Pair) {
        let (one, other) = pair.written();
        self.written((before, one), (after, other), (pair.bytes.into(), pair.times.into()));
    }

    /// Stretches that are written like this; the second is empty if it is written as the first is.
    fn written<S: Stretches, T: Stretches>(
        &mut self,
        (before, one): (&Side<'_, S>, &[u8]),
        (after, other): (&Side<'_, T>, &[u8]),
        (bytes, times): (u64, u64),
    ) {
        if other.is_empty() && before.is_same_in(after.numbers, one) {
            let Self { cells, stays, .. } = self;
            return before.amounts(one).for_each(|amount| stays.add(amount, times, cells));
        }
        self.had.0.extend(before.amounts(one));
        self.has.0.extend(after.amounts(if other.is_empty() { one } else { other }));
        self.distribute(bytes, times);
    }
}

/// Stretches of one region's of which those of either map are alike, at the same places.
struct Alike {
    bytes: u64,
    times: u64,
}

/// Part of a stretch of one share, as long as a stretch of the other map, which is alike others.
///
/// PERF: one key for these and for pairs of stretches that are alike made the latter a quarter dearer.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
struct Under {
    /// Whether the other map is the later one.
    later: bool,
    place: Place,
    forced: bool,
    alike: u64,
    bytes: u64,
}

/// One map, and how far it was read.
struct Side<'a, S> {
    of: &'a mut S,
    /// What is left of the stretch under way.
    stretch: Stretch,
    is_over: bool,
    numbers: Numbers<'a>,
    filled: Vec<Share>,
}

impl<'a, S: Stretches> Side<'a, S> {
    fn new(of: &'a mut S, numbers: Numbers<'a>) -> Self {
        let mut side = Self { of, stretch: Stretch::default(), is_over: false, numbers, filled: Vec::new() };
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

    /// What one share has of the other's next stretch, if it reaches beyond that, which is then cut off.
    #[inline]
    fn over<T: Stretches>(&mut self, other: &Side<'_, T>) -> Option<Under> {
        let (mine, theirs) = (&mut self.stretch, &other.stretch);
        let reaches = mine.start == theirs.start && mine.end > theirs.end && theirs.alike != 0;
        if !reaches || self.is_over || other.is_over || !other.of.written(theirs.alike).is_empty() {
            return None;
        }
        if mine.alike != 0 {
            self.of.fill(mine.alike, &mut mine.shares);
            mine.alike = 0;
        }
        let [share] = &mut mine.shares[..] else { return None };
        let bytes = theirs.end - theirs.start;
        // One share is all of a stretch, so this is no more than it has.
        share.bytes -= bytes;
        mine.start = theirs.end;
        let part = Share { holder: share.holder, bytes };
        let Amount { place, forced, .. } = self.amount(part);
        Some(Under { later: false, place, forced, alike: theirs.alike, bytes })
    }

    /// Adds the shares of a stretch with this number.
    fn add_alike(&mut self, alike: u64, sums: &mut Sums) {
        self.filled.clear();
        self.of.fill(alike, &mut self.filled);
        sums.0.extend(self.filled.iter().map(|share| self.amount(*share)));
    }

    /// The shares of a stretch that is written like this; each holder has one.
    #[inline]
    fn amounts(&self, written: &[u8]) -> impl Iterator<Item = Amount> {
        self.of.shares_of(written).map(|share| self.amount(share))
    }

    /// Whether one that is written like this has the same regions in the other map.
    #[inline]
    fn is_same_in(&self, others: Numbers<'_>, written: &[u8]) -> bool {
        // PERF: where no region came or went there is nothing to compare.
        let same = |share| self.amount(share).place == Place::of(share.holder, |owner| others.of(owner));
        self.numbers.regions == others.regions || self.of.shares_of(written).all(same)
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
                self.of.fill(self.stretch.alike, &mut self.stretch.shares);
                self.stretch.alike = 0;
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

    #[inline]
    fn amount(&self, share: Share) -> Amount {
        let forced = matches!(share.holder, Holder::Block { forced: true, .. });
        Amount { place: Place::of(share.holder, |owner| self.numbers.of(owner)), bytes: share.bytes, forced }
    }
}
