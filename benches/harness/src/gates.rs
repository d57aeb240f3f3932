//! The limits that heapledger must keep, and whether a record keeps them.

use workloads::{Mix, WORKLOADS};

use crate::engines::PLAIN;
use crate::record::Record;
use crate::rows::{OPERATION_NS, PEAK_RSS_BYTES, TIME_RATIO};

/// Time on pages that one region owns, as a ratio to plain jemalloc. Holds untagged and tagged.
const PURE_TIME: &[(&str, f64)] = &[
    ("json", 1.04),
    ("btree", 1.06),
    ("syn", 1.10),
    ("ring", 1.35),
    ("ring2", 1.28),
    ("loop64", 1.48),
    ("loop1m", 1.10),
    ("phase", 1.18),
];
/// Time with four regions mixed on the pages. Holds tagged; untagged there is nothing to mix.
const MIXED_TIME: &[(&str, f64)] =
    &[("ring_mixed", 1.65), ("ring2_mixed", 1.50), ("json_mixed", 1.24), ("btree_mixed", 1.14)];
/// Peak RSS as a multiple of plain jemalloc's, where pages are pure.
const PURE_PEAK_RSS: f64 = 1.02;
/// The same where four regions are mixed.
const MIXED_PEAK_RSS: f64 = 1.06;
/// What heapledger may need beside the multiple, for its own code and the first page of each table.
const PEAK_RSS_BYTES_MORE: f64 = 1_048_576.0;
/// One enter and one leave together: stricter than a limit on each.
const SWITCH_NS: f64 = 3.0;

const UNTAGGED: &str = "heapledger-untagged";
const TAGGED: &str = "heapledger-tagged";

/// One limit and what the record says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The workload.
    pub workload: &'static str,
    /// The engine.
    pub engine: &'static str,
    /// What is limited.
    pub what: &'static str,
    /// The limit.
    pub limit: f64,
    /// The median, or `None` if the record does not have it.
    pub measured: Option<f64>,
}

impl Verdict {
    /// Whether the median is within the limit. What was not measured does not pass.
    pub fn passes(&self) -> bool {
        self.measured.is_some_and(|measured| measured <= self.limit)
    }
}

/// Every gate against the medians of `record`.
pub fn judge(record: &Record) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (&(workload, limit), engine) in PURE_TIME.iter().flat_map(|gate| [(gate, UNTAGGED), (gate, TAGGED)]) {
        let measured = record.median(workload, engine, TIME_RATIO);
        verdicts.push(Verdict { workload, engine, what: "time / plain", limit, measured });
    }
    for &(workload, limit) in MIXED_TIME {
        let measured = record.median(workload, TAGGED, TIME_RATIO);
        verdicts.push(Verdict { workload, engine: TAGGED, what: "time / plain", limit, measured });
    }
    for info in WORKLOADS {
        let (engines, multiple): (&[&'static str], f64) = match info.mix {
            Mix::Pure => (&[UNTAGGED, TAGGED], PURE_PEAK_RSS),
            Mix::FourRegions | Mix::ManyRegions => (&[TAGGED], MIXED_PEAK_RSS),
            Mix::Switches => continue,
        };
        for &engine in engines {
            verdicts.push(peak_rss(record, info.id, engine, multiple));
        }
    }
    let measured = record.median("switch", TAGGED, OPERATION_NS);
    verdicts.push(Verdict {
        workload: "switch",
        engine: TAGGED,
        what: "ns per enter + leave",
        limit: SWITCH_NS,
        measured,
    });
    verdicts
}

/// The peak less the allowance, as a ratio, so that it stands beside the multiple that limits it.
fn peak_rss(record: &Record, workload: &'static str, engine: &'static str, limit: f64) -> Verdict {
    let peak = |engine| record.median(workload, engine, PEAK_RSS_BYTES);
    let measured = peak(engine).zip(peak(PLAIN)).map(|(peak, plain)| (peak - PEAK_RSS_BYTES_MORE) / plain);
    Verdict { workload, engine, what: "(peak RSS - 1 MiB) / plain", limit, measured }
}

/// The verdicts as a table, one line each, and how many fail.
pub fn render(verdicts: &[Verdict]) -> String {
    let mut text = format!("{:<12} {:<20} {:<27} {:>6} {:>9}\n", "workload", "engine", "gate", "limit", "median");
    for verdict in verdicts {
        let measured = verdict.measured.map_or("-".to_owned(), |measured| format!("{measured:.3}"));
        let word = match (verdict.passes(), verdict.measured) {
            (true, _) => "pass",
            (false, Some(_)) => "FAIL",
            (false, None) => "FAIL: not measured",
        };
        text.push_str(&format!(
            "{:<12} {:<20} {:<27} {:>6.2} {measured:>9}  {word}\n",
            verdict.workload, verdict.engine, verdict.what, verdict.limit
        ));
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passes()).count();
    text.push_str(&format!("{} gates, {failed} failed\n", verdicts.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::{MIXED_TIME, PURE_TIME, TAGGED, UNTAGGED, judge, render};
    use crate::record::{Record, Row};
    use crate::rows::{PEAK_RSS_BYTES, TIME_RATIO};

    fn record(rows: &[(&str, &str, &str, f64)]) -> Record {
        let row = |&(workload, engine, measure, value)| Row::new(workload, engine, measure, vec![value]);
        Record { rows: rows.iter().filter_map(row).collect(), ..Record::default() }
    }

    #[test]
    fn every_gate_names_a_workload_that_exists() {
        for (workload, limit) in PURE_TIME.iter().chain(MIXED_TIME) {
            assert!(workloads::info(workload).is_some(), "{workload}");
            assert!(*limit > 1.0, "{workload}");
        }
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
        assert!(verdicts.iter().all(|verdict| !verdict.passes()));
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
            .map(|verdict| verdict.measured.expect("it was measured") < 1.025)
            .collect();
        assert_eq!(rss, [true, false]);
    }
}
