//! Latencies of allocations and frees: a band per pattern, a mark per engine and quantile.

use std::fmt::Write as _;

use super::svg::{Log, colour, drawing, escaped, line, text};
use crate::latency::{AGAIN, POINTS};
use crate::record::Record;

/// What a reader must know of the chart.
pub const ABOUT: &str = "From left to right on each line: p50, p99, p99.9 and the longest, in nanoseconds, medians of the \
    rounds, two readings of the clock included. plain-again is the plain engine run a second time in each round: what it \
    differs by is noise. The longest is mostly the scheduler's.";

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 260.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 24.0;
const STEP: f64 = 16.0;

/// A chart for allocations and one for frees.
pub fn render(record: &Record) -> String {
    ["alloc", "free"].map(|of| format!("<h3>{of}</h3>\n{}", chart(record, of))).concat()
}

fn chart(record: &Record, of: &str) -> String {
    let mut lines = Vec::new();
    for used in &record.configuration.workloads {
        let engines = record.configuration.engines.iter().map(|engine| engine.id.as_str());
        for (at, engine) in engines.chain([AGAIN]).enumerate() {
            let values: Vec<f64> =
                POINTS.iter().filter_map(|point| record.median(&used.id, engine, &format!("{of}_{point}"))).collect();
            if values.len() == POINTS.len() {
                lines.push((at, used.id.as_str(), engine, values));
            }
        }
    }
    let all = || lines.iter().flat_map(|(_, _, _, values)| values.iter().copied());
    let (low, high) = (all().fold(1e9, f64::min).max(1.0), all().fold(10.0, f64::max));
    let axis = Log::new((low, high.max(10.0 * low)), (LEFT, WIDTH - RIGHT));
    let height = TOP + STEP * (lines.len() as f64 + 1.0);
    let mut content = String::new();
    for tick in axis.ticks() {
        let x = axis.place(tick);
        content.push_str(&line("grid", (x, TOP - 6.0), (x, height)));
        content.push_str(&text("tick", "middle", (x, TOP - 10.0), &format!("{tick}")));
    }
    for (place, (at, pattern, engine, values)) in lines.iter().enumerate() {
        let y = TOP + STEP * (place as f64 + 0.7);
        let name = format!("{pattern} {engine}");
        content.push_str(&text("name", "end", (LEFT - 10.0, y + 4.0), &name));
        let mut said = name;
        for (point, value) in POINTS.iter().zip(values) {
            // Writing to a String cannot fail, here and below.
            let _ = write!(said, ", {} {value:.0} ns", point.trim_end_matches("_ns"));
        }
        let mut marks = line("spread", (axis.place(values[0]), y), (axis.place(values[values.len() - 1]), y));
        for value in values {
            let _ = writeln!(marks, "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>", axis.place(*value));
        }
        let _ = write!(
            content,
            "<g class=\"mark {}\" data-engine=\"{}\"><title>{}</title>\n{marks}</g>\n",
            colour(*at),
            escaped(engine),
            escaped(&said)
        );
    }
    drawing(WIDTH, height, &format!("latency of {of} by pattern and engine"), &content)
}
