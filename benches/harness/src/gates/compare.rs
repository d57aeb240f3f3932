//! Gates on times and peak RSS.

use workloads::{Class, Info, Mix, WORKLOADS};

use super::{TAGGED, UNTAGGED, Verdict};
use crate::engines::{Counts, ENGINES, PLAIN};
use crate::record::Record;
use crate::rows::{OPERATION_NS, PEAK_RSS_BYTES, TIME_RATIO, program_medians};
use crate::stats::geometric_mean;

/// A workload, its limit and its goal, as ratios to plain jemalloc.
type Limit = (&'static str, f64, f64);

/// Time on pages that one region owns. Holds untagged and tagged.
const PURE_TIME: &[Limit] = &[
    ("json", 1.04, 1.02),
    ("btree", 1.06, 1.05),
    ("syn", 1.10, 1.05),
    ("ring", 1.35, 1.20),
    ("ring2", 1.28, 1.12),
    ("loop64", 1.48, 1.20),
    ("loop1m", 1.10, 1.02),
    ("phase", 1.18, 1.08),
    ("loop64m", 1.10, 1.02),
    ("prodcons", 1.10, 1.05),
    ("phase2", 1.30, 1.10),
];
/// Each program that is not named above.
const PROGRAM_TIME: (f64, f64) = (1.10, 1.05);
/// The geometric mean of the programs.
const PROGRAMS_TIME: (f64, f64) = (1.05, 1.02);
/// Time with four regions mixed on the pages. Holds tagged; untagged there is nothing to mix.
const MIXED_TIME: &[Limit] = &[
    ("ring_mixed", 1.65, 1.38),
    ("ring2_mixed", 1.50, 1.25),
    ("json_mixed", 1.24, 1.10),
    ("btree_mixed", 1.14, 1.10),
    ("prodcons_mixed", 1.25, 1.15),
];
/// Each program that is not named above.
const MIXED_PROGRAM_TIME: (f64, f64) = (1.24, 1.10);
/// The geometric mean of the programs.
const MIXED_PROGRAMS_TIME: (f64, f64) = (1.18, 1.06);
/// Peak RSS as a multiple of plain jemalloc's, where pages are pure.
const PURE_PEAK_RSS: (f64, f64) = (1.02, 1.01);
/// The same where several regions are mixed.
const MIXED_PEAK_RSS: (f64, f64) = (1.06, 1.03);
/// Workloads whose peak is recorded and has no limit. In `requests_own` some 4,600 regions and 16,000 names stand beside a
/// heap of 4 MB: its peak says what a region and a name take, which `footprint` says better.
const PEAK_RSS_RECORDED: &[&str] = &["requests_own"];
/// What heapledger may need beside the multiple, for its own code and the first page of each table.
const PEAK_RSS_BYTES_MORE: f64 = 1_048_576.0;
/// One enter and one leave together: stricter than a limit on each.
const SWITCH_NS: f64 = 3.0;

/// Every gate against the medians of `record`.
pub fn judge(record: &Record) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut time = |workload: &str, engine: &str, (limit, goal): (f64, f64)| {
        let measured = record.median(workload, engine, TIME_RATIO);
        verdicts.push(verdict(workload, engine, "time / plain", limit, Some(goal), measured));
    };
    let tried = |id: &str| record.configuration.workloads.iter().any(|used| used.id == id);
    for &(workload, limit, goal) in PURE_TIME {
        time(workload, UNTAGGED, (limit, goal));
        time(workload, TAGGED, (limit, goal));
    }
    for &(workload, limit, goal) in MIXED_TIME {
        time(workload, TAGGED, (limit, goal));
    }
    // The larger programs: they are built apart, so a record may be without them.
    for info in WORKLOADS.iter().filter(|info| info.class == Class::LargeProgram && tried(info.id)) {
        time(info.id, UNTAGGED, PROGRAM_TIME);
        time(info.id, TAGGED, if info.mix == Mix::Pure { PROGRAM_TIME } else { MIXED_PROGRAM_TIME });
    }
    for (engine, mixed, (limit, goal)) in
        [(UNTAGGED, false, PROGRAMS_TIME), (TAGGED, false, PROGRAMS_TIME), (TAGGED, true, MIXED_PROGRAMS_TIME)]
    {
        let measured = geometric_mean(&program_medians(record, engine, mixed));
        let name = if mixed { "programs, mixed" } else { "programs" };
        verdicts.push(verdict(name, engine, "geometric mean of times", limit, Some(goal), measured));
    }
    for info in WORKLOADS.iter().filter(|info| tried(info.id) && !PEAK_RSS_RECORDED.contains(&info.id)) {
        verdicts.extend(peak_rss(record, info));
    }
    let measured = record.median("switch", TAGGED, OPERATION_NS);
    verdicts.push(verdict("switch", TAGGED, "ns per enter + leave", SWITCH_NS, None, measured));
    verdicts.extend(peers(record));
    verdicts
}

fn verdict(
    workload: &str,
    engine: &str,
    what: &'static str,
    limit: f64,
    goal: Option<f64>,
    measured: Option<f64>,
) -> Verdict {
    Verdict { workload: workload.to_owned(), engine: engine.to_owned(), what, limit, goal, measured }
}

/// The peak less the allowance, as a ratio, so that it stands beside the multiple that limits it.
fn peak_rss(record: &Record, info: &Info) -> Vec<Verdict> {
    let (engines, (limit, goal)): (&[&'static str], (f64, f64)) = match info.mix {
        Mix::Pure => (&[UNTAGGED, TAGGED], PURE_PEAK_RSS),
        Mix::FourRegions | Mix::ManyRegions => (&[TAGGED], MIXED_PEAK_RSS),
        Mix::Switches => return Vec::new(),
    };
    let peak = |engine: &str| record.median(info.id, engine, PEAK_RSS_BYTES);
    let one = |engine: &&'static str| {
        let measured = peak(engine).zip(peak(PLAIN)).map(|(peak, plain)| (peak - PEAK_RSS_BYTES_MORE) / plain);
        verdict(info.id, engine, "(peak RSS - 1 MiB) / plain", limit, Some(goal), measured)
    };
    engines.iter().map(one).collect()
}

/// No engine that counts exactly may be faster than ours beyond the spread of both: our lower quartile is at most its
/// upper one. Those that know the process's bytes alone are compared with ours untagged, and where regions are mixed with
/// ours tagged too, so that what regions cost there is shown; the others with ours tagged.
fn peers(record: &Record) -> Vec<Verdict> {
    let exact = |counts| matches!(counts, Counts::Process | Counts::Regions);
    let mut verdicts = Vec::new();
    for peer in ENGINES.iter().filter(|engine| exact(engine.counts) && engine.folder != "heapledger") {
        for info in WORKLOADS {
            let row = |engine| record.row(info.id, engine, TIME_RATIO);
            let untagged = (peer.counts == Counts::Process).then_some((UNTAGGED, "untagged Q1, limit its Q3"));
            let tagged = (peer.counts == Counts::Regions || info.mix != Mix::Pure)
                .then_some((TAGGED, "tagged Q1, limit its Q3"));
            for (ours, what) in untagged.into_iter().chain(tagged) {
                if let (Some(peer), Some(ours)) = (row(peer.id), row(ours)) {
                    let measured = Some(ours.lower_quartile);
                    verdicts.push(verdict(info.id, &peer.engine, what, peer.upper_quartile, None, measured));
                }
            }
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::super::{TAGGED, UNTAGGED, judge, render};
    use super::{MIXED_TIME, PEAK_RSS_RECORDED, PURE_TIME};
    use crate::record::{Configuration, Record, Row, WorkloadUsed};
    use crate::rows::{PEAK_RSS_BYTES, TIME_RATIO};

    fn record(rows: &[(&str, &str, &str, f64)]) -> Record {
        let row = |&(workload, engine, measure, value)| Row::new(workload, engine, measure, vec![value]);
        let used = |&(workload, ..): &(&str, &str, &str, f64)| WorkloadUsed {
            id: workload.into(),
            about: String::new(),
            operation: String::new(),
            iterations: 1,
        };
        let configuration = Configuration { workloads: rows.iter().map(used).collect(), ..Configuration::default() };
        Record { rows: rows.iter().filter_map(row).collect(), configuration, ..Record::default() }
    }

    #[test]
    fn every_gate_names_a_workload_that_exists_and_a_goal_is_no_more_than_its_limit() {
        for (workload, limit, goal) in PURE_TIME.iter().chain(MIXED_TIME) {
            assert!(workloads::info(workload).is_some(), "{workload}");
            assert!(*limit > 1.0 && goal <= limit, "{workload}");
        }
        assert!(PEAK_RSS_RECORDED.iter().all(|id| workloads::info(id).is_some()));
    }

    #[test]
    fn a_median_at_the_limit_passes_and_one_above_it_fails() {
        let verdicts = judge(&record(&[("json", UNTAGGED, TIME_RATIO, 1.04), ("json", TAGGED, TIME_RATIO, 1.041)]));
        let passes = |engine| {
            let of = verdicts.iter().find(|v| v.workload == "json" && v.engine == engine && v.what == "time / plain");
            of.expect("there is a gate").passes()
        };
        assert!(passes(UNTAGGED));
        assert!(!passes(TAGGED));
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let verdicts = judge(&Record::default());
        assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| !verdict.passes()));
        assert!(render(&verdicts).contains("not measured"));
    }

    #[test]
    fn a_small_process_may_be_one_mebibyte_larger() {
        let plain = 3_000_000.0;
        let rows = [
            ("loop64", "plain", PEAK_RSS_BYTES, plain),
            ("loop64", UNTAGGED, PEAK_RSS_BYTES, plain * 1.02 + 1_048_576.0),
            ("loop64", TAGGED, PEAK_RSS_BYTES, plain * 1.03 + 1_048_576.0),
        ];
        let verdicts = judge(&record(&rows));
        let rss: Vec<bool> = verdicts
            .iter()
            .filter(|verdict| verdict.workload == "loop64" && verdict.what.contains("RSS"))
            .take(2)
            .map(|verdict| verdict.measured.expect("it was measured") < 1.025)
            .collect();
        assert_eq!(rss, [true, false]);
    }

    #[test]
    fn a_peer_that_counts_exactly_and_is_faster_beyond_the_spread_fails() {
        let faster = judge(&record(&[("ring", UNTAGGED, TIME_RATIO, 1.2), ("ring", "cap", TIME_RATIO, 1.1)]));
        assert!(faster.iter().any(|verdict| verdict.engine == "cap" && !verdict.passes()));
        let slower = judge(&record(&[("ring", UNTAGGED, TIME_RATIO, 1.2), ("ring", "cap", TIME_RATIO, 1.3)]));
        assert!(slower.iter().any(|verdict| verdict.engine == "cap" && verdict.passes()));
    }

    #[test]
    fn a_counter_of_the_process_is_compared_with_ours_tagged_where_regions_are_mixed() {
        let of = |workload| {
            let rows = [(workload, UNTAGGED, TIME_RATIO, 1.1), (workload, TAGGED, TIME_RATIO, 1.3)];
            let verdicts = judge(&record(&[rows[0], rows[1], (workload, "cap", TIME_RATIO, 1.2)]));
            verdicts
                .iter()
                .filter(|verdict| verdict.engine == "cap")
                .map(|verdict| verdict.passes())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("ring_mixed"), [true, false]);
        assert_eq!(of("ring"), [true]);
    }
}
