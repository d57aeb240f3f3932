//! The forecast under traffic against jemalloc's own bookkeeping, whatever the order of events: when pages come, when
//! the clocks are looked at, how long their steps are, how large what goes at once is, and what grows together.

mod fixtures;

use std::collections::VecDeque;
use std::time::Duration;

use fixtures::decay::{Clock, PAGE, Random, purge};
use fixtures::pages;
use heapledger_statement::{
    ArenaDecayReading, ArenaFreeReading, FullReadings, Readings, Resident, SettingId, SettingValue, Statement, Traffic,
};
use proptest::prelude::*;

/// What one arena has freed within the last half second.
const DIRTY_PAGES: u64 = (310 << 20) / PAGE;
const FREED_WITHIN_MS: f64 = 500.0;

/// Where less lies side by side the forecast follows some runs, and does not claim to hold in any order.
const LARGEST_AT_LEAST: u64 = DIRTY_PAGES / 30;

/// The looks that busy traffic has.
const LOOKS_IN_A_DECAY_TIME: f64 = 100.0;

/// An arena of jemalloc's that is left alone but for looks at its clocks.
struct Arena {
    random: Random,
    now_ms: f64,
    next_ms: f64,
    /// The longest time between two looks.
    pause_ms: f64,
    of_dirty: Clock,
    /// `None` if nothing becomes muzzy.
    of_muzzy: Option<Clock>,
    /// When extents are freed, and how large they are.
    to_come: VecDeque<(f64, u64)>,
    dirty: VecDeque<u64>,
    muzzy: VecDeque<u64>,
    /// How often what becomes muzzy grows together with what is, after the statement: how large what went before it was
    /// a forecast cannot know.
    grows: f64,
}

impl Arena {
    fn new((dirty_ms, muzzy_ms): (i64, i64), largest: u64, seed: u64) -> Self {
        let mut random = Random(seed);
        // The frees take no time, or as much as there is.
        let freed_ms = -FREED_WITHIN_MS * random.share();
        let spread = if random.share() < 0.5 { 0.0 } else { -freed_ms };
        let (mut to_come, mut left) = (VecDeque::new(), DIRTY_PAGES);
        while left > 0 {
            let pages = if left == DIRTY_PAGES { largest } else { (1 + random.below(largest)).min(left) };
            left -= pages;
            let at_ms = freed_ms + spread * (DIRTY_PAGES - left) as f64 / DIRTY_PAGES as f64;
            // Rounding makes none too late for the statement.
            to_come.push_back((at_ms.min(0.0), pages));
        }
        let short_ms = if muzzy_ms > 0 { dirty_ms.min(muzzy_ms) } else { dirty_ms } as f64;
        let began_ms = -FREED_WITHIN_MS - short_ms;
        Self {
            now_ms: began_ms,
            next_ms: began_ms,
            pause_ms: short_ms / (LOOKS_IN_A_DECAY_TIME * (1.0 + 9.0 * random.share())),
            of_dirty: Clock::new(dirty_ms, began_ms),
            of_muzzy: (muzzy_ms > 0).then(|| Clock::new(muzzy_ms, began_ms)),
            to_come,
            dirty: VecDeque::new(),
            muzzy: VecDeque::new(),
            grows: random.share(),
            random,
        }
    }

    /// Goes on until so long after the statement.
    fn go_on(&mut self, until_ms: f64) {
        while self.next_ms <= until_ms {
            self.come(self.next_ms);
            self.now_ms = self.next_ms;
            self.look();
            self.next_ms += self.pause_ms * self.random.share();
        }
        self.come(until_ms);
    }

    fn come(&mut self, until_ms: f64) {
        while let Some((_, pages)) = self.to_come.front().copied().filter(|(at, _)| *at <= until_ms) {
            self.to_come.pop_front();
            self.dirty.push_back(pages);
        }
    }

    fn look(&mut self) {
        let dirty = self.dirty.iter().sum();
        if let Some(limit) = self.of_dirty.look(self.now_ms, dirty, &mut self.random) {
            let gone = purge(&mut self.dirty, limit);
            for extent in gone.into_iter().filter(|_| self.of_muzzy.is_some()) {
                let grows = self.random.share() < self.grows && self.now_ms > 0.0;
                let beside = if grows { self.muzzy.pop_back() } else { None };
                self.muzzy.push_back(extent + beside.unwrap_or(0));
            }
        }
        let muzzy = self.muzzy.iter().sum();
        let limit = self.of_muzzy.as_mut().and_then(|clock| clock.look(self.now_ms, muzzy, &mut self.random));
        if let Some(limit) = limit {
            purge(&mut self.muzzy, limit);
        }
    }

    fn bytes(extents: &VecDeque<u64>) -> u64 {
        extents.iter().sum::<u64>() * PAGE
    }

    /// A statement of it, all whose pages are resident.
    fn statement(&self, (dirty_decay_ms, muzzy_decay_ms): (i64, i64), largest: u64) -> Statement {
        let (mut readings, mut full): (Readings, FullReadings) = pages::model_server();
        for (id, value) in &mut readings.settings {
            if *id == SettingId::BackgroundThread {
                *value = SettingValue::Flag(false);
            }
        }
        // What does not fit together is believed of a busy process.
        readings.traffic_bytes = None;
        full.clock.decays = Ok(vec![ArenaDecayReading { arena: 0, dirty_decay_ms, muzzy_decay_ms }]);
        let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
        let (dirty_bytes, muzzy_bytes) = (Self::bytes(&self.dirty), Self::bytes(&self.muzzy));
        heap.arenas = vec![ArenaFreeReading { arena: 0, dirty_bytes, muzzy_bytes }];
        heap.dirty.resident = Resident::exactly(dirty_bytes);
        heap.muzzy.resident = Resident::exactly(muzzy_bytes);
        heap.largest_dirty_bytes = largest * PAGE;
        Statement::from_readings(readings, full)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_lies_between_the_ends_in_any_order(
        dirty_ms in 100_i64..10_000,
        muzzy_ms in prop_oneof![1 => Just(0_i64), 4 => 100_i64..10_000],
        largest in LARGEST_AT_LEAST..DIRTY_PAGES / 2,
        seed in any::<u64>(),
    ) {
        let decays = (dirty_ms, muzzy_ms);
        let mut arena = Arena::new(decays, largest, seed);
        arena.go_on(0.0);
        let forecast = arena.statement(decays, largest).forecast_under(Traffic::Busy);
        let over_ms = forecast.over_after().map_or(0, |over| over.as_millis()) as f64;
        for part in 1..=50 {
            let at_ms = over_ms * f64::from(part) / 50.0;
            arena.go_on(at_ms);
            let found = (Arena::bytes(&arena.dirty) + Arena::bytes(&arena.muzzy)) as i64;
            let said = forecast.left_after(Duration::from_secs_f64(at_ms / 1e3));
            let (low, high) = said.ends().expect("there is a forecast");
            prop_assert!(low <= found && found <= high, "{decays:?} {largest} at {at_ms}: {low} {found} {high}");
        }
    }
}
