//! jemalloc's decay curve as bounds: what share of some pages is still there after a time.
//!
//! Pages that were freed together go by `h(1 - t/T)` with `h(x) = 6x^5 - 15x^4 + 10x^3`, where t runs from the moment
//! at which jemalloc first looks at its clock after the free. When that is, and how late it looks afterwards, depends
//! on who drives the clock; here it is an input.

/// A share, or a number of bytes, that lies between two ends.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Band {
    pub low: f64,
    pub high: f64,
}

impl Band {
    pub const ALL: Self = Self { low: 1.0, high: 1.0 };
}

/// How far from the curve the pages may be, in milliseconds.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Slack {
    /// They may have been freed so long before the forecast, and the clock may have run since.
    pub age_ms: f64,
    /// The clock may begin so late, and lag by so much.
    pub late_ms: f64,
}

/// In so many steps jemalloc follows a decay time (`SMOOTHSTEP_NSTEPS`).
pub(super) const STEPS: usize = 200;

/// jemalloc's smooth step, from 0 at 0 to 1 at 1.
pub(super) fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * x * (x * (x * 6.0 - 15.0) + 10.0)
}

/// The share that is left `t_ms` after the forecast of pages with this decay time.
pub(super) fn left(decay_ms: i64, t_ms: f64, slack: Slack) -> Band {
    if decay_ms < 0 || t_ms <= 0.0 {
        return Band::ALL;
    }
    if decay_ms == 0 {
        // At the next event of its arena.
        return Band { low: 0.0, high: if t_ms > slack.late_ms { 0.0 } else { 1.0 } };
    }
    let decay = decay_ms as f64;
    Band {
        low: smooth(1.0 - (t_ms + slack.age_ms) / decay),
        high: smooth(1.0 - (t_ms - slack.late_ms).max(0.0) / decay),
    }
}

/// Pieces in which the pages that leave one stage are followed into the next.
const PIECES: u32 = 100;

/// The share that is left of pages that are dirty now, become muzzy, and stay so for a time of their own.
pub(super) fn left_in_two((dirty_ms, dirty): (i64, Slack), (muzzy_ms, muzzy): (i64, Slack), t_ms: f64) -> Band {
    let first = left(dirty_ms, t_ms, dirty);
    if muzzy_ms == 0 || t_ms <= 0.0 {
        return first;
    }
    let mut sum = first;
    let mut before = Band::ALL;
    for piece in 1..=PIECES {
        let at = t_ms * f64::from(piece) / f64::from(PIECES);
        let now = left(dirty_ms, at, dirty);
        // What left in this piece left at its end at the latest, and at its beginning at the earliest.
        let began = t_ms * f64::from(piece - 1) / f64::from(PIECES);
        sum.low += (before.low - now.low) * left(muzzy_ms, t_ms - began, muzzy).low;
        sum.high += (before.high - now.high) * left(muzzy_ms, t_ms - at, muzzy).high;
        before = now;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Slack = Slack { age_ms: 0.0, late_ms: 0.0 };

    #[test]
    fn the_curve_has_jemallocs_values() {
        // The first and the middle step of the table in jemalloc's smoothstep.h, which has 200 of them.
        assert!((smooth(1.0 / 200.0) - 0.000_001_240_643_75).abs() < 1e-12);
        assert!((smooth(0.5) - 0.5).abs() < 1e-12);
        assert!((smooth(-1.0), smooth(0.0), smooth(1.0), smooth(2.0)) == (0.0, 0.0, 1.0, 1.0));
    }

    #[test]
    fn never_and_at_once_are_no_curves() {
        assert_eq!(left(-1, 1e9, NONE), Band::ALL);
        assert_eq!(left(0, 1.0, NONE), Band { low: 0.0, high: 0.0 });
        assert_eq!(left(0, 0.0, NONE), Band::ALL);
    }

    #[test]
    fn slack_widens_to_both_sides() {
        let band = left(1_000, 500.0, Slack { age_ms: 100.0, late_ms: 200.0 });
        assert!((band.low - smooth(0.4)).abs() < 1e-12 && (band.high - smooth(0.7)).abs() < 1e-12);
    }

    #[test]
    fn of_two_stages_nothing_is_lost_before_the_second_ends() {
        assert_eq!(left_in_two((1_000, NONE), (-1, NONE), 5_000.0), Band::ALL);
        let band = left_in_two((1_000, NONE), (1_000, NONE), 2_000.0);
        assert!(band.low == 0.0 && band.high == 0.0);
        let band = left_in_two((2_000, NONE), (5_000, NONE), 1_000.0);
        assert!(band.low > 0.99 && band.high <= 1.0 && band.low <= band.high, "{band:?}");
        // By the time at which all is muzzy, half of it has been so for a second on average.
        let band = left_in_two((2_000, NONE), (5_000, NONE), 2_000.0);
        assert!(band.low > 0.9 && band.high < 1.0 && band.high - band.low < 0.02, "{band:?}");
        assert!(left_in_two((2_000, NONE), (0, NONE), 1_000.0) == left(2_000, 1_000.0, NONE));
    }
}
