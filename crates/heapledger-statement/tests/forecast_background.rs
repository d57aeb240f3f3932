//! The forecast with background threads against jemalloc's own bookkeeping: whenever they wake, and whatever is freed, no
//! more is left than the upper end says. (The lower end leaves out what a thread that happens to wake in the step of the
//! frees takes at once.)

mod fixtures;

use std::collections::VecDeque;
use std::time::Duration;

use fixtures::decay::{Clock, LEFT_PAGES, PAGE, Random, purge};
use fixtures::pages;
use heapledger_statement::{
    ArenaDecayReading, ArenaFreeReading, EarlierReading, FullReadings, LargeExtentsReading, Readings, Resident,
    SettingId, SettingValue, Statement,
};
use proptest::prelude::*;

/// When the statement before was taken; all is freed since.
const FREED_WITHIN_MS: f64 = 500.0;

/// An arena that is left alone but for a background thread.
struct Arena {
    random: Random,
    decay_ms: f64,
    clock: Clock,
    /// When the thread wakes; never, if nothing is to be done.
    wakes_ms: f64,
    /// When extents are freed, and how large they are.
    to_come: VecDeque<(f64, u64)>,
    dirty: VecDeque<u64>,
    gone: u64,
}

impl Arena {
    fn new(decay_ms: i64, sizes: &[u64], seed: u64) -> Self {
        let mut random = Random(seed);
        let decay = decay_ms as f64;
        let freed_ms = -FREED_WITHIN_MS * random.share();
        let spread = if random.share() < 0.5 { 0.0 } else { -freed_ms };
        let place = |place: usize| freed_ms + spread * place as f64 / sizes.len() as f64;
        let to_come = sizes.iter().enumerate().map(|(index, pages)| (place(index).min(0.0), *pages)).collect();
        // It slept for a decay time, since there was next to nothing to do.
        let wakes_ms = freed_ms + decay * random.share();
        let clock = Clock::new(decay_ms, wakes_ms - decay);
        Self { random, decay_ms: decay, clock, wakes_ms, to_come, dirty: VecDeque::new(), gone: 0 }
    }

    fn pages(&self) -> u64 {
        self.dirty.iter().sum()
    }

    /// Goes on until so long after the statement.
    fn go_on(&mut self, until_ms: f64) {
        loop {
            let free_ms = self.to_come.front().map_or(f64::INFINITY, |(at, _)| *at);
            if free_ms.min(self.wakes_ms) > until_ms {
                return;
            }
            if free_ms <= self.wakes_ms {
                let Some((_, pages)) = self.to_come.pop_front() else { return };
                self.dirty.push_back(pages);
                // Who frees may look at the clock, and purges nothing.
                if self.random.share() < 0.5 {
                    let pages = self.pages();
                    let _ = self.clock.look(free_ms, pages, &mut self.random);
                }
                if self.wakes_ms == f64::INFINITY {
                    // A thread without a time to wake is woken by the next free, and only asks how long to sleep.
                    self.sleep(free_ms);
                }
            } else {
                let now_ms = self.wakes_ms;
                let before = self.pages();
                let _ = self.clock.look(now_ms, before, &mut self.random);
                let gone = purge(&mut self.dirty, self.clock.limit);
                self.gone += gone.iter().sum::<u64>();
                self.sleep(now_ms);
            }
        }
    }

    fn sleep(&mut self, now_ms: f64) {
        let long = self.clock.sleep_ms(self.pages(), self.decay_ms);
        self.wakes_ms = long.map_or(f64::INFINITY, |long| now_ms + long);
    }

    /// A statement of it, all whose pages are resident.
    fn statement(&self, dirty_decay_ms: i64) -> Statement {
        let (mut readings, mut full): (Readings, FullReadings) = pages::model_server();
        for (id, value) in &mut readings.settings {
            if *id == SettingId::BackgroundThread {
                *value = SettingValue::Flag(true);
            }
        }
        // What does not fit together is believed of a busy process.
        readings.traffic_bytes = None;
        full.clock.decays = Ok(vec![ArenaDecayReading { arena: 0, dirty_decay_ms, muzzy_decay_ms: 0 }]);
        let ago_ns = Duration::from_secs_f64(FREED_WITHIN_MS / 1e3).as_nanos() as u64;
        full.clock.earlier = Some(EarlierReading { ago_ns, arenas: Vec::new(), gone_bytes: Some(self.gone * PAGE) });
        let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
        let dirty_bytes = self.pages() * PAGE;
        heap.arenas = vec![ArenaFreeReading { arena: 0, dirty_bytes, muzzy_bytes: 0 }];
        heap.dirty.resident = Resident::exactly(dirty_bytes);
        heap.largest_dirty_bytes = self.dirty.iter().max().map_or(0, |pages| pages * PAGE);
        let large: Vec<u64> = self.dirty.iter().copied().filter(|pages| *pages > LEFT_PAGES).collect();
        heap.large_dirty = LargeExtentsReading {
            extents: large.len() as u64,
            bytes: large.iter().sum::<u64>() * PAGE,
            smallest_bytes: large.iter().min().map_or(0, |pages| pages * PAGE),
        };
        Statement::from_readings(readings, full)
    }
}

/// Pages of what is freed: blocks of one size, small ones, or both; 64 GiB at most.
fn sizes() -> impl Strategy<Value = Vec<u64>> {
    let large = (1..12_usize, LEFT_PAGES + 1..300_000).prop_map(|(count, pages)| vec![pages; count]);
    let small = prop::collection::vec(1..LEFT_PAGES, 1..300);
    let uneven = prop::collection::vec(1..100_000_u64, 1..12);
    let both = (large.clone(), small.clone()).prop_map(|(large, small)| [small, large].concat()).prop_shuffle();
    prop_oneof![large, small, uneven, both]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_more_is_left_than_the_upper_end_says(
        decay_ms in 200_i64..20_000,
        sizes in sizes(),
        seed in any::<u64>(),
    ) {
        let mut arena = Arena::new(decay_ms, &sizes, seed);
        arena.go_on(0.0);
        let forecast = arena.statement(decay_ms).forecast();
        let over_ms = forecast.over_after().map_or(0, |over| over.as_millis()) as f64;
        for part in 1..=100 {
            let at_ms = over_ms * f64::from(part) / 100.0;
            arena.go_on(at_ms);
            let found = (arena.pages() * PAGE) as i64;
            let high = forecast.left_after(Duration::from_secs_f64(at_ms / 1e3)).high().expect("there is a forecast");
            prop_assert!(found <= high, "{decay_ms} ms, at {at_ms}: {found} of at most {high}");
        }
        prop_assert_eq!(arena.pages(), 0);
    }
}
