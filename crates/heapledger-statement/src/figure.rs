//! A figure: exact, an interval, or unknown.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use crate::units::{Round, mib};

/// Why a number is not known, and what would make it known.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct Why {
    /// What went wrong, naming the thing: a file, a key, a setting.
    pub reason: Cow<'static, str>,
    /// What to do so that the number is known next time; "nothing" is an answer, and is then argued.
    pub remedy: Cow<'static, str>,
}

impl Why {
    /// Pairs a reason with its remedy.
    pub fn new(reason: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; {}", self.reason, self.remedy)
    }
}

/// A number of bytes: exact, within an interval that is true, or unknown with a reason and a remedy.
///
/// Zero is a measurement; what was not measured is [`Figure::Unknown`], never 0. A figure is signed, because a
/// difference of two figures is a figure too and nothing here clamps. It is NOT an estimate: an interval claims that
/// the truth lies inside it.
///
/// Arithmetic is interval arithmetic: the result contains every value that the operands admit. An unknown operand makes
/// the result unknown and its reason is kept (the left one's, if both are unknown). A sum that does not fit 64 bits is
/// unknown.
///
/// ```
/// use heapledger_statement::Figure;
///
/// let dirty = Figure::within(0, 10) + Figure::Exact(5);
/// assert_eq!(dirty, Figure::Within { at_least: 5, at_most: 15 });
/// assert!((dirty + Figure::unknown("not read", "read it")).is_unknown());
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum Figure {
    /// This many bytes.
    Exact(i64),
    /// No less than `at_least` bytes and no more than `at_most`; the ends differ if made by [`Figure::within`].
    Within {
        /// The lower end, in bytes, inclusive.
        at_least: i64,
        /// The upper end, in bytes, inclusive.
        at_most: i64,
    },
    /// Not known.
    Unknown {
        /// What went wrong, naming the thing.
        reason: Cow<'static, str>,
        /// What would make it known.
        remedy: Cow<'static, str>,
    },
}

impl Figure {
    /// An interval; [`Figure::Exact`] where both ends are equal.
    ///
    /// Ends that contradict each other (`at_least > at_most`) give an unknown figure that says so: two sources that
    /// cannot both be right are a finding, and neither swapping nor clamping the ends would report it.
    pub fn within(at_least: i64, at_most: i64) -> Self {
        match at_least.cmp(&at_most) {
            std::cmp::Ordering::Equal => Self::Exact(at_least),
            std::cmp::Ordering::Less => Self::Within { at_least, at_most },
            std::cmp::Ordering::Greater => Self::unknown(
                format!("its bounds contradict each other: at least {at_least}, at most {at_most} bytes"),
                "read again while fewer threads allocate; if it stays, report it with this summary",
            ),
        }
    }

    /// An unknown figure with its reason and remedy.
    pub fn unknown(reason: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown { reason: reason.into(), remedy: remedy.into() }
    }

    /// An exact figure from an unsigned count; unknown if it does not fit 63 bits.
    pub fn exact(bytes: u64) -> Self {
        i64::try_from(bytes).map_or_else(|_| too_large(), Self::Exact)
    }

    /// The interval from 0 to `at_most` bytes; unknown if the upper end does not fit 63 bits.
    pub fn up_to(at_most: u64) -> Self {
        Self::between(0, at_most)
    }

    /// An interval of unsigned counts, as [`Figure::within`]; unknown if an end does not fit 63 bits.
    pub fn between(at_least: u64, at_most: u64) -> Self {
        match (i64::try_from(at_least), i64::try_from(at_most)) {
            (Ok(at_least), Ok(at_most)) => Self::within(at_least, at_most),
            _ => too_large(),
        }
    }

    /// The value, if it is exact.
    pub fn as_exact(&self) -> Option<i64> {
        match self {
            Self::Exact(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// The lowest value that it can have; `None` if unknown.
    pub fn low(&self) -> Option<i64> {
        self.ends().map(|(low, _)| low)
    }

    /// The highest value that it can have; `None` if unknown.
    pub fn high(&self) -> Option<i64> {
        self.ends().map(|(_, high)| high)
    }

    /// Lowest and highest value; `None` if unknown.
    pub fn ends(&self) -> Option<(i64, i64)> {
        match self {
            Self::Exact(bytes) => Some((*bytes, *bytes)),
            Self::Within { at_least, at_most } => Some((*at_least, *at_most)),
            Self::Unknown { .. } => None,
        }
    }

    /// Whether it is [`Figure::Unknown`].
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether `bytes` is a value that it admits; an unknown figure admits all.
    pub fn admits(&self, bytes: i64) -> bool {
        self.ends().is_none_or(|(low, high)| low <= bytes && bytes <= high)
    }

    /// Why it is unknown; `None` if it is known.
    pub fn why(&self) -> Option<Why> {
        match self {
            Self::Unknown { reason, remedy } => Some(Why { reason: reason.clone(), remedy: remedy.clone() }),
            _ => None,
        }
    }

    /// In MiB with one decimal and without the unit: `600.0`, `310.0-562.0`, or `?`.
    ///
    /// The ends of an interval are rounded outwards, so what is printed is still true.
    pub fn mib(&self) -> String {
        match self {
            Self::Exact(bytes) => mib(*bytes, Round::Nearest),
            Self::Within { at_least, at_most } => {
                let joint = if *at_least < 0 { " to " } else { "-" };
                format!("{}{joint}{}", mib(*at_least, Round::Down), mib(*at_most, Round::Up))
            }
            Self::Unknown { .. } => "?".to_owned(),
        }
    }

    /// As [`Figure::mib`], of a change: with its sign, `+600.0`, `-3.0 to +1.0`, or `0.0`.
    pub fn signed_mib(&self) -> String {
        let signed = |bytes: i64, round: Round| {
            let text = mib(bytes, round);
            if text.starts_with('-') || text == "0.0" { text } else { format!("+{text}") }
        };
        match self {
            Self::Exact(bytes) => signed(*bytes, Round::Nearest),
            Self::Within { at_least, at_most } => {
                format!("{} to {}", signed(*at_least, Round::Down), signed(*at_most, Round::Up))
            }
            Self::Unknown { .. } => "?".to_owned(),
        }
    }

    fn combine(&self, other: &Self, ends: impl FnOnce((i64, i64), (i64, i64)) -> Option<(i64, i64)>) -> Self {
        match (self.ends(), other.ends()) {
            (Some(left), Some(right)) => match ends(left, right) {
                Some((low, high)) => Self::within(low, high),
                None => too_large(),
            },
            (None, _) => self.clone(),
            (_, None) => other.clone(),
        }
    }
}

fn too_large() -> Figure {
    Figure::unknown("the number of bytes does not fit 63 bits", "report it with this summary: no process has that many")
}

impl From<Why> for Figure {
    fn from(why: Why) -> Self {
        Self::Unknown { reason: why.reason, remedy: why.remedy }
    }
}

impl Add for Figure {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.combine(&other, |left, right| Some((left.0.checked_add(right.0)?, left.1.checked_add(right.1)?)))
    }
}

impl Sub for Figure {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.combine(&other, |left, right| Some((left.0.checked_sub(right.1)?, left.1.checked_sub(right.0)?)))
    }
}

impl Sum for Figure {
    fn sum<I: Iterator<Item = Self>>(figures: I) -> Self {
        figures.fold(Self::Exact(0), Add::add)
    }
}

/// `600.0 MiB (629145600 bytes)`, `310.0-562.0 MiB`, or `? (reason)`.
impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(bytes) => write!(out, "{} MiB ({bytes} bytes)", self.mib()),
            Self::Within { .. } => write!(out, "{} MiB", self.mib()),
            Self::Unknown { reason, .. } => write!(out, "? ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_one_value_is_exact() {
        assert_eq!(Figure::within(7, 7), Figure::Exact(7));
    }

    #[test]
    fn contradicting_bounds_are_reported_and_not_swapped() {
        let figure = Figure::within(8, 7);
        assert!(figure.is_unknown());
        assert!(figure.why().is_some_and(|why| why.reason.contains("at least 8, at most 7")));
    }

    #[test]
    fn a_count_beyond_63_bits_is_unknown_and_not_negative() {
        assert!(Figure::exact(u64::MAX).is_unknown());
        assert!(Figure::up_to(u64::MAX).is_unknown());
        assert!((Figure::Exact(i64::MAX) + Figure::Exact(1)).is_unknown());
        assert!((Figure::Exact(i64::MIN) - Figure::Exact(1)).is_unknown());
    }

    #[test]
    fn the_first_reason_is_kept_when_both_are_unknown() {
        let sum = Figure::unknown("first", "do this") + Figure::unknown("second", "do that");
        assert_eq!(sum, Figure::unknown("first", "do this"));
    }

    #[test]
    fn figures_print_mib_beside_exact_bytes() {
        assert_eq!(Figure::Exact(629_145_600).to_string(), "600.0 MiB (629145600 bytes)");
        assert_eq!(Figure::within(310 << 20, 562 << 20).to_string(), "310.0-562.0 MiB");
        assert_eq!(Figure::within(-(3 << 20), 1 << 20).to_string(), "-3.0 to 1.0 MiB");
        assert_eq!(Figure::unknown("stats are off", "enable them").to_string(), "? (stats are off)");
    }

    #[test]
    fn a_change_prints_its_sign() {
        assert_eq!(Figure::Exact(3 << 20).signed_mib(), "+3.0");
        assert_eq!(Figure::Exact(-(3 << 20)).signed_mib(), "-3.0");
        assert_eq!(Figure::Exact(1).signed_mib(), "0.0");
        assert_eq!(Figure::within(-1, 1 << 20).signed_mib(), "-0.1 to +1.0");
    }
}
