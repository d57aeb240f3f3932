//! When freed memory goes back to the kernel: a window, or never, and what decides it.

mod curve;
mod part;
mod pool;
mod stages;
mod text;

use std::time::Duration;

use crate::{Figure, LineId, SettingId, SettingValue, Statement, Why};
use curve::Band;
use pool::{Driver, Pool};

pub(crate) use part::BOTH as END_BOTH_DECAYS;
pub use part::{ForecastPart, When};

/// What threads are assumed to do after the statement. Who allocates moves jemalloc's clock; a forecast is only as true
/// as this.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum Traffic {
    /// Nobody allocates or frees, and no thread ends.
    #[default]
    Idle,
    /// Threads allocate and free only what their caches hold, which jemalloc does not see. What a cache gives back by
    /// and by, some blocks for each 64 KiB that are allocated, it does see: of a thread that allocates some hundred
    /// thousand small blocks within a decay time expect [`Traffic::Busy`] in place of never.
    Cached,
    /// In each arena with freed pages threads allocate and free beyond their caches, or `arena.decay` is called, so
    /// that jemalloc looks at the arena's clocks in each hundredth of the shorter of its decay times: it does after a
    /// thousand events on average, and after 4,164 of one thread at the latest. What they free themselves is not in
    /// the forecast.
    Busy,
}

/// When the dirty and muzzy pages of a [`Statement`] go back, made by [`Statement::forecast`].
///
/// It says how many resident bytes are left after a time, as a band that is claimed to hold the truth, and for each
/// part of them a window or never, with the setting that decides. It is about the pages that were free at the
/// statement: not about what is freed later, and not about free slots in slabs, which go when their neighbours are
/// freed.
///
/// What it is made from: resident pages by state, each arena's decay times, whether background threads run, and what
/// was free at the statement before this one, which tells how long ago the rest can have been freed. Without an earlier
/// statement pages may be of any age, and the band is wide. RSS falls only by the resident share of what goes.
///
/// Whether a background thread sleeps, and how long still, is not visible, so with them the window is about a decay
/// time wide: the longest of all, since a thread looks after several arenas and after muzzy pages too. Extents that lie
/// side by side grow together before they go, and go as a whole, so that the band is wider by the most that lies so in
/// each arena. For the same reason large blocks go one by one: where nobody takes a part of one, its upper end falls by
/// whole blocks, and background threads leave no part of one behind.
///
/// Dirty pages become muzzy where the arena has a time for them, and of muzzy pages jemalloc counts too few while
/// others come. Some go as they come, the more so the more often its clocks are looked at, and none stays longer than
/// both times. Where more than 3 % of the dirty pages lies side by side that is all that is said: the band is
/// as wide as that, and holds in whatever order things happen. Where less does, it is narrower, from runs of jemalloc's
/// own bookkeeping between looks at every turn and looks as far apart as [`Traffic::Busy`] says.
///
/// Not modelled: what the making of the statement lets go after its pages were read, without background threads (it
/// allocates, which now and then is a look at the clock: with a decay time of a second one piece may go at it, and what
/// checks a forecast knows only of its own); memory pressure (the kernel takes muzzy pages); the end of a thread, at which the clocks of its arena
/// are looked at, and of an arena's last thread, at which all of it is returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// What was assumed of the threads.
    pub traffic: Traffic,
    /// When the statement was taken, see [`ClockReading::taken_ns`](crate::ClockReading::taken_ns).
    pub taken_ns: Option<u64>,
    parts: Vec<ForecastPart>,
    state: Result<State, Why>,
}

#[derive(Clone, Debug, PartialEq)]
struct State {
    driver: Driver,
    /// What all pools have.
    dirty: Band,
    muzzy: Band,
    pools: Vec<Pool>,
}

/// What a forecast said and what was found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ForecastCheck {
    /// How long after the statement.
    pub after: Duration,
    /// Resident dirty and muzzy bytes that should have been left.
    pub said: Figure,
    /// Those that were.
    pub found: Figure,
}

impl Statement {
    /// When its dirty and muzzy pages go back, if nobody allocates from now on.
    pub fn forecast(&self) -> Forecast {
        self.forecast_under(Traffic::Idle)
    }

    /// When its dirty and muzzy pages go back, under what threads are assumed to do.
    pub fn forecast_under(&self, traffic: Traffic) -> Forecast {
        let state = State::of(self, traffic);
        let parts = state.as_ref().map(|state| part::parts(state, traffic)).unwrap_or_default();
        Forecast { traffic, taken_ns: self.clock.taken_ns, parts, state }
    }
}

impl State {
    fn of(statement: &Statement, traffic: Traffic) -> Result<Self, Why> {
        let arenas = statement.clock.arenas.as_ref().map_err(Why::clone)?;
        let background = match statement.setting(SettingId::BackgroundThread) {
            Some(SettingValue::Flag(on)) => *on,
            Some(SettingValue::Unknown(why)) => return Err(why.clone()),
            _ => return Err(Why::new("it is not known whether background threads run", "read the settings too")),
        };
        let bytes = |line| {
            let figure = statement.figure(line);
            figure.ends().map(|(low, high)| Band { low: low as f64, high: high as f64 }).ok_or_else(|| figure.why())
        };
        let unread = || Why::new("pages were not read", "see the statement's doubts");
        let dirty = bytes(LineId::Dirty).map_err(|why| why.unwrap_or_else(unread))?;
        let muzzy = bytes(LineId::Muzzy).map_err(|why| why.unwrap_or_else(unread))?;
        // Busy threads take what they need of extents, and leave the rest.
        let pools = Pool::all(&statement.clock, arenas, (dirty, muzzy), traffic != Traffic::Busy);
        Ok(Self { driver: Driver::of(background, traffic), dirty, muzzy, pools })
    }

    fn left(&self, t_ms: f64) -> Figure {
        let dirty = self.sum(|pool| pool.dirty_left(self.driver, t_ms));
        let muzzy = self.sum(|pool| pool.muzzy_left(self.driver, t_ms));
        // Which pool has which bytes may not be known; how many there are in all is. Dirty pages may become muzzy.
        let dirty_high = dirty.high.min(self.dirty.high);
        let muzzy_high = muzzy.high.min(self.dirty.high + self.muzzy.high);
        part::rounded(Band { low: dirty.low + muzzy.low, high: dirty_high + muzzy_high })
    }

    fn sum(&self, of: impl Fn(&Pool) -> Band) -> Band {
        self.pools.iter().map(of).fold(Band { low: 0.0, high: 0.0 }, |sum, band| Band {
            low: sum.low + band.low,
            high: sum.high + band.high,
        })
    }
}

impl Forecast {
    /// Resident dirty and muzzy bytes that are left this long after the statement: a band that is claimed to hold the
    /// truth, of those pages that were free then.
    pub fn left_after(&self, after: Duration) -> Figure {
        match &self.state {
            Ok(state) => state.left(after.as_secs_f64() * 1e3),
            Err(why) => Figure::from(why.clone()),
        }
    }

    /// The parts that go or stay for different reasons; the largest first. Empty if nothing is free, and if nothing is
    /// known, which [`Forecast::why`] tells.
    pub fn parts(&self) -> &[ForecastPart] {
        &self.parts
    }

    /// Why there is no forecast; `None` if there is one.
    pub fn why(&self) -> Option<&Why> {
        self.state.as_ref().err()
    }

    /// Whether nothing of it ever goes by itself, although something is free.
    pub fn is_never(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| part.when == When::Never)
    }

    /// After this long everything that goes has gone; `None` if nothing does.
    pub fn over_after(&self) -> Option<Duration> {
        let until = self.parts.iter().filter_map(|part| match part.when {
            When::Within { gone_ms, .. } => Some(gone_ms),
            When::Never => None,
        });
        until.max().map(Duration::from_millis)
    }

    /// What is assumed of the threads, in words.
    pub fn assumes(&self) -> &'static str {
        match self.traffic {
            Traffic::Idle => "nobody allocates and no thread ends",
            Traffic::Cached => "threads use their caches only",
            Traffic::Busy => "threads allocate beyond their caches in every arena",
        }
    }

    /// Compares with what a later statement or the kernel found: resident dirty and muzzy bytes.
    pub fn compare(&self, after: Duration, found: Figure) -> ForecastCheck {
        ForecastCheck { after, said: self.left_after(after), found }
    }
}

impl ForecastCheck {
    /// Whether what was found lies in the band, but for [`ForecastCheck::OWN_BYTES`]; `None` if either is unknown.
    pub fn holds(&self) -> Option<bool> {
        let (said, found) = (self.said.ends()?, self.found.ends()?);
        Some(found.0 <= said.1 + Self::OWN_BYTES && said.0 - Self::OWN_BYTES <= found.1)
    }

    /// What the statements themselves, the forecast and whoever prints them take from free pages and free again.
    pub const OWN_BYTES: i64 = 1 << 20;
}
