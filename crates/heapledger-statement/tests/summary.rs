//! The arithmetic of a summary: identities that must hold, intervals that must be true, unknowns that must stay
//! unknown.

mod fixtures;

use heapledger_statement::lines::{LINES, Role};
use heapledger_statement::{Depth, Figure, Flow, LineId, Readings, RegionReading, Summary, ThpMode, Why};
use proptest::prelude::*;

fn summary(change: impl FnOnce(&mut Readings)) -> Summary {
    let mut readings = fixtures::model_server();
    change(&mut readings);
    Summary::from_readings(readings)
}

#[test]
fn a_hard_place_still_states_what_the_counters_say() {
    let summary = Summary::from_readings(fixtures::hard_place());
    assert_eq!(summary.region("tenant/3").map(|region| region.self_bytes()), Some(1 << 20));
    assert!(summary.figure(LineId::Live).as_exact().is_some());
    assert!(summary.figure(LineId::Rss).is_unknown());
}

#[test]
fn the_kernels_split_sums_to_rss() {
    let summary = summary(|_| {});
    let parts: Figure =
        [LineId::RssAnon, LineId::RssFile, LineId::RssShmem].into_iter().map(|id| summary.figure(id)).sum();
    assert_eq!(parts, summary.figure(LineId::Rss));
}

#[test]
fn dirty_is_an_interval_from_nothing_to_the_count() {
    assert_eq!(summary(|_| {}).figure(LineId::Dirty), Figure::within(0, 310 << 20));
}

#[test]
fn anonymous_memory_caps_phantom_dirty_pages() {
    let summary = summary(|readings| readings.status.rss_anon_bytes = Ok(9 << 20));
    assert_eq!(summary.figure(LineId::Dirty), Figure::within(0, 9 << 20));
    assert_eq!(summary.figure(LineId::Base), Figure::within(0, 9 << 20));
}

#[test]
fn an_old_kernel_caps_by_the_whole_of_rss() {
    let summary = summary(|readings| {
        readings.status.rss_anon_bytes = Err(Why::new("no RssAnon", "Linux 4.5"));
        readings.status.rss_bytes = Ok(8 << 20);
    });
    assert_eq!(summary.figure(LineId::Dirty), Figure::within(0, 8 << 20));
}

#[test]
fn metadata_is_bounded_by_what_is_mapped_beyond_extents() {
    assert_eq!(summary(|_| {}).figure(LineId::Base), Figure::within(0, 24 << 20));
}

#[test]
fn metadata_that_is_no_whole_number_of_blocks_is_not_believed() {
    let summary = summary(|readings| {
        let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
        jemalloc.pactive += 1;
    });
    assert_eq!(summary.figure(LineId::Base), Figure::within(0, 1_370_124_288));
    assert!(summary.doubts().iter().any(|doubt| doubt.key == "metadata_unverified"));
}

#[test]
fn metadata_below_what_was_handed_out_of_it_is_not_believed() {
    let summary = summary(|readings| {
        let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
        jemalloc.base_allocated_bytes = 25 << 20;
    });
    assert_eq!(summary.figure(LineId::Base), Figure::within(0, 1_370_124_288));
}

#[test]
fn torn_statistics_and_hpa_widen_the_metadata_and_say_so() {
    for (key, hpa, one_epoch) in
        [("hpa_on", Some(true), true), ("hpa_unknown", None, true), ("statistics_torn", Some(false), false)]
    {
        let summary = summary(|readings| {
            let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
            (jemalloc.hpa, jemalloc.one_epoch) = (hpa, one_epoch);
        });
        assert_eq!(summary.figure(LineId::Base), Figure::within(0, 1_370_124_288));
        assert_eq!(summary.doubts().iter().filter(|doubt| doubt.key == key).count(), 1);
        assert!(!summary.doubts().iter().any(|doubt| doubt.key == "metadata_unverified"));
    }
}

#[test]
fn rounding_is_exact_only_in_a_quiet_process() {
    let quiet = summary(|_| {});
    let usable = quiet.figure(LineId::Usable).as_exact().expect("counters are exact");
    let live = quiet.figure(LineId::Live).as_exact().expect("counters are exact");
    assert_eq!(quiet.figure(LineId::Rounding), Figure::Exact(usable - live));
    for traffic in [None, Some(Flow::new(1, 0))] {
        let busy = summary(|readings| readings.traffic_bytes = traffic);
        assert_eq!(busy.figure(LineId::Rounding), Figure::within(0, usable));
    }
}

#[test]
fn huge_pages_for_everybody_make_all_that_the_ledger_mapped_possible() {
    assert_eq!(summary(|_| {}).figure(LineId::OwnTables), Figure::within(0, 1_900_544));
    for mode in [Ok(ThpMode::Always), Err(Why::new("hidden", "show it"))] {
        let summary = summary(|readings| readings.system_thp = mode);
        assert_eq!(summary.figure(LineId::OwnTables), Figure::within(0, 1 << 30));
    }
}

#[test]
fn nothing_that_was_not_read_is_stated_as_a_number() {
    let summary = Summary::from_readings(Readings::unread(Why::new("nothing was read", "read it")));
    // What the counters say of no regions at all is a measurement.
    let counted = [LineId::Live, LineId::Usable, LineId::Rounding];
    for line in summary.lines().iter().filter(|line| !counted.contains(&line.id)) {
        assert!(line.figure.why().is_some_and(|why| why.reason == "nothing was read"), "{}", line.id.key());
    }
}

#[test]
fn no_limit_is_no_line_and_not_a_number() {
    let summary = summary(|readings| readings.cgroup.limit_bytes = Ok(None));
    assert!(!summary.lines().iter().any(|line| line.id == LineId::CgroupLimit));
    assert!(summary.to_string().contains("no limit of its own"));
}

#[test]
fn every_line_of_its_depth_is_stated_by_a_summary() {
    let summary = summary(|_| {});
    let stated: Vec<LineId> = summary.lines().iter().map(|line| line.id).collect();
    let table: Vec<LineId> = LINES.iter().filter(|line| line.depth == Depth::Quick).map(|line| line.id).collect();
    assert_eq!(stated, table);
}

#[test]
fn retired_regions_without_a_block_are_omitted_and_counted() {
    let summary = summary(|_| {});
    assert!(summary.region("request/1").is_none());
    assert_eq!(summary.retired_omitted(), 1);
    assert_eq!(summary.region("request/2").map(|region| region.self_bytes()), Some(8000));
}

#[test]
fn the_region_in_use_is_found_before_its_retired_namesake() {
    let summary = summary(|readings| {
        readings.regions = vec![
            RegionReading { retired: true, ..fixtures::region("a", Flow::new(5, 0), &[]) },
            RegionReading { generation: 1, ..fixtures::region("a", Flow::new(1, 0), &[]) },
        ];
    });
    assert_eq!(summary.region("a").map(|region| region.self_bytes()), Some(1));
    assert_eq!(summary.figure(LineId::Live), Figure::Exact(6));
}

fn flow() -> impl Strategy<Value = Flow> {
    (0..1_u64 << 40, 0..1_u64 << 40).prop_map(|(live, freed)| Flow::new(live + freed, freed))
}

prop_compose! {
    fn any_region()(
        name in "[a-c](/[a-c]){0,2}",
        requested_bytes in flow(),
        counts in prop::collection::vec(flow(), 4),
        large_blocks in flow(),
        large_usable_bytes in flow(),
        retired in any::<bool>(),
    ) -> RegionReading {
        let counts = counts.iter().map(|flow| Flow::new(flow.allocated >> 20, flow.freed >> 20));
        let classes = [8_u32, 16, 32, 14_336].into_iter().zip(counts).collect();
        let region = RegionReading { name: name.into(), requested_bytes, classes, retired, ..RegionReading::default() };
        RegionReading { large_blocks, large_usable_bytes, ..region }
    }
}

proptest! {
    #[test]
    fn self_bytes_sum_to_the_line_and_usable_is_counted_by_class(
        regions in prop::collection::vec(any_region(), 0..12),
    ) {
        let live: i64 = regions.iter().map(|region| region.requested_bytes.live()).sum();
        let usable: i64 = regions
            .iter()
            .map(|region| {
                region.large_usable_bytes.live()
                    + region.classes.iter().map(|(bytes, count)| i64::from(*bytes) * count.live()).sum::<i64>()
            })
            .sum();
        let count = regions.len();
        let summary = summary(|readings| readings.regions = regions);
        prop_assert_eq!(summary.figure(LineId::Live), Figure::Exact(live));
        prop_assert_eq!(summary.figure(LineId::Usable), Figure::Exact(usable));
        prop_assert_eq!(summary.regions().iter().map(|region| region.self_bytes()).sum::<i64>(), live);
        prop_assert_eq!(summary.regions().len() as u64 + summary.retired_omitted(), count as u64);
    }

    #[test]
    fn no_summand_can_exceed_what_caps_it(anon in 0..1_u64 << 40, pdirty in 0..1_u64 << 28, pmuzzy in 0..1_u64 << 28) {
        let summary = summary(|readings| {
            readings.status.rss_anon_bytes = Ok(anon);
            let jemalloc = readings.jemalloc.as_mut().expect("the fixture has statistics");
            (jemalloc.pdirty, jemalloc.pmuzzy) = (pdirty, pmuzzy);
        });
        let summands = summary.lines().iter().filter(|line| line.id.line().role == Role::Summand);
        for line in summands.filter(|line| line.figure.as_exact().is_none()) {
            prop_assert!(line.figure.high().is_some_and(|high| high as u64 <= anon), "{}", line.id.key());
            prop_assert_eq!(line.figure.low(), Some(0));
        }
    }
}
