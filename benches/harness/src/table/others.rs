//! The tables of `latency`, `footprint` and `scale`.

use std::fmt::Write as _;

use super::duration;
use crate::footprint::{EACH_BYTES, EACH_OVER_PLAIN_BYTES, PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES};
use crate::latency::AGAIN;
use crate::record::Record;
use crate::scale::{self, CALL_NS, SHAPES, STALL_MAX_NS, STALL_P999_NS, STALLS};

/// One line per pattern and engine: the quantiles of an allocation and of a free, and p99.9 as a ratio.
pub fn render_latency(record: &Record) -> String {
    let mut text = format!("{:<12} {:<20}", "pattern", "engine");
    for of in ["alloc", "free"] {
        let _ = write!(text, " {of:>6} p50 {:>6} {:>7} {:>10} {:>6}", "p99", "p99.9", "max", "ratio");
    }
    text.push('\n');
    for workload in &record.configuration.workloads {
        let mut name = workload.id.as_str();
        let engines = record.configuration.engines.iter().map(|engine| engine.id.as_str());
        for engine in engines.chain([AGAIN]) {
            let mut line = String::new();
            for of in ["alloc", "free"] {
                let median = |measure: &str, digits: usize| {
                    let median = record.median(&workload.id, engine, &format!("{of}_{measure}"));
                    median.map_or(String::new(), |median| format!("{median:.digits$}"))
                };
                let _ = write!(
                    line,
                    " {:>10} {:>6} {:>7} {:>10} {:>6}",
                    median("p50_ns", 0),
                    median("p99_ns", 0),
                    median("p999_ns", 0),
                    median("max_ns", 0),
                    median("p999_ratio", 2)
                );
            }
            if let Some(failure) = record.failure(&workload.id, engine) {
                line = format!(" failed: {}", failure.in_short());
            }
            let _ = writeln!(text, "{name:<12} {engine:<20}{}", line.trim_end());
            name = "";
        }
    }
    text.push_str("medians of the rounds in ns, two readings of the clock included; ratio: p99.9 to plain's\n");
    text
}

/// One line per engine: code, and resident bytes per thread and per region.
pub fn render_footprint(record: &Record) -> String {
    let mut text = format!(
        "{:<20} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
        "engine", "text", "over plain", "B/thread", "over plain", "B/region", "over plain"
    );
    for engine in &record.configuration.engines {
        let mut line = String::new();
        for (workload, measure, over) in [
            (PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES),
            ("threads", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
            ("regions", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
        ] {
            for measure in [measure, over] {
                let median = record.median(workload, &engine.id, measure);
                let _ = write!(line, " {:>10}", median.map_or(String::new(), |bytes| format!("{bytes:.0}")));
            }
        }
        let _ = writeln!(text, "{:<20}{}", engine.id, line.trim_end());
    }
    text
}

/// The median of each kind of reading by value, the line through them, and what other threads felt.
pub fn render_scale(record: &Record) -> String {
    let mut text = String::new();
    for shape in SHAPES.iter().filter(|shape| record.configuration.workloads.iter().any(|used| used.id == shape.id)) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}: {}", shape.id, shape.about);
        for kind in scale::kinds(record, shape) {
            let _ = write!(text, "  {kind:<10}");
            for row in record.rows.iter().filter(|row| row.workload == shape.id && row.engine == kind) {
                let at = row.at.map_or(String::new(), |at| scale::shown(shape, at));
                let _ = write!(text, " {at}: {};", duration(row.median));
            }
            if let Some(line) = scale::line(record, shape, &kind) {
                let (base, slope, unit) = (duration(line.base), duration(line.slope), shape.unit.0);
                let word = scale::word(record, shape, &kind).unwrap_or_default();
                let _ = write!(text, " = {base} + {slope} per {unit}, within {:.0} %: {word}", line.off * 100.0);
            }
            text.push('\n');
        }
    }
    for row in record.rows.iter().filter(|row| row.workload == STALLS && row.measure == STALL_MAX_NS) {
        let p999 = record
            .rows
            .iter()
            .find(|one| one.engine == row.engine && one.at == row.at && one.measure == STALL_P999_NS)
            .map_or(String::new(), |row| duration(row.median));
        let at = row.at.unwrap_or_default() / 1_073_741_824.0;
        let _ = writeln!(
            text,
            "{:<20} at {at:.1} GiB: p99.9 {p999}, worst {} (median of {} windows), of all {}",
            row.engine,
            duration(row.median),
            row.rounds,
            duration(row.max)
        );
    }
    debug_assert!(record.rows.iter().all(|row| [CALL_NS, STALL_MAX_NS, STALL_P999_NS].contains(&row.measure.as_str())));
    text
}
