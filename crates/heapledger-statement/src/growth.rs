//! Regions whose live bytes grow at every mark.

use std::borrow::Cow;
use std::fmt;

use crate::{Figure, Statement, Summary};

/// So many growths in a row make a region a suspect.
const MARKS_AT_LEAST: usize = 3;

/// And so many bytes together.
const BYTES_AT_LEAST: i64 = 64 << 10;

/// A region that grew from each mark to the next: a leak suspect, or a cache that is being filled.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The region.
    pub region: Cow<'static, str>,
    /// How many regions had its id before it.
    pub generation: u32,
    /// Live requested bytes at the last mark.
    pub live_bytes: i64,
    /// By how much they grew from one mark to the next: exact if always by the same.
    pub per_mark: Figure,
    /// By how much they grew in all.
    pub bytes: i64,
    /// Over how many marks, the first one not counted.
    pub marks: usize,
}

/// `leak suspect: cache grew by 1.0 MiB per mark over 4 marks, to 9.0 MiB`
impl fmt::Display for Growth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, per_mark) = (crate::text::escaped(&self.region), self.per_mark.mib());
        let live = Figure::Exact(self.live_bytes).mib();
        write!(out, "leak suspect: {region} grew by {per_mark} MiB per mark over {} marks, to {live} MiB", self.marks)
    }
}

/// What growth is read from: a [`Statement`] or a [`Summary`].
pub trait Marked {
    /// Name, generation and live requested bytes of each region.
    fn live_of_regions(&self) -> impl Iterator<Item = (&Cow<'static, str>, u32, i64)>;
}

impl Marked for Statement {
    fn live_of_regions(&self) -> impl Iterator<Item = (&Cow<'static, str>, u32, i64)> {
        self.regions().iter().map(|region| (&region.name, region.generation, region.self_bytes()))
    }
}

impl Marked for Summary {
    fn live_of_regions(&self) -> impl Iterator<Item = (&Cow<'static, str>, u32, i64)> {
        self.regions().iter().map(|region| (&region.name, region.generation, region.self_bytes()))
    }
}

/// The regions that grew from each of these marks to the next, those that grew most first: at least three growths in a
/// row up to the last mark, and 64 KiB together. The ledger's own region, in which statements are kept, is left out.
///
/// Requested bytes are looked at, so the figures are exact in a quiet process. It is NOT a proof of a leak: a cache
/// that is being filled grows too.
pub fn growth<'a, M: Marked + 'a>(marks: impl IntoIterator<Item = &'a M>) -> Vec<Growth> {
    let marks: Vec<&M> = marks.into_iter().collect();
    let Some(last) = marks.last() else { return Vec::new() };
    let mut found: Vec<Growth> = last
        .live_of_regions()
        .filter(|(name, ..)| *name != "~ledger")
        .filter_map(|(name, generation, _)| {
            let live = marks.iter().map(|mark| {
                let mut regions = mark.live_of_regions();
                regions.find(|(other, of, _)| *other == name && *of == generation).map_or(0, |(.., bytes)| bytes)
            });
            of_one(name.clone(), generation, &live.collect::<Vec<i64>>())
        })
        .collect();
    found.sort_by_key(|growth| std::cmp::Reverse(growth.bytes));
    found
}

fn of_one(region: Cow<'static, str>, generation: u32, live: &[i64]) -> Option<Growth> {
    let steps: Vec<i64> = live.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let marks = steps.iter().rev().take_while(|step| **step > 0).count();
    let steps = &steps[steps.len() - marks..];
    let bytes = steps.iter().sum();
    if marks < MARKS_AT_LEAST || bytes < BYTES_AT_LEAST {
        return None;
    }
    let per_mark = Figure::within(*steps.iter().min()?, *steps.iter().max()?);
    Some(Growth { region, generation, live_bytes: *live.last()?, per_mark, bytes, marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(live: &[i64]) -> Option<Growth> {
        of_one("r".into(), 0, live)
    }

    #[test]
    fn a_region_that_grows_at_every_mark_is_a_suspect_and_its_growth_is_exact() {
        let growth = of(&[0, 1 << 20, 2 << 20, 3 << 20]).expect("it grew three times");
        assert_eq!((growth.per_mark, growth.bytes, growth.marks), (Figure::Exact(1 << 20), 3 << 20, 3));
    }

    #[test]
    fn what_came_before_the_last_fall_does_not_count() {
        let growth = of(&[0, 9 << 20, 1 << 20, 2 << 20, 4 << 20, 5 << 20]).expect("it grew three times");
        assert_eq!((growth.per_mark, growth.marks), (Figure::within(1 << 20, 2 << 20), 3));
    }

    #[test]
    fn a_region_that_is_steady_small_or_seldom_seen_is_none() {
        assert_eq!(of(&[5 << 20; 6]), None);
        assert_eq!(of(&[0, 1, 2, 3, 4]), None);
        assert_eq!(of(&[0, 9 << 20, 19 << 20]), None);
        assert_eq!(of(&[0, 1 << 20, 2 << 20, 3 << 20, 3 << 20]), None);
        assert_eq!(of(&[]), None);
    }
}
