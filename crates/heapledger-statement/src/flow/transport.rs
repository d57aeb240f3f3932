//! From who had how much of some pages to who has: which bytes can have gone where.

use super::cells::Cells;
use super::stretch::{Holder, PageOwner};

/// A holder with the region's number in the list of both marks.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Block(u32),
    Slot {
        last: u32,
        keeper: u32,
    },
    Dirty(u32),
    Muzzy(u32),
    Retained(u32),
    Pad,
    Moved,
    /// Not resident, or in no extent.
    Absent,
}

impl Place {
    #[inline]
    pub fn of(holder: Holder, number: impl Fn(PageOwner) -> u32) -> Self {
        match holder {
            Holder::Block { owner, .. } => Self::Block(number(owner)),
            Holder::Slot { last, keeper } => Self::Slot { last: number(last), keeper: number(keeper) },
            Holder::Dirty(last) => Self::Dirty(number(last)),
            Holder::Muzzy(last) => Self::Muzzy(number(last)),
            Holder::Retained(last) => Self::Retained(number(last)),
            Holder::Pad => Self::Pad,
            Holder::Moved => Self::Moved,
        }
    }

    /// Some bits that differ between most places.
    #[inline]
    pub fn few_bits(self) -> usize {
        let (kind, number) = match self {
            Self::Block(region) => (1, region),
            Self::Slot { last, keeper } => (2, last.wrapping_add(keeper.wrapping_mul(3))),
            Self::Dirty(last) => (3, last),
            Self::Muzzy(last) => (4, last),
            Self::Retained(last) => (5, last),
            Self::Pad => (6, 0),
            Self::Moved => (7, 0),
            Self::Absent => (8, 0),
        };
        (number as usize).wrapping_mul(11).wrapping_add(kind)
    }

    /// Whether bytes that were there at the first mark and are here at the second need not have been touched.
    fn stays_as(self, later: Self) -> bool {
        match (self, later) {
            (Self::Slot { last, .. }, Self::Slot { last: same, .. }) => last == same,
            _ => self == later,
        }
    }

    /// Who was there last does not matter for where bytes went.
    pub fn as_target(self) -> Self {
        match self {
            Self::Slot { keeper, .. } => Self::Slot { last: u32::MAX, keeper },
            Self::Dirty(_) => Self::Dirty(u32::MAX),
            Self::Muzzy(_) => Self::Muzzy(u32::MAX),
            Self::Retained(_) => Self::Retained(u32::MAX),
            other => other,
        }
    }

    /// Who keeps a slab does not matter for where bytes came from.
    pub fn as_source(self) -> Self {
        match self {
            Self::Slot { last, .. } => Self::Slot { last, keeper: u32::MAX },
            other => other,
        }
    }
}

/// An amount with its place, and how much of it is in blocks whose pages may have left memory uncounted.
#[derive(Copy, Clone, Debug)]
pub(super) struct Amount {
    pub place: Place,
    pub bytes: u64,
    pub forced: bool,
}

/// Who has how much, summed by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums(pub Vec<Amount>);

impl Sums {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn add(&mut self, amount: Amount) {
        let same = |known: &&mut Amount| known.place == amount.place && known.forced == amount.forced;
        match self.0.iter_mut().find(same) {
            Some(known) => known.bytes += amount.bytes,
            None => self.0.push(amount),
        }
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|amount| amount.bytes).sum()
    }
}

/// Distributes what is had over what becomes of it. Both are of the same pages, `bytes` in all; what is missing of
/// either is absent. As many pages as `times` says are like these.
///
/// What is in a place at both marks stays there: the flow is net. Of the rest it is known which amounts go and which
/// come, but where several go and several come, not which of them meet; then each pair gets the least and the most that
/// every way of meeting leaves it.
pub(super) fn distribute(before: &mut Sums, after: &mut Sums, bytes: u64, times: u64, cells: &mut Cells) {
    for sums in [&mut *before, &mut *after] {
        debug_assert!(sums.total() <= bytes, "no page is in two places");
        let absent = bytes.saturating_sub(sums.total());
        if absent > 0 {
            sums.0.push(Amount { place: Place::Absent, bytes: absent, forced: false });
        }
    }
    // Who stays.
    for (at, source) in before.0.iter_mut().enumerate() {
        // PERF: what did not change stands at the same place in both.
        if let Some(target) = after.0.get_mut(at) {
            stay(source, target, times, cells);
        }
        for target in &mut after.0 {
            if source.bytes == 0 {
                break;
            }
            stay(source, target, times, cells);
        }
    }
    before.0.retain(|amount| amount.bytes > 0);
    after.0.retain(|amount| amount.bytes > 0);
    if before.0.is_empty() {
        return;
    }
    // Targets that are told alike are one.
    for at in (1..after.0.len()).rev() {
        let later = after.0[at];
        let same = |known: &Amount| known.place.as_target() == later.place.as_target() && known.forced == later.forced;
        if let Some(first) = after.0[..at].iter().position(same) {
            after.0[first].bytes += later.bytes;
            after.0.swap_remove(at);
        }
    }
    if before.0.len() == 1 || after.0.len() == 1 {
        for source in &before.0 {
            for target in &after.0 {
                let bytes = source.bytes.min(target.bytes) * times;
                cells.exactly(source.place.as_source(), target.place.as_target(), target.forced, bytes);
            }
        }
        return;
    }
    let moving = before.total();
    for source in &before.0 {
        cells.open_source(source.place.as_source(), source.bytes * times);
        for target in &after.0 {
            let most = source.bytes.min(target.bytes);
            let least = (source.bytes + target.bytes).saturating_sub(moving);
            let ends = (least * times, most * times);
            cells.within(source.place.as_source(), target.place.as_target(), target.forced, ends);
        }
    }
    for target in &after.0 {
        cells.open_target(target.place.as_target(), target.bytes * times);
    }
}

/// Counts what of `source` stays in `target`, and takes it from both.
#[inline]
fn stay(source: &mut Amount, target: &mut Amount, times: u64, cells: &mut Cells) {
    if target.bytes > 0 && source.place.stays_as(target.place) {
        let stays = source.bytes.min(target.bytes);
        source.bytes -= stays;
        target.bytes -= stays;
        cells.exactly(source.place.as_source(), target.place.as_target(), target.forced, stays * times);
    }
}
