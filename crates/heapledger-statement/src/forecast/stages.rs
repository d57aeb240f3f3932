//! Pages that are dirty, then muzzy: jemalloc's own bookkeeping, followed step by step.
//!
//! Dirty pages that were freed together follow the curve. They become muzzy bit by bit, and of muzzy pages that come
//! while others go jemalloc counts too few as new: it compares with what there was before it purged. So they go earlier
//! than the curve would have it, by a third of their time, and only its own steps tell by how much. The more often the
//! clocks are looked at, the more steps have pages that come and pages that go, and the earlier they go: looked at ten
//! times less often, half as much again may be left.
//!
//! Where large pieces go as a whole this depends on the order of few events. Then nothing is followed, and the bounds
//! are those that hold in any order, see [`super::pool`].

use super::curve::{STEPS, smooth};

/// What is left of pages that are dirty at first, by the time since then: the least of some runs of the two clocks that
/// are looked at often, and the most of some that are looked at seldom. jemalloc ends their steps at random.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stages {
    sample_ms: f64,
    least: Vec<f64>,
    most: Vec<f64>,
}

/// Decay times that differ by more are not followed.
const RATIO_AT_MOST: f64 = 20.0;

/// Nor are pages of which more than this share goes at once.
const PIECE_AT_MOST: f64 = 0.03;

/// Often: so many looks at the clocks in the shorter step.
const LOOKS: f64 = 5.0;

/// Seldom: one look in so many of the shorter steps, on average; a hundredth of the shorter decay time.
const STEPS_PER_LOOK: f64 = 2.0;

/// Runs of the two clocks, each with other steps: for the least with each size of what goes at once, and for the most.
const RUNS: u64 = 3;
const RUNS_SELDOM: u64 = 8;

/// How large the pieces are that go at once, as shares of the largest; seldom looked at, the largest are the last.
const PIECES: [f64; 2] = [0.2, 1.0];

impl Stages {
    /// `None` if there are no two stages, following them would take too long, or what is found depends on the order of
    /// few events.
    ///
    /// `piece` is the share that goes at once at most.
    pub fn new(dirty_ms: i64, muzzy_ms: i64, piece: f64) -> Option<Self> {
        if dirty_ms <= 0 || muzzy_ms <= 0 || piece > PIECE_AT_MOST {
            return None;
        }
        let (dirty, muzzy) = (dirty_ms as f64, muzzy_ms as f64);
        let (short, long) = (dirty.min(muzzy), dirty.max(muzzy));
        if long / short > RATIO_AT_MOST {
            return None;
        }
        let sample_ms = short / STEPS as f64 / LOOKS;
        let samples = ((dirty + muzzy) * 1.1 / sample_ms).ceil() as usize;
        let (mut least, mut most) = (vec![1.0_f64; samples], vec![0.0_f64; samples]);
        let often = (0..RUNS).flat_map(|run| PIECES.map(|share| (run, share, 0.0)));
        let seldom = (RUNS..RUNS + RUNS_SELDOM).map(|run| (run, 1.0, short / STEPS as f64 * STEPS_PER_LOOK));
        for (run, share, pause_ms) in often.chain(seldom) {
            let left = follow((dirty, muzzy), piece * share, (run, pause_ms), sample_ms, samples);
            for (sample, left) in left.into_iter().enumerate() {
                least[sample] = least[sample].min(left);
                most[sample] = most[sample].max(left);
            }
        }
        Some(Self { sample_ms, least, most })
    }

    /// The least share that can be left.
    pub fn low(&self, t_ms: f64) -> f64 {
        self.at(&self.least, t_ms)
    }

    /// The largest.
    pub fn high(&self, t_ms: f64) -> f64 {
        self.at(&self.most, t_ms)
    }

    fn at(&self, samples: &[f64], t_ms: f64) -> f64 {
        if t_ms <= 0.0 {
            return 1.0;
        }
        samples.get((t_ms / self.sample_ms) as usize).copied().unwrap_or_default()
    }
}

/// One run: what is left at each sample. The clocks are looked at with pauses of `pause_ms` on average, as far apart as
/// events are that come at random, and at every sample if it is 0.
fn follow(
    (dirty_ms, muzzy_ms): (f64, f64),
    piece: f64,
    (run, pause_ms): (u64, f64),
    sample_ms: f64,
    samples: usize,
) -> Vec<f64> {
    let (mut dirty, mut muzzy) = (1.0, 0.0);
    let (mut of_dirty, mut of_muzzy) = (Clock::new(dirty_ms, 3 * run, 1.0), Clock::new(muzzy_ms, 3 * run + 1, 0.0));
    let (mut looks, mut next_look_ms) = (Random(3 * run + 2), 0.0);
    let mut left = Vec::with_capacity(samples);
    for sample in 0..samples {
        let now = sample as f64 * sample_ms;
        if now >= next_look_ms {
            next_look_ms = now - pause_ms * (1.0 - looks.share()).ln();
            if let Some(limit) = of_dirty.look(now, dirty).filter(|limit| *limit < dirty) {
                let rest = beyond(dirty, limit, piece);
                muzzy += dirty - rest;
                dirty = rest;
            }
            if let Some(limit) = of_muzzy.look(now, muzzy).filter(|limit| *limit < muzzy) {
                muzzy = beyond(muzzy, limit, piece);
            }
        }
        left.push(dirty + muzzy);
    }
    left
}

/// What is left of `pages` when whole pieces went until there were no more than `limit`.
fn beyond(pages: f64, limit: f64, piece: f64) -> f64 {
    if piece == 0.0 { limit } else { (pages - ((pages - limit) / piece).ceil() * piece).max(0.0) }
}

/// Numbers that are the same for the same run.
struct Random(u64);

impl Random {
    /// At least 0, less than 1.
    fn share(&mut self) -> f64 {
        // Knuth's constants; the upper bits are random enough for this.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// `decay_t` of jemalloc's: how many pages came in each of the last steps.
struct Clock {
    interval_ms: f64,
    epoch_ms: f64,
    /// When the step under way ends.
    deadline_ms: f64,
    random: Random,
    /// The newest last.
    backlog: Vec<f64>,
    weights: Vec<f64>,
    unpurged: f64,
}

impl Clock {
    fn new(decay_ms: f64, run: u64, pages: f64) -> Self {
        let weights: Vec<f64> = (1..=STEPS).map(|place| smooth(place as f64 / STEPS as f64)).collect();
        let mut backlog = vec![0.0; STEPS];
        backlog[STEPS - 1] = pages;
        let interval_ms = decay_ms / STEPS as f64;
        let mut clock = Self {
            interval_ms,
            epoch_ms: 0.0,
            deadline_ms: 0.0,
            random: Random(run),
            backlog,
            weights,
            unpurged: pages,
        };
        clock.draw();
        clock
    }

    /// The step under way ends at random between one and two of its lengths.
    fn draw(&mut self) {
        self.deadline_ms = self.epoch_ms + self.interval_ms * (1.0 + self.random.share());
    }

    /// How many pages may stay; `None` if the step has not ended.
    fn look(&mut self, now_ms: f64, pages: f64) -> Option<f64> {
        if now_ms < self.deadline_ms {
            return None;
        }
        let steps = ((now_ms - self.epoch_ms) / self.interval_ms) as usize;
        self.epoch_ms += steps as f64 * self.interval_ms;
        self.draw();
        let gone = steps.min(STEPS);
        self.backlog.drain(..gone);
        self.backlog.resize(STEPS, 0.0);
        self.backlog[STEPS - 1] = (pages - self.unpurged).max(0.0);
        let limit = self.backlog.iter().zip(&self.weights).map(|(came, weight)| came * weight).sum::<f64>();
        self.unpurged = limit.max(pages);
        Some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stage_follows_the_curve() {
        let mut clock = Clock::new(1_000.0, 7, 1.0);
        for look in 1..1_000 {
            let now = f64::from(look);
            // A step is five milliseconds, and the limit that of its beginning.
            if let Some(limit) = clock.look(now, 1.0) {
                let (late, early) = (smooth(1.0 - (now - 5.0) / 1_000.0), smooth(1.0 - now / 1_000.0));
                assert!(early - 1e-9 <= limit && limit <= late + 1e-9, "{now}: {limit}");
            }
        }
    }

    #[test]
    fn muzzy_pages_go_before_the_curve_and_all_go_in_the_end() {
        let stages = Stages::new(500, 1_000, 0.0).expect("they can be followed");
        assert!((stages.low(0.0), stages.high(0.0)) == (1.0, 1.0));
        // By the curve alone nine tenths would be left when the last dirty page became muzzy.
        assert!(stages.high(500.0) < 0.8 && stages.low(500.0) > 0.4, "{} {}", stages.low(500.0), stages.high(500.0));
        assert!(stages.high(1_600.0) < 1e-6);
        let all = (0..160).map(|sample| f64::from(sample) * 10.0);
        assert!(all.clone().all(|t_ms| stages.low(t_ms) <= stages.high(t_ms)));
    }

    #[test]
    fn pieces_go_earlier_than_pages_one_by_one() {
        let (fine, coarse) = (Stages::new(500, 1_000, 0.0), Stages::new(500, 1_000, 0.01));
        let (fine, coarse) = (fine.expect("they can be followed"), coarse.expect("these too"));
        assert!(coarse.low(400.0) < fine.low(400.0) - 0.05);
    }

    #[test]
    fn there_must_be_two_stages_of_comparable_length() {
        assert_eq!(Stages::new(1_000, 0, 0.0), None);
        assert_eq!(Stages::new(-1, 1_000, 0.0), None);
        assert_eq!(Stages::new(10_000, 10, 0.0), None);
    }
}
