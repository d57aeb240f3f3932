//! A measured number beside the truth of arithmetic.

use heapledger::Figure;
use serde::{Deserialize, Serialize};

/// One comparison; its JSON form is what `scenario NAME --json` prints.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Check {
    /// What is compared, in bytes unless it says a count.
    pub what: String,
    /// What arithmetic says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<i64>,
    /// Where arithmetic gives only bounds: the lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// And the upper one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// What was measured.
    pub measured: Measured,
    /// How far every value that the measured figure admits may be from the truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<i64>,
    /// Where the truth comes from, and why there is a tolerance.
    pub reason: String,
    /// Whether it holds.
    pub ok: bool,
}

/// A measured figure: a number, or its bounds, or why there is none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measured {
    /// To the byte.
    Exact(i64),
    /// All that is known.
    Within {
        /// The lower end.
        at_least: i64,
        /// The upper end.
        at_most: i64,
    },
    /// Nothing is known.
    Unknown {
        /// Why.
        unknown: String,
    },
}

impl From<Figure> for Measured {
    fn from(figure: Figure) -> Self {
        match figure {
            Figure::Exact(bytes) => Self::Exact(bytes),
            Figure::Within { at_least, at_most } => Self::Within { at_least, at_most },
            Figure::Unknown { reason, .. } => Self::Unknown { unknown: reason.into_owned() },
        }
    }
}

impl Measured {
    fn ends(&self) -> Option<(i64, i64)> {
        match self {
            Self::Exact(bytes) => Some((*bytes, *bytes)),
            Self::Within { at_least, at_most } => Some((*at_least, *at_most)),
            Self::Unknown { .. } => None,
        }
    }
}

/// How far a measured figure may be from the truth, and why.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Bytes, or a count.
    pub at_most: i64,
    /// The reason.
    pub why: &'static str,
}

/// Nothing but the truth will do.
pub const NONE: Tolerance = Tolerance { at_most: 0, why: "" };

impl Check {
    /// Every value that the measured figure admits must be the truth, within the tolerance.
    pub fn exactly(
        what: impl Into<String>,
        truth: i64,
        tolerance: Tolerance,
        measured: impl Into<Measured>,
        reason: impl Into<String>,
    ) -> Self {
        let measured = measured.into();
        let near = |value: i64| value.abs_diff(truth) <= tolerance.at_most.unsigned_abs();
        let ok = measured.ends().is_some_and(|(low, high)| near(low) && near(high));
        let mut reason = reason.into();
        if !tolerance.why.is_empty() {
            reason = format!("{reason}; tolerance: {}", tolerance.why);
        }
        let (what, tolerance) = (what.into(), Some(tolerance.at_most));
        Self { what, truth: Some(truth), at_least: None, at_most: None, measured, tolerance, reason, ok }
    }

    /// Every value that the measured figure admits must lie between the bounds.
    pub fn within(
        what: impl Into<String>,
        bounds: (Option<i64>, Option<i64>),
        measured: impl Into<Measured>,
        reason: impl Into<String>,
    ) -> Self {
        let measured = measured.into();
        let (at_least, at_most) = bounds;
        let inside = |(low, high): (i64, i64)| {
            at_least.is_none_or(|least| low >= least) && at_most.is_none_or(|most| high <= most)
        };
        let ok = measured.ends().is_some_and(inside);
        Self { what: what.into(), truth: None, at_least, at_most, measured, tolerance: None, reason: reason.into(), ok }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truth_holds_only_if_every_admitted_value_is_near_it() {
        let check = |figure: Figure, tolerance| {
            Check::exactly("x", 100, Tolerance { at_most: tolerance, why: "y" }, figure, "z").ok
        };
        assert!(check(Figure::Exact(100), 0));
        assert!(!check(Figure::Exact(101), 0));
        assert!(check(Figure::within(99, 101), 1));
        assert!(!check(Figure::within(99, 102), 1));
        assert!(!check(Figure::unknown("a", "b"), 1000));
        assert!(!check(Figure::Exact(i64::MIN), i64::MAX));
    }

    #[test]
    fn bounds_hold_only_for_all_of_an_interval() {
        let check = |figure: Figure| Check::within("x", (Some(1), Some(3)), figure, "z").ok;
        assert!(check(Figure::within(1, 3)));
        assert!(!check(Figure::within(0, 3)));
        assert!(!check(Figure::Exact(4)));
        assert!(Check::within("x", (None, Some(3)), Figure::Exact(-9), "z").ok);
        assert!(!Check::within("x", (None, None), Figure::unknown("a", "b"), "z").ok);
    }

    #[test]
    fn the_json_has_a_truth_or_bounds() {
        let exact = serde_json::to_string(&Check::exactly("pinned", 5, NONE, Figure::Exact(5), "why")).unwrap();
        assert_eq!(exact, r#"{"what":"pinned","truth":5,"measured":5,"tolerance":0,"reason":"why","ok":true}"#);
        let within = Check::within("pinned", (Some(1), None), Figure::within(2, 3), "why");
        let text = serde_json::to_string(&within).unwrap();
        let expected =
            r#"{"what":"pinned","at_least":1,"measured":{"at_least":2,"at_most":3},"reason":"why","ok":true}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Check>(&text).unwrap(), within);
    }
}
