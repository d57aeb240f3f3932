//! Differences: the sum that must hold for any two statements, regions matched by what they are, JSON in between.

mod fixtures;

use fixtures::pages::{self, exactly};
use heapledger_statement::{
    Figure, Flow, FullReadings, LineId, Readings, RegionPagesReading, RegionReading, Resident, SlotsReading, Statement,
    Summary,
};
use proptest::prelude::*;

const MIB: i64 = 1 << 20;

fn statement() -> Statement {
    let (readings, full) = pages::model_server();
    Statement::from_readings(readings, full)
}

fn changed(change: impl FnOnce(&mut Readings, &mut FullReadings)) -> Statement {
    let (mut readings, mut full) = pages::model_server();
    change(&mut readings, &mut full);
    Statement::from_readings(readings, full)
}

/// One region's counters and pages, moved by some bytes.
#[derive(Clone, Debug)]
struct Moved {
    region: usize,
    slots: u64,
    lives: u64,
    gone: u64,
    doubt: u64,
    dirty: u64,
    pinned: u64,
}

prop_compose! {
    fn moved()(
        region in 0_usize..7,
        slots in 0_u64..40,
        lives in 0_u64..50,
        gone in prop_oneof![3 => Just(0_u64), 1 => 0_u64..3000],
        doubt in prop_oneof![3 => Just(0_u64), 1 => 0_u64..3000],
        dirty in 0_u64..1 << 20,
        pinned in 0_u64..1 << 16,
    ) -> Moved {
        Moved { region, slots, lives, gone, doubt, dirty, pinned }
    }
}

/// A statement of a process that may be quiet, busy or hard to read.
fn stated(moves: &[Moved], counted: i64, unadmitted: bool) -> Statement {
    let (mut readings, mut full) = if unadmitted { pages::unadmitted() } else { pages::model_server() };
    if let Ok(walk) = &mut full.walk
        && let Ok(heap) = &mut walk.heap
    {
        for moved in moves {
            let all = 64 * moved.slots;
            let at_most_bytes = all - all.min(moved.gone);
            let resident = Resident { at_least_bytes: at_most_bytes - at_most_bytes.min(moved.doubt), at_most_bytes };
            heap.regions[moved.region] = RegionPagesReading {
                small: vec![SlotsReading { slot_bytes: 64, slots: moved.slots, resident, ..SlotsReading::default() }],
                dirty: exactly(moved.dirty),
                pinned_alone: exactly(moved.pinned),
                ..RegionPagesReading::default()
            };
            readings.regions[moved.region].classes = vec![(64, Flow::new(moved.lives + 5, 5))];
        }
        let pinned = heap.regions.iter().map(|region| region.pinned_alone.at_most_bytes).sum::<u64>();
        heap.free_slots = exactly(pinned + heap.free_slots_shared.at_most_bytes);
        let mut heap = std::mem::take(heap);
        pages::settle_heap(&mut readings, &mut heap);
        full.walk.as_mut().expect("the fixture has a walk").heap = Ok(heap);
    }
    pages::settle(&mut readings, &mut full);
    // What does not fit together is believed of a busy process.
    readings.traffic_bytes = None;
    for counted_bytes in [&mut readings.status.rss_anon_bytes, &mut readings.status.rss_bytes] {
        let bytes = counted_bytes.as_mut().expect("the fixture has it");
        *bytes = bytes.saturating_add_signed(counted * 4096);
    }
    Statement::from_readings(readings, full)
}

proptest! {
    #[test]
    fn the_lines_of_a_difference_sum_to_the_change_of_rss(
        before in (prop::collection::vec(moved(), 0..5), -20_i64..20, prop_oneof![4 => Just(false), 1 => Just(true)]),
        after in (prop::collection::vec(moved(), 0..5), -20_i64..20, prop_oneof![4 => Just(false), 1 => Just(true)]),
    ) {
        let (before, after) = (stated(&before.0, before.1, before.2), stated(&after.0, after.1, after.2));
        let diff = after.since(&before);
        let rss = after.figure(LineId::Rss).as_exact().unwrap() - before.figure(LineId::Rss).as_exact().unwrap();
        prop_assert_eq!(diff.rss(), Figure::Exact(rss));
        prop_assert!(diff.sum().ends().is_some(), "every line is known");
        prop_assert!(diff.sum().admits(rss), "{} does not admit {}", diff.sum(), rss);
        for line in diff.lines().iter().filter(|line| !line.parts.is_empty()) {
            let sum: Figure = line.parts.iter().map(|part| part.figure.clone()).sum();
            prop_assert_eq!(&sum, &line.figure, "{}", line.id.key());
        }
        // There and back is nothing.
        prop_assert_eq!(before.since(&after).rss(), Figure::Exact(-rss));
        let same = after.since(&after);
        prop_assert!(same.sum().admits(0));
    }
}

#[test]
fn what_is_exact_in_both_is_exact_in_the_difference() {
    let after = changed(|readings, full| {
        // The weights' dirty pages went.
        let walk = full.walk.as_mut().expect("the fixture has a walk");
        let heap = walk.heap.as_mut().expect("the fixture has a heap");
        heap.regions[3].dirty = exactly(0);
        heap.dirty.resident = exactly(heap.dirty.resident.at_most_bytes - (308 << 20));
        pages::settle(readings, full);
    });
    let diff = after.since(&statement());
    assert_eq!(diff.part(LineId::Dirty, "weights"), Some(Figure::Exact(-308 * MIB)));
    assert_eq!(diff.figure(LineId::Dirty), Figure::Exact(-308 * MIB));
    assert_eq!(diff.figure(LineId::FreeSlots), Figure::Exact(0));
    let text = diff.to_string();
    assert!(text.contains("weights -308.0"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

fn named(readings: &mut Readings, index: usize) -> &mut RegionReading {
    &mut readings.regions[index]
}

#[test]
fn regions_are_matched_by_name_and_generation_and_not_by_place() {
    let before = changed(|readings, _| named(readings, 4).requested_bytes = Flow::new(1000, 0));
    // A region of the same name whose index was another's before.
    let after = changed(|readings, _| {
        named(readings, 4).requested_bytes = Flow::new(300, 0);
        named(readings, 4).generation = 2;
    });
    let diff = after.since(&before);
    let of = |generation| {
        let mut regions = diff.regions().iter();
        let found = regions.find(|region| region.name == "tokenizer" && region.generation == generation);
        found.unwrap_or_else(|| panic!("generation {generation} is not there"))
    };
    assert_eq!((of(0).live_bytes, of(2).live_bytes), (-1000, 300));
    assert!(of(0).retired && !of(2).retired);
    assert_eq!(diff.region("tokenizer").map(|region| region.generation), Some(2));
}

#[test]
fn what_came_and_went_in_between_is_known_of_one_process_only() {
    let before = changed(|readings, _| named(readings, 5).requested_bytes = Flow::new(100, 40));
    let later = |pid| {
        changed(move |readings, _| {
            named(readings, 5).requested_bytes = Flow::new(500, 440);
            readings.pid = Some(pid);
        })
    };
    let pid = before.pid.expect("the fixture has one");
    let diff = later(pid).since(&before);
    let change = diff.region("kv_cache").expect("it is there");
    assert_eq!(change.live_bytes, 0);
    assert_eq!(change.between.map(|between| between.requested_bytes), Some(Flow::new(400, 400)));
    let diff = later(pid + 1).since(&before);
    assert!(diff.region("kv_cache").is_some_and(|change| change.between.is_none()));
    assert!(diff.to_string().contains("different processes"));
    // Words that go back are those of another process of the same number.
    let diff = before.since(&later(pid));
    assert!(diff.region("kv_cache").is_some_and(|change| change.between.is_none()));
}

#[test]
fn a_line_that_one_side_does_not_know_is_unknown_with_its_reason() {
    let (readings, full) = pages::unwalked();
    let unwalked = Statement::from_readings(readings, full);
    let diff = statement().since(&unwalked);
    let why = diff.figure(LineId::Scratch).why().expect("it is unknown");
    assert!(why.reason.contains("/proc/self/pagemap"), "{why}");
    assert!(diff.sum().is_unknown());
    assert!(diff.rss().as_exact().is_some());
    let text = diff.to_string();
    assert!(text.contains("do not sum to the change of RSS"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn summaries_have_a_difference_that_sums_to_nothing() {
    let mut later = fixtures::model_server();
    later.status.rss_bytes = later.status.rss_bytes.map(|bytes| bytes + 4096);
    let diff = Summary::from_readings(later).since(&Summary::from_readings(fixtures::model_server()));
    assert_eq!(diff.rss(), Figure::Exact(4096));
    assert!(diff.sum().is_unknown());
    assert!(diff.regions().iter().all(|region| region.resident.is_none()));
    assert!(diff.to_string().contains("summaries do not sum"));
}

#[cfg(feature = "serde")]
mod json {
    use heapledger_statement::Diff;
    use heapledger_statement::json::JsonError;

    use super::*;

    /// Any text of a statement, to be told by its error.
    fn refused(json: &str) -> JsonError {
        Statement::from_json(json).expect_err("it is no statement of this version")
    }

    #[test]
    fn statements_of_another_day_are_compared_as_they_were() {
        let (before, after) = (statement(), changed(|readings, _| readings.pid = Some(7)));
        let read = |statement: &Statement| Statement::from_json(&statement.to_json()).expect("our own JSON");
        assert_eq!(read(&after).since(&read(&before)), after.since(&before));
    }

    #[test]
    fn a_difference_survives_the_round_trip() {
        let (readings, full) = pages::unwalked();
        let unwalked = Statement::from_readings(readings, full);
        for diff in [statement().since(&unwalked), statement().since(&statement())] {
            let json = diff.to_json();
            assert!(!json.contains('\n'));
            assert_eq!(Diff::from_json(&json).expect("our own JSON can be read"), diff);
        }
    }

    #[test]
    fn what_is_no_statement_of_this_version_is_refused_by_name() {
        let json = statement().to_json();
        let newer = json.replacen("\"schema\":1", "\"schema\":2", 1);
        assert!(matches!(refused(&newer), JsonError::Schema { found: 2 }));
        // A newer version may lack every key that this one needs.
        assert!(matches!(refused("{\"schema\":9,\"all\":\"else\"}"), JsonError::Schema { found: 9 }));
        let quick = Summary::from_readings(fixtures::model_server()).to_json();
        assert!(matches!(refused(&quick), JsonError::Depth { found } if found == "quick"));
        let difference = statement().since(&statement()).to_json();
        assert!(matches!(refused(&difference), JsonError::Kind { found } if found == "difference"));
        for text in ["", "[]", "{}", "{\"weather\":\"fine\"}", "7"] {
            assert!(matches!(refused(text), JsonError::Malformed(_)), "{text}");
        }
        assert!(matches!(Diff::from_json(&json), Err(JsonError::Kind { found }) if found.is_empty()));
        // Each says what to do.
        for error in [refused(&newer), refused(&quick), refused(&difference), refused("{}")] {
            assert!(error.to_string().len() > 20, "{error}");
        }
    }
}
