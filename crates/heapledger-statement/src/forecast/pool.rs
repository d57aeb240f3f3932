//! Free pages that share a clock, and how much of them can be left after a time.
//!
//! What jemalloc's source says, and the bounds follow from:
//!
//! * A clock counts in steps of a two-hundredth of its decay time. A step ends when somebody looks, one to two steps
//!   after the last one began. Then as many pages may stay as came in each of the last 200 steps, each weighed with the
//!   curve at its age, and extents go, the oldest first, **while there are more**. So what stays is never more than
//!   that, and less by no more than the last extent that went: the largest that can lie side by side.
//! * Of the pages that came, never more are counted than came. So no pages stay longer than the curve says, counted
//!   from when they came at the latest and with each look as late as it can be: the upper ends. Pages that had been
//!   free for a while at the statement go no later than new ones, since the curve falls ever faster for what is left.
//!   (Some went before it, as a whole: of so much more some may stay. That is no more than jemalloc says that it gave
//!   back since the statement before, and taken to be no more than lies side by side now.)
//! * Dirty pages that go become muzzy in the same look, just before the clock of the muzzy ones is looked at. It counts
//!   as new by how much there are more than before it last purged, so that what goes while others come is not counted:
//!   muzzy pages may go as early as they come. And they grow together at once. So the only lower end that holds in any
//!   order is that of the dirty ones.
//!
//! Between these two ends of pages that become muzzy there is much; where they go in small pieces [`Stages`] says more.

use super::Traffic;
use super::curve::{Band, STEPS, Slack, left, left_in_two};
use super::stages::Stages;
use crate::LargeExtentsReading;
use crate::statement::Clock;

/// Background threads leave so many pages of an arena to the next decay time (`ARENA_DEFERRED_PURGE_NPAGES_THRESHOLD`):
/// waking for less is not worth their while.
const LEFT_BY_BACKGROUND_BYTES: f64 = (1024 * 4096) as f64;

/// Where the curve lets more than that go within two steps, and less than twice as much ever, they wait for half of the
/// decay time: the middle between the two, and a step for the rounding.
const HALFWAY: f64 = 0.51;

/// With a larger share of muzzy pages beside dirty ones the clocks are not as in the runs that [`Stages`] follows.
const MUZZY_AT_MOST: f64 = 0.005;

/// Who looks at the clock.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Driver {
    /// Nobody: nothing goes back.
    Nobody,
    /// Allocations and frees beyond thread caches, a thousand at a time.
    Ticks,
    /// Background threads.
    Background,
}

impl Driver {
    pub fn of(background: bool, traffic: Traffic) -> Self {
        match (background, traffic) {
            (true, _) => Self::Background,
            (false, Traffic::Busy) => Self::Ticks,
            (false, Traffic::Idle | Traffic::Cached) => Self::Nobody,
        }
    }

    /// How late the clock can be looked at, if background threads sleep so long at most.
    ///
    /// Ticks: a step ends within two of them, and the assumed traffic looks a hundred times in a decay time; that
    /// counts twice, for the look that counts the pages and for the last one that purged. What is left of it is for
    /// threads that a busy machine keeps waiting.
    /// A background thread that was asleep wakes then, looks at the clock for the first time, within two steps, and never
    /// sleeps less than 0.1 s.
    pub fn late_ms(self, decay_ms: i64, sleep_ms: f64) -> f64 {
        let decay = decay_ms.max(0) as f64;
        match self {
            Self::Nobody => 0.0,
            Self::Ticks => decay / 20.0 + 20.0,
            Self::Background => sleep_ms + decay * 0.01 + 100.0,
        }
    }
}

/// Arenas with the same decay times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pool {
    pub dirty_decay_ms: i64,
    pub muzzy_decay_ms: i64,
    /// Address space of dirty extents that was freed within `age_ms`.
    fresh_bytes: f64,
    /// That of others, freed at any time.
    old_bytes: f64,
    age_ms: f64,
    muzzy_bytes: f64,
    /// Resident part of dirty and of muzzy pages.
    pub dirty: Band,
    pub muzzy: Band,
    /// How long a background thread sleeps that had next to nothing to do when it looked last: the longest of all decay
    /// times, since one looks after several arenas, and after muzzy pages too.
    sleep_ms: f64,
    /// What can lie side by side at most, in each arena.
    largest_bytes: f64,
    /// What at most went before the statement beyond what the curve lets go, since it went as a whole.
    ahead_bytes: f64,
    /// What background threads leave to the next decay time.
    leftover_bytes: f64,
    /// What they let wait until they wake: they sleep until the curve lets up to twice as much go.
    waiting_bytes: f64,
    /// Extents that are larger than that, if all of them are this pool's and nobody splits them.
    large: LargeExtentsReading,
    stages: Option<Stages>,
}

impl Pool {
    /// The pools of a statement whose dirty and muzzy pages have so many resident bytes.
    ///
    /// `unsplit` says that nobody takes a part of an extent.
    pub fn all(
        clock: &Clock,
        arenas: &[crate::statement::ArenaFree],
        (dirty, muzzy): (Band, Band),
        unsplit: bool,
    ) -> Vec<Self> {
        let mut pools: Vec<Self> = Vec::new();
        for arena in arenas.iter().filter(|arena| arena.dirty_bytes + arena.muzzy_bytes > 0) {
            let same = |pool: &&mut Self| {
                pool.dirty_decay_ms == arena.dirty_decay_ms && pool.muzzy_decay_ms == arena.muzzy_decay_ms
            };
            let pool = match pools.iter_mut().find(same) {
                Some(pool) => pool,
                None => {
                    pools.push(Self::empty(clock, arena));
                    let last = pools.len() - 1;
                    &mut pools[last]
                }
            };
            let old = arena.earlier_dirty_bytes.unwrap_or(arena.dirty_bytes).min(arena.dirty_bytes);
            let free = (arena.dirty_bytes + arena.muzzy_bytes) as f64;
            pool.leftover_bytes += free.min(LEFT_BY_BACKGROUND_BYTES);
            pool.waiting_bytes += free.min(2.0 * LEFT_BY_BACKGROUND_BYTES);
            pool.largest_bytes += arena.dirty_bytes.min(clock.largest_dirty_bytes) as f64;
            pool.old_bytes += old as f64;
            pool.fresh_bytes += (arena.dirty_bytes - old) as f64;
            pool.muzzy_bytes += arena.muzzy_bytes as f64;
        }
        let all: (f64, f64) = pools
            .iter()
            .fold((0.0, 0.0), |sum, pool| (sum.0 + pool.fresh_bytes + pool.old_bytes, sum.1 + pool.muzzy_bytes));
        if let ([pool], true) = (&mut pools[..], unsplit) {
            let large = clock.large_dirty;
            let whole = arenas.iter().map(|arena| arena.dirty_bytes).sum::<u64>();
            // What was read back may be anything.
            let least = large.extents.checked_mul(large.smallest_bytes);
            if large.smallest_bytes > 0 && least.is_some_and(|least| least <= large.bytes && large.bytes <= whole) {
                pool.large = large;
            }
        }
        let sleep_ms = pools.iter().map(Pool::longer_ms).fold(0.0, f64::max);
        for pool in &mut pools {
            pool.sleep_ms = sleep_ms;
            pool.dirty = share(dirty, pool.fresh_bytes + pool.old_bytes, all.0);
            pool.muzzy = share(muzzy, pool.muzzy_bytes, all.1);
            let whole = pool.fresh_bytes + pool.old_bytes;
            let piece = if whole > 0.0 { (clock.largest_dirty_bytes as f64 / whole).min(1.0) } else { 0.0 };
            pool.stages = Stages::new(pool.dirty_decay_ms, pool.muzzy_decay_ms, piece);
        }
        pools
    }

    fn empty(clock: &Clock, arena: &crate::statement::ArenaFree) -> Self {
        Self {
            dirty_decay_ms: arena.dirty_decay_ms,
            muzzy_decay_ms: arena.muzzy_decay_ms,
            fresh_bytes: 0.0,
            old_bytes: 0.0,
            age_ms: clock.earlier_ago_ns.unwrap_or_default() as f64 / 1e6,
            muzzy_bytes: 0.0,
            dirty: Band { low: 0.0, high: 0.0 },
            muzzy: Band { low: 0.0, high: 0.0 },
            sleep_ms: 0.0,
            largest_bytes: 0.0,
            ahead_bytes: clock.gone_bytes.map_or(clock.largest_dirty_bytes, |gone| gone.min(clock.largest_dirty_bytes))
                as f64,
            leftover_bytes: 0.0,
            waiting_bytes: 0.0,
            large: LargeExtentsReading::default(),
            stages: None,
        }
    }

    /// Resident bytes that are left of its dirty pages, those among them that become muzzy too.
    pub fn dirty_left(&self, driver: Driver, t_ms: f64) -> Band {
        if driver == Driver::Nobody || t_ms <= 0.0 || self.never_dirty() {
            return self.dirty;
        }
        let fresh = self.share_left(driver, t_ms, self.age_ms);
        let old = self.share_left(driver, t_ms, f64::INFINITY);
        let whole = self.fresh_bytes + self.old_bytes;
        let mut low = self.fresh_bytes * fresh.low + self.old_bytes * old.low;
        // What went before the statement may have gone as a whole too.
        let mut high = (self.fresh_bytes + self.ahead_bytes) * fresh.high + self.old_bytes * old.high;
        if low < whole {
            // What lies side by side goes as a whole.
            low -= self.largest_bytes;
        }
        high += self.kept_back(driver, t_ms, self.dirty_until_ms(driver));
        if driver == Driver::Background && self.muzzy_decay_ms == 0 {
            high = high.min(self.unsplit(high));
        }
        within(self.dirty, whole, Band { low, high })
    }

    /// What background threads keep beyond the curve, which ends at `until_ms`.
    fn kept_back(&self, driver: Driver, t_ms: f64, until_ms: f64) -> f64 {
        match driver {
            Driver::Background if t_ms < until_ms + self.longer_ms() * HALFWAY => self.waiting_bytes,
            Driver::Background if t_ms < self.tail_ms(driver) => self.leftover_bytes,
            _ => 0.0,
        }
    }

    /// What can be left at most of dirty extents of which none goes in part, when so many bytes may stay.
    fn unsplit(&self, limit: f64) -> f64 {
        let whole = self.fresh_bytes + self.old_bytes;
        let LargeExtentsReading { extents, bytes, smallest_bytes } = self.large;
        if limit >= whole || extents == 0 {
            return whole;
        }
        let (extents, bytes, smallest) = (extents as f64, bytes as f64, smallest_bytes as f64);
        let at_most = if limit < bytes { extents - 1.0 } else { extents };
        match (limit / smallest).floor().min(at_most) {
            // The last one has gone: others are left.
            0.0 => whole - bytes,
            stay => whole - (extents - stay) * smallest,
        }
    }

    /// The share that is left of dirty pages that were freed up to `age_ms` before.
    fn share_left(&self, driver: Driver, t_ms: f64, age_ms: f64) -> Band {
        let late_ms = self.dirty_late_ms(driver);
        let whole = self.fresh_bytes + self.old_bytes;
        // The step in which they came may have begun before they did.
        let age_ms = age_ms + self.dirty_decay_ms.max(0) as f64 / STEPS as f64;
        let dirty = Slack { age_ms, late_ms };
        let muzzy = Slack { age_ms: 0.0, late_ms: self.muzzy_late_ms(driver) };
        let high = match left_in_two((self.dirty_decay_ms, dirty), (self.muzzy_decay_ms, muzzy), t_ms).high {
            // It is followed in pieces of time, and the last of them reaches beyond the end.
            _ if t_ms >= self.dirty_until_ms(driver) => 0.0,
            high => high,
        };
        // Muzzy pages may go as they come.
        let low = left(self.dirty_decay_ms, t_ms, dirty).low;
        match (&self.stages, driver) {
            // Where some are muzzy already, the clocks do not begin as the runs do, and what grew together is not seen.
            (Some(_), Driver::Ticks) if self.muzzy_bytes > whole * MUZZY_AT_MOST => Band { low, high },
            (Some(stages), Driver::Ticks) => {
                Band { low: stages.low(t_ms + age_ms), high: stages.high(t_ms - self.counted_ms()).min(high) }
            }
            (Some(stages), _) => Band { low: stages.low(t_ms + age_ms), high },
            (None, _) => Band { low, high },
        }
    }

    /// How much later than when they came jemalloc counts dirty pages, under traffic: two looks and two steps.
    fn counted_ms(&self) -> f64 {
        self.dirty_decay_ms.max(0) as f64 / STEPS as f64 * 4.0
    }

    /// Resident bytes that are left of its muzzy pages.
    pub fn muzzy_left(&self, driver: Driver, t_ms: f64) -> Band {
        if driver == Driver::Nobody || t_ms <= 0.0 {
            return self.muzzy;
        }
        let share =
            left(self.muzzy_decay_ms, t_ms, Slack { age_ms: f64::INFINITY, late_ms: self.muzzy_first_late_ms(driver) });
        let low = self.muzzy_bytes * share.low;
        let mut high = (self.muzzy_bytes + self.ahead_bytes) * share.high;
        high += self.kept_back(driver, t_ms, self.muzzy_until_ms(driver));
        within(self.muzzy, self.muzzy_bytes, Band { low, high })
    }

    fn never_dirty(&self) -> bool {
        self.dirty_decay_ms < 0 || self.muzzy_decay_ms < 0
    }

    /// Background threads that have looked at dirty pages look at muzzy ones too, so that these wait no further sleep.
    fn muzzy_late_ms(&self, driver: Driver) -> f64 {
        match driver {
            Driver::Background => self.muzzy_decay_ms.max(0) as f64 / 20.0 + 250.0,
            _ => self.muzzy_first_late_ms(driver),
        }
    }

    /// How late the clock of its dirty pages can be looked at.
    fn dirty_late_ms(&self, driver: Driver) -> f64 {
        driver.late_ms(self.dirty_decay_ms, self.sleep_ms)
    }

    /// The same of pages that are muzzy already, for which a thread sleeps no longer than they need.
    fn muzzy_first_late_ms(&self, driver: Driver) -> f64 {
        driver.late_ms(self.muzzy_decay_ms, self.muzzy_decay_ms.max(0) as f64)
    }

    /// Whether its dirty pages stay, whatever the time.
    pub fn dirty_stays(&self, driver: Driver) -> bool {
        driver == Driver::Nobody || self.never_dirty()
    }

    /// Whether its muzzy pages stay.
    pub fn muzzy_stays(&self, driver: Driver) -> bool {
        driver == Driver::Nobody || self.muzzy_decay_ms < 0
    }

    /// When its dirty pages have gone at the latest, but for what background threads leave.
    pub fn dirty_until_ms(&self, driver: Driver) -> f64 {
        let dirty = self.dirty_decay_ms.max(0) as f64 + self.dirty_late_ms(driver);
        let muzzy = self.muzzy_decay_ms.max(0) as f64;
        if muzzy > 0.0 { dirty + muzzy + self.muzzy_late_ms(driver) } else { dirty }
    }

    /// The same for muzzy ones.
    pub fn muzzy_until_ms(&self, driver: Driver) -> f64 {
        self.muzzy_decay_ms.max(0) as f64 + self.muzzy_first_late_ms(driver)
    }

    /// When what background threads leave has gone too.
    pub fn tail_ms(&self, driver: Driver) -> f64 {
        let until = self.dirty_until_ms(driver).max(self.muzzy_until_ms(driver));
        match driver {
            Driver::Background => until + self.longer_ms() * 1.02,
            _ => until,
        }
    }

    /// The longer of its decay times.
    fn longer_ms(&self) -> f64 {
        self.dirty_decay_ms.max(self.muzzy_decay_ms).max(0) as f64
    }
}

/// Of resident bytes of the whole, those of a part with this address space.
fn share(resident: Band, part: f64, whole: f64) -> Band {
    Band { low: (resident.low - (whole - part)).max(0.0), high: resident.high.min(part) }
}

/// Of address space `whole`, of which so much is resident, so much is left: which pages went first is not known.
fn within(resident: Band, whole: f64, left: Band) -> Band {
    let gone = whole - left.low.max(0.0);
    Band { low: (resident.low - gone).max(0.0), high: resident.high.min(left.high) }
}
