//! Ratios to plain jemalloc: a band per workload, a mark per engine.

use std::fmt::Write as _;

use super::svg::{Log, colour, drawing, escaped, line, text};
use crate::engines::PLAIN;
use crate::record::{Record, Row};
use crate::rows::{TIME_RATIO, program_medians};
use crate::stats::geometric_mean;

/// What a reader must know of the chart.
pub const ABOUT: &str = "A dot is the median of the rounds, its line reaches from quartile to quartile, and each ratio \
    was taken within a round. The scale is logarithmic; 1 is plain jemalloc. A name in the legend hides its marks.";
/// The same of the table of means.
pub const MEANS_ABOUT: &str = "The geometric mean of the medians over the workloads that are programs and not \
    patterns: those that work in one region, and those that switch among several.";

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 140.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 24.0;
/// Of one engine within the band of a workload.
const STEP: f64 = 5.0;
const GAP: f64 = 9.0;

/// The engines that have ratios, each with its place in the list of the record.
fn engines(record: &Record) -> Vec<(usize, &str)> {
    let all = record.configuration.engines.iter().map(|engine| engine.id.as_str()).enumerate();
    all.filter(|(_, id)| *id != PLAIN).collect()
}

/// Buttons that hide and show engines.
pub fn legend(record: &Record) -> String {
    let mut html = String::from("<p class=\"legend\">");
    for (at, id) in engines(record) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            html,
            "<button type=\"button\" class=\"{}\" data-engine=\"{}\" aria-pressed=\"true\">{}</button> ",
            colour(at),
            escaped(id),
            escaped(id)
        );
    }
    html.push_str("</p>\n");
    html
}

/// The chart of `measure`.
pub fn render(record: &Record, measure: &str, label: &str) -> String {
    let engines = engines(record);
    let rows: Vec<&Row> = record.rows.iter().filter(|row| row.measure == measure).collect();
    if rows.is_empty() {
        return "<p>Nothing was measured: no ratio can be taken without the plain engine.</p>\n".to_owned();
    }
    let low = rows.iter().map(|row| row.lower_quartile).fold(0.9, f64::min);
    let least = if measure == TIME_RATIO { 1.6 } else { 1.2 };
    let high = rows.iter().map(|row| row.upper_quartile).fold(least, f64::max);
    let workloads: Vec<&str> = record
        .configuration
        .workloads
        .iter()
        .map(|used| used.id.as_str())
        .filter(|id| rows.iter().any(|row| row.workload == *id))
        .collect();
    let band = STEP * engines.len() as f64 + GAP;
    let height = TOP + band * workloads.len() as f64 + 6.0;
    let axis = Log::new((low.max(0.1), high), (LEFT, WIDTH - RIGHT));
    let mut content = String::new();
    for tick in axis.ticks() {
        let x = axis.place(tick);
        let class = if tick == 1.0 { "one" } else { "grid" };
        content.push_str(&line(class, (x, TOP - 6.0), (x, height)));
        content.push_str(&text("tick", "middle", (x, TOP - 10.0), &number(tick)));
    }
    for (place, id) in workloads.iter().enumerate() {
        let top = TOP + band * place as f64;
        content.push_str(&line("band", (0.0, top), (WIDTH, top)));
        content.push_str(&text("name", "end", (LEFT - 10.0, top + band / 2.0 + 4.0), id));
        for (turn, (at, engine)) in engines.iter().enumerate() {
            let Some(row) = rows.iter().find(|row| row.workload == *id && row.engine == *engine) else { continue };
            let y = top + GAP / 2.0 + STEP * (turn as f64 + 0.5);
            content.push_str(&mark(row, &axis, y, &colour(*at)));
        }
    }
    drawing(WIDTH, height, label, &content)
}

/// One engine on one workload; its numbers are shown under the pointer.
fn mark(row: &Row, axis: &Log, y: f64, colour: &str) -> String {
    let said = format!(
        "{} on {}: {:.2} [{:.2}-{:.2}], {} rounds",
        row.engine, row.workload, row.median, row.lower_quartile, row.upper_quartile, row.rounds
    );
    format!(
        "<g class=\"mark {colour}\" data-engine=\"{}\"><title>{}</title>\n{}<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3\"/></g>\n",
        escaped(&row.engine),
        escaped(&said),
        line("spread", (axis.place(row.lower_quartile), y), (axis.place(row.upper_quartile), y)),
        axis.place(row.median)
    )
}

/// A table of geometric means over the programs, best first.
pub fn means(record: &Record) -> String {
    let shown = |mean: Option<f64>| mean.map_or(String::new(), |mean| format!("{mean:.3}"));
    let mean = |id: &str, mixed| geometric_mean(&program_medians(record, id, mixed));
    let mut engines: Vec<&str> = engines(record).into_iter().map(|(_, id)| id).collect();
    let key = |id: &str| mean(id, false).unwrap_or(f64::INFINITY);
    engines.sort_by(|one, other| key(one).total_cmp(&key(other)));
    let mut html = String::from("<table><tr><th>engine</th><th>one region</th><th>several on every page</th></tr>\n");
    for id in engines {
        let (pure, mixed) = (shown(mean(id, false)), shown(mean(id, true)));
        let _ =
            writeln!(html, "<tr><td>{}</td><td class=\"n\">{pure}</td><td class=\"n\">{mixed}</td></tr>", escaped(id));
    }
    html.push_str("</table>\n");
    html
}

/// A tick without digits that say nothing.
fn number(value: f64) -> String {
    format!("{value}")
}
