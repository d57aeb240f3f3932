//! Gates on latencies, code and memory per thread.

use super::{TAGGED, UNTAGGED, Verdict};
use crate::footprint::{EACH_OVER_PLAIN_BYTES, PROGRAM, TEXT_OVER_PLAIN_BYTES};
use crate::latency::AGAIN;
use crate::record::Record;

/// p99.9 as a multiple of plain jemalloc's, or of what its second run differs by if that is more.
const P999: f64 = 1.2;
/// Code over plain jemalloc.
const TEXT_BYTES: f64 = 65_536.0;
/// Resident bytes of a thread that allocates little, over plain jemalloc.
const THREAD_BYTES: f64 = 8_192.0;

/// p99.9 of allocations and of frees, against the plain engine run twice.
pub fn latency(record: &Record) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for used in &record.configuration.workloads {
        for engine in [UNTAGGED, TAGGED] {
            for (what, measure) in
                [("p99.9 of malloc / plain", "alloc_p999_ratio"), ("p99.9 of free / plain", "free_p999_ratio")]
            {
                let again = record.median(&used.id, AGAIN, measure).unwrap_or(1.0);
                verdicts.push(Verdict {
                    workload: used.id.clone(),
                    engine: engine.to_owned(),
                    what,
                    limit: P999 * again.max(1.0),
                    goal: None,
                    measured: record.median(&used.id, engine, measure),
                });
            }
        }
    }
    verdicts
}

/// Code, and memory per thread.
pub fn footprint(record: &Record) -> Vec<Verdict> {
    let of = |workload: &str, engine: &str, what, measure, limit| Verdict {
        workload: workload.to_owned(),
        engine: engine.to_owned(),
        what,
        limit,
        goal: None,
        measured: record.median(workload, engine, measure),
    };
    let each = [UNTAGGED, TAGGED].into_iter().flat_map(|engine| {
        [
            of(PROGRAM, engine, "bytes of .text over plain", TEXT_OVER_PLAIN_BYTES, TEXT_BYTES),
            of("threads", engine, "bytes a thread over plain", EACH_OVER_PLAIN_BYTES, THREAD_BYTES),
        ]
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::super::{TAGGED, judge};
    use crate::footprint::{PROGRAM, TEXT_OVER_PLAIN_BYTES};
    use crate::record::{Configuration, Record, Row, WorkloadUsed};

    #[test]
    fn the_second_run_of_plain_widens_the_limit_of_latencies() {
        let ring = WorkloadUsed { id: "ring".into(), about: String::new(), operation: String::new(), iterations: 1 };
        let row = |engine: &str, value| Row::new("ring", engine, "free_p999_ratio", vec![value]).expect("a sample");
        let record = Record {
            command: "latency".into(),
            configuration: Configuration { workloads: vec![ring], ..Configuration::default() },
            rows: vec![row(TAGGED, 1.3), row("plain-again", 1.1)],
            ..Record::default()
        };
        let verdicts = judge(&record);
        let free = verdicts.iter().find(|verdict| verdict.engine == TAGGED && verdict.what.contains("free"));
        assert!(free.expect("there is a gate").passes());
        assert!(verdicts.iter().any(|verdict| !verdict.passes()), "what was not measured does not pass");
    }

    #[test]
    fn more_code_than_its_limit_fails() {
        let row = Row::new(PROGRAM, TAGGED, TEXT_OVER_PLAIN_BYTES, vec![70_000.0]).expect("a sample");
        let record = Record { command: "footprint".into(), rows: vec![row], ..Record::default() };
        assert!(judge(&record).iter().any(|verdict| verdict.workload == PROGRAM && verdict.measured == Some(70_000.0)));
        assert!(judge(&record).iter().all(|verdict| !verdict.passes()));
    }
}
