//! Counts of bytes that lie between two ends, and how one is split in two.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::{Figure, Resident};

/// Not less than `low`, not more than `high` bytes. 128 bits, so that no sum of readings can overflow.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Span {
    pub low: i128,
    pub high: i128,
}

impl Span {
    pub fn up_to(high: i128) -> Self {
        Self { low: 0, high }
    }

    pub fn figure(self) -> Figure {
        match (i64::try_from(self.low), i64::try_from(self.high)) {
            (Ok(low), Ok(high)) => Figure::within(low, high),
            // As for every count beyond 63 bits.
            _ => Figure::exact(u64::MAX),
        }
    }
}

impl From<Resident> for Span {
    fn from(resident: Resident) -> Self {
        Self { low: i128::from(resident.at_least_bytes), high: i128::from(resident.at_most_bytes) }
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Span {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::default(), Add::add)
    }
}

/// Splits resident bytes between two owners of which is known how many bytes each has, resident or not.
///
/// Whatever is not resident can be missing from either, so each has at least what the other cannot hold, and at most
/// what it has. Both meet where all is resident. No narrower ends are right: with `n` bytes that are not resident, all
/// of these can be the first's as far as it has so many, or the second's, and both read the same. So each part is
/// min(n, first, second, resident) wide, and the two together twice that. A negative count is of two sources that are moments apart, and can
/// hold nothing. What is resident beyond both counts (again, moments apart) may be either's, so neither end excludes
/// it. In every case the lower ends sum to no more than the total, and the upper ends to no less.
pub(super) fn split(total: Span, first_bytes: i128, second_bytes: i128) -> (Span, Span) {
    let (first, second) = (first_bytes.max(0), second_bytes.max(0));
    let beyond = (total.high - first - second).max(0);
    let part = |own: i128, other: i128| Span {
        low: (total.low - other - beyond).max(0),
        high: (own + beyond).min(total.high),
    };
    (part(first, second), part(second, first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exactly(bytes: i128) -> Span {
        Span { low: bytes, high: bytes }
    }

    #[test]
    fn what_is_resident_throughout_is_split_exactly() {
        assert_eq!(split(exactly(100), 70, 30), (exactly(70), exactly(30)));
        assert_eq!(split(exactly(100), 100, 0), (exactly(100), exactly(0)));
        assert_eq!(split(exactly(0), 0, 0), (exactly(0), exactly(0)));
    }

    #[test]
    fn what_is_missing_may_be_missing_from_either() {
        assert_eq!(split(exactly(90), 70, 30), (Span { low: 60, high: 70 }, Span { low: 20, high: 30 }));
        assert_eq!(split(exactly(10), 70, 30), (Span { low: 0, high: 10 }, Span { low: 0, high: 10 }));
    }

    #[test]
    fn what_neither_count_covers_may_be_either_s() {
        assert_eq!(split(exactly(110), 70, 30), (Span { low: 70, high: 80 }, Span { low: 30, high: 40 }));
        assert_eq!(split(exactly(40), 50, -10), (Span { low: 40, high: 40 }, exactly(0)));
    }

    proptest! {
        #[test]
        fn both_parts_always_embrace_the_total(
            low in 0..50_i128,
            width in 0..20_i128,
            one in -20..60_i128,
            two in -20..60_i128,
        ) {
            let total = Span { low, high: low + width };
            let (first, second) = split(total, one, two);
            prop_assert!(first.low <= first.high && second.low <= second.high);
            prop_assert!(0 <= first.low && 0 <= second.low);
            prop_assert!(first.low + second.low <= total.low);
            prop_assert!(first.high + second.high >= total.high);
        }

        #[test]
        fn the_truth_lies_in_both_parts(first in 0..40_i128, second in 0..40_i128, gone in 0..40_i128, more in 0..40_i128) {
            // So many bytes of each are not resident.
            let (gone_first, gone_second) = (gone.min(first), more.min(second));
            let resident = first - gone_first + second - gone_second;
            let (one, two) = split(exactly(resident), first, second);
            prop_assert!(one.low <= first - gone_first && first - gone_first <= one.high);
            prop_assert!(two.low <= second - gone_second && second - gone_second <= two.high);
        }
    }
}
