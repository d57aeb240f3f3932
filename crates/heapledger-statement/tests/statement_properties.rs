//! The sum that must hold for all readings, also for those that no quiet process gives: of two moments, of a kernel
//! that does not tell all, of a walk that found more or less than the kernel counted.

mod fixtures;

use fixtures::pages::{self, exactly};
use heapledger_statement::lines::{LINES, Role};
use heapledger_statement::{
    CheckId, Figure, Flow, FreeExtentsReading, FullReadings, HeapReading, LineId, RangeReading, Readings,
    RegionPagesReading, RegionReading, Resident, SlotsReading, Statement, WalkReading,
};
use proptest::prelude::*;

fn walk_of(full: &mut FullReadings) -> &mut WalkReading {
    full.walk.as_mut().expect("the world has a walk")
}

fn heap_of(full: &mut FullReadings) -> &mut HeapReading {
    walk_of(full).heap.as_mut().expect("the world has a heap")
}

fn summands(statement: &Statement) -> Figure {
    let lines = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    lines.map(|line| line.figure.clone()).sum()
}

prop_compose! {
    fn resident(most: u64)(bytes in 0..=most, doubt in prop_oneof![4 => Just(0_u64), 1 => 0..=most]) -> Resident {
        Resident { at_least_bytes: bytes - bytes.min(doubt), at_most_bytes: bytes }
    }
}

prop_compose! {
    /// Slots of a class, of which some live, some are cached, and some are not in memory. The counters may be of
    /// another moment.
    fn class(slot_bytes: u32)(
        slots in 0_u64..50,
        live in 0_u64..60,
        gone in prop_oneof![2 => Just(0_u64), 1 => 0_u64..3000],
        doubt in prop_oneof![4 => Just(0_u64), 1 => 0_u64..3000],
    ) -> (SlotsReading, (u32, Flow)) {
        let all = slots * u64::from(slot_bytes);
        let at_most_bytes = all - all.min(gone);
        let resident = Resident { at_least_bytes: at_most_bytes - at_most_bytes.min(doubt), at_most_bytes };
        (SlotsReading { slot_bytes, slots, resident, ..SlotsReading::default() }, (slot_bytes, Flow::new(live + 7, 7)))
    }
}

prop_compose! {
    fn any_region()(
        classes in (class(16), class(64), class(1024)),
        large in resident(1 << 22),
        beyond in 0_u64..1 << 20,
        live in 0_u64..1 << 23,
        pads in resident(8192),
        alone in resident(1 << 16),
        states in (resident(1 << 20), resident(1 << 14), resident(1 << 12)),
    ) -> (RegionReading, RegionPagesReading) {
        let (small, counts): (Vec<_>, Vec<_>) = [classes.0, classes.1, classes.2].into_iter().unzip();
        let counters = RegionReading {
            classes: counts,
            large_usable_bytes: Flow::new(live, 0),
            ..RegionReading::default()
        };
        let pages = RegionPagesReading {
            small,
            large_usable_bytes: large.at_most_bytes + beyond,
            large,
            large_pads: pads,
            pinned_alone: alone,
            dirty: states.0,
            muzzy: states.1,
            retained: states.2,
            ..RegionPagesReading::default()
        };
        (counters, pages)
    }
}

prop_compose! {
    fn any_world()(
        regions in prop::collection::vec(any_region(), 1..6),
        unowned in any_region(),
        places in prop::collection::vec((0_usize..11, resident(1 << 20)), 0..6),
        ranges in prop::collection::vec(resident(1 << 16), 0..4),
        others in (resident(1 << 20), resident(1 << 20), resident(1 << 16), resident(1 << 12), resident(1 << 12)),
        stats in (0_u64..1 << 24, 0_u64..1 << 20, -20_i64..20),
        unknown_zero in any::<bool>(),
        busy in prop_oneof![3 => Just(true), 1 => Just(false)],
    ) -> (Readings, FullReadings) {
        let outside: Vec<LineId> = LINES
            .iter()
            .filter(|line| line.section == heapledger_statement::lines::Section::Outside)
            .map(|line| line.id)
            .collect();
        let mut readings = fixtures::model_server();
        let (counters, pages): (Vec<_>, Vec<_>) = regions.into_iter().unzip();
        readings.regions = counters.into_iter().enumerate().map(|(index, region)| RegionReading { index, ..region }).collect();
        let mut heap = HeapReading {
            free_slots: pages.iter().map(|pages| pages.pinned_alone).chain([others.4]).fold(exactly(0), |mut sum, more| {
                sum.at_least_bytes += more.at_least_bytes;
                sum.at_most_bytes += more.at_most_bytes;
                sum
            }),
            free_slots_shared: others.4,
            regions: pages,
            unowned: unowned.1,
            dirty: FreeExtentsReading { mixed: others.3, ..FreeExtentsReading::default() },
            base: others.0,
            ..HeapReading::default()
        };
        pages::settle_heap(&mut readings, &mut heap);
        let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
        jemalloc.allocated_bytes = stats.0;
        jemalloc.tcache_bytes = stats.1;
        let walk = WalkReading {
            backend: "a made-up kernel".into(),
            zero_bytes: (!unknown_zero).then_some(0),
            heap: Ok(heap),
            own_tables: others.1,
            scratch: others.2,
            places: places.into_iter().map(|(place, resident)| (outside[place], resident)).collect(),
            unattributed: ranges.iter().map(|resident| RangeReading { start: 0, end: 0, resident: *resident }).collect(),
            ..WalkReading::default()
        };
        let mut full = FullReadings { walk: Ok(walk), motion: pages::still(&readings), clock: pages::clock(), glibc: None, rollup: None };
        pages::settle(&mut readings, &mut full);
        // What does not fit together is believed of a busy process, and of a quiet one it is not.
        readings.traffic_bytes = (!busy).then(Flow::default);
        // The kernel counted more or less than was found.
        for counted in [&mut readings.status.rss_anon_bytes, &mut readings.status.rss_bytes] {
            let counted = counted.as_mut().expect("the fixture has it");
            *counted = counted.saturating_add_signed(stats.2 * 4096);
        }
        (readings, full)
    }
}

/// A process that is still, with slots of one class and region: so many live, so many cached, so many of both together
/// not in memory, each as a whole. Which of them these are no source tells, so it is not said here either.
fn slots_of_one_class(slot_bytes: u32, live: u64, cached: u64, gone: u64) -> (Readings, FullReadings) {
    let slots = live + cached;
    let bytes = |count: u64| count * u64::from(slot_bytes);
    let mut readings = fixtures::model_server();
    let classes = vec![(slot_bytes, Flow::new(live, 0))];
    readings.regions = vec![RegionReading { classes, ..RegionReading::default() }];
    let reading = SlotsReading { slot_bytes, slots, resident: exactly(bytes(slots - gone)), ..SlotsReading::default() };
    let pages = RegionPagesReading { small: vec![reading], ..RegionPagesReading::default() };
    let mut heap = HeapReading { regions: vec![pages], ..HeapReading::default() };
    pages::settle_heap(&mut readings, &mut heap);
    let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
    (jemalloc.tcache_bytes, jemalloc.tcache_stashed_bytes, jemalloc.internal_bytes) = (bytes(cached), 0, 0);
    let walk = WalkReading { heap: Ok(heap), ..WalkReading::default() };
    let motion = pages::still(&readings);
    let mut full = FullReadings { walk: Ok(walk), motion, clock: pages::clock(), glibc: None, rollup: None };
    pages::settle(&mut readings, &mut full);
    readings.traffic_bytes = Some(Flow::default());
    (readings, full)
}

proptest! {
    #[test]
    fn rss_lies_between_the_sums_of_the_ends_whatever_was_read((readings, full) in any_world()) {
        let statement = Statement::from_readings(readings, full);
        let rss = statement.figure(LineId::Rss).as_exact().expect("the kernel states it");
        let lines = summands(&statement);
        let (low, high) = lines.ends().expect("every line is known");
        let (least, most) = statement.figure(LineId::Unexplained).ends().expect("it is known");
        prop_assert!(low + least <= rss && rss <= high + most, "{low} + {least} <= {rss} <= {high} + {most}");
    }

    #[test]
    fn what_is_resident_throughout_is_exact_and_sums_to_the_byte((mut readings, mut full) in any_world()) {
        readings.traffic_bytes = Some(Flow::default());
        let heap = heap_of(&mut full);
        for (region, pages) in readings.regions.iter_mut().zip(&mut heap.regions) {
            pages.large = exactly(pages.large_usable_bytes);
            // No more lives than is allocated, as in a quiet process.
            region.large_usable_bytes = Flow::new(region.large_usable_bytes.allocated.min(pages.large_usable_bytes), 0);
            for (class, (_, count)) in pages.small.iter_mut().zip(&mut region.classes) {
                class.resident = exactly(class.slots * u64::from(class.slot_bytes));
                *count = Flow::new(class.slots.min(count.live() as u64), 0);
            }
        }
        let ends = |resident: &mut Resident| resident.at_least_bytes = resident.at_most_bytes;
        for pages in heap.regions.iter_mut().chain([&mut heap.unowned]) {
            pages.large_usable_bytes = pages.large.at_most_bytes;
            for resident in
                [&mut pages.large, &mut pages.large_pads, &mut pages.dirty, &mut pages.muzzy, &mut pages.retained]
            {
                ends(resident);
            }
            for class in &mut pages.small {
                class.resident = exactly(class.slots * u64::from(class.slot_bytes));
            }
        }
        for resident in [&mut heap.free_slots, &mut heap.dirty.mixed, &mut heap.base] {
            ends(resident);
        }
        pages::settle_heap(&mut readings, heap_of(&mut full));
        // Everything that is not live is cached.
        let live: i64 = readings
            .regions
            .iter()
            .map(|region| {
                let small: i64 =
                    region.classes.iter().map(|(bytes, count)| i64::from(*bytes) * count.live()).sum();
                small + region.large_usable_bytes.live()
            })
            .sum();
        let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
        let cached = jemalloc.allocated_bytes - live as u64;
        (jemalloc.tcache_bytes, jemalloc.tcache_stashed_bytes, jemalloc.internal_bytes) = (cached, 0, 0);
        let walk = walk_of(&mut full);
        walk.unattributed.iter_mut().for_each(|range| ends(&mut range.resident));
        walk.places.iter_mut().for_each(|(_, resident)| ends(resident));
        for resident in [&mut walk.own_tables, &mut walk.scratch] {
            ends(resident);
        }
        pages::settle(&mut readings, &mut full);
        let statement = Statement::from_readings(readings, full);
        let sum = summands(&statement) + statement.figure(LineId::Unexplained);
        prop_assert_eq!(sum, statement.figure(LineId::Rss));
        prop_assert_eq!(statement.figure(LineId::ThreadCaches), Figure::exact(cached));
        prop_assert_eq!(statement.figure(LineId::PastLedger), Figure::Exact(0));
        prop_assert_eq!(statement.figure(LineId::CounterGap), Figure::Exact(0));
        for id in [CheckId::PagesSum, CheckId::Allocated, CheckId::Caches, CheckId::LiveHasPages, CheckId::Slabs] {
            let check = statement.checks().iter().find(|check| check.id == id).expect("it is there");
            prop_assert_eq!(check.holds(), Some(true), "{:?}", check);
        }
    }

    /// Every process that reads the same is embraced, and each end is the truth of one of them: so no statement of these
    /// readings can be narrower and right.
    #[test]
    fn live_blocks_and_thread_caches_are_as_narrow_as_what_was_read_allows(
        slot_bytes in prop_oneof![Just(16_u32), Just(112), Just(4096), Just(14_336)],
        live in 0_u64..60,
        cached in 0_u64..60,
        gone in 0_u64..120,
    ) {
        let gone = gone.min(live + cached);
        let (readings, full) = slots_of_one_class(slot_bytes, live, cached, gone);
        let statement = Statement::from_readings(readings, full);
        let ends = |line| statement.figure(line).ends().expect("both are known");
        // Of those that are not in memory, so many are cached ones.
        let truths = gone.saturating_sub(live)..=gone.min(cached);
        let bytes = |slots: u64| (slots * u64::from(slot_bytes)).cast_signed();
        let of_live = truths.clone().map(|gone_cached| bytes(live + gone_cached - gone));
        let of_caches = truths.clone().map(|gone_cached| bytes(cached - gone_cached));
        for (line, truths) in [(LineId::Live, of_live.collect::<Vec<_>>()), (LineId::ThreadCaches, of_caches.collect())] {
            let (least, most) = (truths.iter().min().copied(), truths.iter().max().copied());
            prop_assert_eq!((Some(ends(line).0), Some(ends(line).1)), (least, most), "{:?}\n{}", line, statement);
        }
        let ((live_low, live_high), (caches_low, caches_high)) = (ends(LineId::Live), ends(LineId::ThreadCaches));
        let width = live_high - live_low + caches_high - caches_low;
        prop_assert!(width <= 2 * bytes(cached.min(gone)), "what is cached, and what is not in memory, on two lines");
    }
}
