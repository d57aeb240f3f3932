//! Forecasts from saved readings: who drives the clock, what is never, and the words.

mod fixtures;

use std::time::Duration;

use fixtures::pages;
use heapledger_statement::{
    ArenaDecayReading, ArenaFreeReading, EarlierReading, Figure, Forecast, FullReadings, LargeExtentsReading, LineId,
    Readings, SettingId, SettingValue, Statement, Traffic, When, Why,
};

const MIB: i64 = 1 << 20;

/// 310 MiB of one arena are dirty, freed within the last half second; the largest extent has 4 MiB.
const DIRTY: i64 = 310 * MIB;

fn readings(background: bool, dirty_decay_ms: i64, muzzy_decay_ms: i64) -> (Readings, FullReadings) {
    let (mut readings, mut full) = pages::model_server();
    for (id, value) in &mut readings.settings {
        if *id == SettingId::BackgroundThread {
            *value = SettingValue::Flag(background);
        }
    }
    full.clock.decays = Ok(vec![ArenaDecayReading { arena: 0, dirty_decay_ms, muzzy_decay_ms }]);
    (readings, full)
}

fn forecast(background: bool, dirty_decay_ms: i64, muzzy_decay_ms: i64, traffic: Traffic) -> Forecast {
    let (readings, full) = readings(background, dirty_decay_ms, muzzy_decay_ms);
    let statement = Statement::from_readings(readings, full);
    let free = statement.figure(LineId::Dirty).as_exact().expect("the fixture is exact");
    assert!(free > 300 * MIB && free <= DIRTY);
    statement.forecast_under(traffic)
}

fn left(forecast: &Forecast, after_ms: u64) -> (i64, i64) {
    forecast.left_after(Duration::from_millis(after_ms)).ends().expect("there is a forecast")
}

#[test]
fn an_idle_process_without_background_threads_keeps_its_dirty_pages_for_ever() {
    let forecast = forecast(false, 10_000, 0, Traffic::Idle);
    assert!(forecast.is_never());
    assert_eq!(forecast.over_after(), None);
    let (low, high) = left(&forecast, 1_000_000_000);
    assert_eq!(low, high, "never has no width");
    assert_eq!(forecast.to_string(), "309.8 dirty, never back (no background threads, nothing ticks)");
    let remedy = "heapledger::configure().background_threads(true)";
    assert!(format!("{forecast:#}").ends_with(&format!("nothing ticks): {remedy}")));
    assert_eq!(forecast.parts()[0].remedy, Some(remedy));
    assert_eq!(forecast.parts()[0].decided_by, SettingId::BackgroundThread);
}

#[test]
fn thread_caches_do_not_tick() {
    let forecast = forecast(false, 10_000, 0, Traffic::Cached);
    assert!(forecast.is_never() && forecast.to_string().contains("thread caches do not tick"));
}

#[test]
fn a_decay_time_of_minus_one_is_never_whoever_ticks() {
    for (background, traffic) in [(true, Traffic::Idle), (false, Traffic::Busy)] {
        let forecast = forecast(background, -1, 0, traffic);
        assert!(forecast.is_never(), "{forecast}");
        assert_eq!(forecast.parts()[0].decided_by, SettingId::DirtyDecayMs);
    }
    let muzzy = forecast(true, 1_000, -1, Traffic::Idle);
    assert!(muzzy.is_never() && muzzy.to_string().contains("muzzy_decay_ms is -1"), "{muzzy}");
}

#[test]
fn traffic_lets_pages_go_along_the_curve_within_a_narrow_band() {
    let forecast = forecast(false, 10_000, 0, Traffic::Busy);
    assert_eq!(left(&forecast, 0).0, left(&forecast, 0).1);
    // Half of the decay time after the free, half is left: the curve is symmetric.
    let (low, high) = left(&forecast, 5_000);
    assert!(low < DIRTY / 2 && DIRTY / 2 < high, "{low} {high}");
    assert_eq!(left(&forecast, 11_000), (0, 0));
    let width: f64 = (0..110).map(|tenth| left(&forecast, tenth * 100)).map(|(low, high)| (high - low) as f64).sum();
    assert!(width / 110.0 <= 0.15 * DIRTY as f64, "{}", width / 110.0 / DIRTY as f64);
    let When::Within { from_ms, until_ms, gone_ms } = forecast.parts()[0].when else { panic!("{forecast}") };
    assert!(7_000 < from_ms && from_ms < 9_500 && until_ms == 10_520 && gone_ms == until_ms, "{forecast}");
    assert_eq!(forecast.to_string(), format!("309.8 dirty, back in {}-11 s", from_ms / 1_000));
}

#[test]
fn background_threads_may_begin_at_once_or_after_a_decay_time() {
    let forecast = forecast(true, 10_000, 0, Traffic::Idle);
    let (low, high) = left(&forecast, 9_900);
    assert!(low == 0 && high > 300 * MIB, "{low} {high}");
    let (_, high) = left(&forecast, 20_600);
    assert_eq!(high, 8 * MIB, "they wait until twice as much as they leave must go");
    let (_, high) = left(&forecast, 25_600);
    assert_eq!(high, 4 * MIB, "they leave that much to the next decay time");
    let over = forecast.over_after().expect("it ends").as_millis() as u64;
    assert_eq!(left(&forecast, over), (0, 0));
    let widths = (0..over / 100).map(|tenth| left(&forecast, tenth * 100)).map(|(low, high)| (high - low) as f64);
    let mean = widths.sum::<f64>() / (over / 100) as f64;
    assert!(mean <= 0.5 * DIRTY as f64, "{}", mean / DIRTY as f64);
}

/// The mean width of a band until it is over, as a share of what was free.
fn width(forecast: &Forecast, free: i64) -> f64 {
    let over = forecast.over_after().expect("it ends").as_millis() as u64;
    let widths = (1..=over / 10).map(|tick| left(forecast, tick * 10)).map(|(low, high)| (high - low) as f64);
    widths.sum::<f64>() / (over / 10) as f64 / free as f64
}

#[test]
fn a_block_that_goes_as_a_whole_has_gone_once_some_of_it_must_go() {
    let (readings, mut full) = readings(true, 1_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    let size = heap.arenas[0].dirty_bytes;
    // It is all that is dirty.
    heap.largest_dirty_bytes = size;
    heap.large_dirty = LargeExtentsReading { extents: 1, bytes: size, smallest_bytes: size };
    full.clock.earlier.as_mut().expect("there was one").gone_bytes = Some(0);
    let forecast = Statement::from_readings(readings, full).forecast();
    // It may go when a thread wakes, at once or after a decay time at the latest.
    assert_eq!(left(&forecast, 100).0, 0);
    assert!(left(&forecast, 1_100).1 > 300 * MIB);
    // A fifth of a decay time later threads have woken that would let 6 % of it go by the curve, more than twice what
    // they wait for.
    assert_eq!(left(&forecast, 1_310), (0, 0));
    assert!(width(&forecast, DIRTY) <= 0.5);
    // Under traffic a part of it may be taken, and the rest be as small as can be.
    let (readings, mut full) = self::readings(true, 1_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    heap.large_dirty = LargeExtentsReading { extents: 1, bytes: size, smallest_bytes: size };
    let forecast = Statement::from_readings(readings, full).forecast_under(Traffic::Busy);
    assert!(left(&forecast, 2_200).1 >= 4 * MIB);
}

#[test]
fn of_six_blocks_no_part_of_one_is_left() {
    let (readings, mut full) = readings(true, 1_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    let size = heap.arenas[0].dirty_bytes;
    heap.largest_dirty_bytes = size / 6;
    heap.large_dirty = LargeExtentsReading { extents: 6, bytes: size, smallest_bytes: size / 6 };
    full.clock.earlier.as_mut().expect("there was one").gone_bytes = Some(0);
    let forecast = Statement::from_readings(readings, full).forecast();
    for at in (0..3_200).step_by(10) {
        // Of 310 MiB, all whose pages are resident but for a quarter of a MiB.
        let blocks = left(&forecast, at).1 as f64 / (size / 6) as f64;
        assert!((blocks.round() - blocks).abs() < 0.01, "{at} ms: {blocks} blocks");
    }
    assert_eq!(left(&forecast, 2_100).1, 0, "and nothing is left to the next decay time");
}

#[test]
fn muzzy_pages_count_until_their_own_time_has_come() {
    let forecast = forecast(false, 2_000, 5_000, Traffic::Busy);
    // After 1.5 s a tenth is dirty still; what became muzzy has had a tenth of its time on average, and went earlier
    // than the curve says by what went while others came.
    let dirty_only = self::forecast(false, 2_000, 0, Traffic::Busy);
    assert!(left(&dirty_only, 1_000).0 < DIRTY / 8 && left(&forecast, 1_000).0 > DIRTY / 3);
    let until = forecast.over_after().expect("it ends");
    assert!(Duration::from_secs(7) <= until && until < Duration::from_secs(8), "{until:?}");
}

#[test]
fn without_an_earlier_statement_pages_may_be_of_any_age() {
    let (readings, mut full) = readings(false, 10_000, 0);
    full.clock.earlier = None;
    let forecast = Statement::from_readings(readings, full).forecast_under(Traffic::Busy);
    let (low, high) = left(&forecast, 1_000);
    assert!(low == 0 && high > 300 * MIB);
}

#[test]
fn of_pages_that_were_never_touched_nothing_returns() {
    let (readings, mut full) = readings(false, 10_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    // As much address space again that never was in memory.
    heap.arenas[0].dirty_bytes *= 2;
    let forecast = Statement::from_readings(readings, full).forecast_under(Traffic::Busy);
    let (low, high) = left(&forecast, 5_200);
    assert!(low == 0 && high > 300 * MIB, "either half may have gone: {low} {high}");
    assert_eq!(left(&forecast, 11_000), (0, 0));
}

#[test]
fn arenas_with_clocks_of_their_own_are_told_apart() {
    let (readings, mut full) = readings(true, 10_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    heap.arenas = vec![
        ArenaFreeReading { arena: 0, dirty_bytes: 200 << 20, muzzy_bytes: 0 },
        ArenaFreeReading { arena: 8, dirty_bytes: 110 << 20, muzzy_bytes: 0 },
    ];
    let own = ArenaDecayReading { arena: 8, dirty_decay_ms: -1, muzzy_decay_ms: 0 };
    full.clock.decays.as_mut().expect("the fixture has them").push(own);
    let forecast = Statement::from_readings(readings, full).forecast();
    assert_eq!(forecast.parts().len(), 2);
    let never = forecast.parts().iter().find(|part| part.when == When::Never).expect("one stays");
    // Of both arenas together a fifth of a MiB is not resident; of which is not known.
    assert!(never.bytes.admits(110 * MIB) && !never.bytes.admits(109 * MIB), "{}", never.bytes);
    assert!(left(&forecast, 100_000).0 > 109 * MIB);
}

/// With clocks of their own, or not: without anybody who ticks, pages stay for one reason, and are told as one part.
#[test]
fn arenas_that_wait_for_the_same_thing_are_told_together() {
    let (readings, mut full) = readings(false, 10_000, 0);
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    heap.arenas = vec![
        ArenaFreeReading { arena: 0, dirty_bytes: 200 << 20, muzzy_bytes: 0 },
        ArenaFreeReading { arena: 8, dirty_bytes: 110 << 20, muzzy_bytes: 0 },
    ];
    let own = ArenaDecayReading { arena: 8, dirty_decay_ms: 1_000, muzzy_decay_ms: 0 };
    full.clock.decays.as_mut().expect("the fixture has them").push(own);
    let statement = Statement::from_readings(readings, full);
    let forecast = statement.forecast();
    assert_eq!(forecast.parts().len(), 1, "{forecast}");
    assert_eq!(forecast.parts()[0].bytes, statement.figure(LineId::Dirty), "in all they are known to the byte");
}

#[test]
fn what_is_not_known_is_said_and_not_forecast() {
    let (mut readings, full) = readings(true, 10_000, 0);
    readings.settings.retain(|(id, _)| *id != SettingId::BackgroundThread);
    let forecast = Statement::from_readings(readings, full).forecast();
    assert!(forecast.why().is_some() && forecast.left_after(Duration::ZERO).is_unknown());
    assert!(forecast.to_string().starts_with("no forecast: "));
    let (readings, full) = pages::unadmitted();
    assert!(Statement::from_readings(readings, full).forecast().why().is_some());
    let (readings, mut full) = pages::model_server();
    full.clock.decays = Err(Why::new("arena.0.dirty_decay_ms: jemalloc has no such key", "link 5.3"));
    assert!(Statement::from_readings(readings, full).forecast().why().is_some());
}

#[test]
fn a_check_compares_bands() {
    let forecast = forecast(false, 10_000, 0, Traffic::Busy);
    let check = |after_s, found| forecast.compare(Duration::from_secs(after_s), found);
    assert_eq!(check(5, Figure::Exact(DIRTY / 2)).holds(), Some(true));
    assert_eq!(check(5, Figure::Exact(DIRTY)).holds(), Some(false));
    assert_eq!(check(20, Figure::Exact(0)).holds(), Some(true));
    assert_eq!(check(20, Figure::unknown("not read", "read it")).holds(), None);
    assert_eq!(check(20, Figure::Exact(0)).to_string(), "after 20.0 s: said 0.0 MiB, found 0.0 MiB: held");
}

#[cfg(feature = "serde")]
#[test]
fn a_saved_statement_makes_the_same_forecast() {
    let (readings, full) = readings(true, 10_000, 0);
    let statement = Statement::from_readings(readings, full);
    let back = Statement::from_json(&statement.to_json()).expect("our own JSON can be read");
    assert_eq!(statement.forecast(), back.forecast());
}

mod bands {
    use proptest::prelude::*;

    use super::*;

    /// Bands are rounded outwards.
    const PAGE: i64 = 4096;

    /// Decay times: never, at once, and some.
    fn decay_ms() -> impl Strategy<Value = i64> {
        prop_oneof![Just(-1), Just(0), 1_i64..60_000]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_band_is_within_what_was_free_and_closes_when_it_is_over(
            (background, traffic) in (any::<bool>(), prop_oneof![Just(Traffic::Idle), Just(Traffic::Busy)]),
            clocks in prop::collection::vec((decay_ms(), decay_ms(), 0_u64..400, 0_u64..100), 1..4),
            (resident, ago_ms) in (0_u64..=100, prop::option::of(0_u64..20_000)),
            largest in 0_u64..64,
        ) {
            let (mut readings, mut full) = readings(background, 0, 0);
            let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
            let mut decays = Vec::new();
            heap.arenas.clear();
            for (arena, (dirty_decay_ms, muzzy_decay_ms, dirty, muzzy)) in (0_u32..).zip(clocks.iter().copied()) {
                decays.push(ArenaDecayReading { arena, dirty_decay_ms, muzzy_decay_ms });
                heap.arenas.push(ArenaFreeReading { arena, dirty_bytes: dirty << 20, muzzy_bytes: muzzy << 20 });
            }
            let sum = |of: fn(&ArenaFreeReading) -> u64| heap.arenas.iter().map(of).sum::<u64>() / 100 * resident;
            let (dirty, muzzy) = (sum(|free| free.dirty_bytes), sum(|free| free.muzzy_bytes));
            heap.dirty.resident = heapledger_statement::Resident::exactly(dirty);
            heap.muzzy.resident = heapledger_statement::Resident::exactly(muzzy);
            heap.largest_dirty_bytes = largest << 20;
            full.clock.decays = Ok(decays);
            let earlier = |ms| EarlierReading { ago_ns: ms * 1_000_000, arenas: Vec::new(), gone_bytes: None };
            full.clock.earlier = ago_ms.map(earlier);
            // What does not fit together is believed of a busy process.
            readings.traffic_bytes = None;
            let forecast = Statement::from_readings(readings, full).forecast_under(traffic);
            prop_assume!(forecast.why().is_none());

            let free = (dirty + muzzy) as i64;
            // Of several pools each is an interval, and these embrace the sum.
            let (low, high) = left(&forecast, 0);
            prop_assert!(low <= free && free <= high, "{low} {free} {high}");
            let all: i64 = clocks.iter().map(|(.., dirty, muzzy)| ((dirty + muzzy) << 20) as i64).sum();
            for after_ms in [1, 50, 400, 900, 5_000, 30_000, 200_000] {
                let (low, high) = left(&forecast, after_ms);
                prop_assert!(0 <= low && low <= high && low <= free && high <= all + 1, "{after_ms}: {low} {high}");
            }
            let never = forecast.parts().iter().filter(|part| part.when == When::Never);
            let never: i64 = never.filter_map(|part| part.bytes.high()).sum();
            let over = forecast.over_after().map_or(0, |over| over.as_millis() as u64);
            let (_, high) = left(&forecast, over + 1);
            prop_assert!(high <= never + PAGE || forecast.is_never(), "{high} are left, {never} for ever: {forecast}");
            prop_assert!(!forecast.to_string().is_empty());
        }
    }
}
