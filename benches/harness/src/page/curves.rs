//! The cost of reading as curves, one chart per shape, with the line through each.

use std::fmt::Write as _;

use super::svg::{Log, colour, drawing, escaped, line, path, text};
use crate::record::{Record, Row};
use crate::scale::{self, CALL_NS, SHAPES, STALL_MAX_NS, STALL_P999_NS, STALLS, Shape};
use crate::table::duration;

/// What a reader must know of the charts.
pub const ABOUT: &str = "Medians of the calls, both scales logarithmic. Below each chart: the line through the points, as \
    a base and a slope, and how far the farthest point lies from it.";

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;

/// Every shape that was measured, and what other threads felt.
pub fn render(record: &Record) -> String {
    let mut html = String::new();
    for shape in SHAPES.iter().filter(|shape| !scale::kinds(record, shape).is_empty()) {
        // Writing to a String cannot fail, here and below.
        let _ =
            write!(html, "<h3>{}: {}</h3>\n{}{}", shape.id, shape.about, chart(record, shape), lines(record, shape));
    }
    html.push_str(&stalls(record));
    html
}

fn chart(record: &Record, shape: &Shape) -> String {
    let of = |kind: &str| -> Vec<(f64, &Row)> {
        let rows = record.rows.iter().filter(|row| row.workload == shape.id && row.engine == kind);
        rows.filter(|row| row.measure == CALL_NS).filter_map(|row| row.at.map(|at| (at, row))).collect()
    };
    let kinds = scale::kinds(record, shape);
    let all: Vec<(f64, &Row)> = kinds.iter().flat_map(|kind| of(kind)).collect();
    let range = |values: &dyn Fn(&(f64, &Row)) -> f64| {
        let low = all.iter().map(values).fold(f64::INFINITY, f64::min);
        (low, all.iter().map(values).fold(2.0 * low, f64::max))
    };
    let x = Log::new(range(&|point| point.0), (LEFT, WIDTH - RIGHT));
    let y = Log::new(range(&|point| point.1.median), (HEIGHT - BOTTOM, TOP));
    let mut content = String::new();
    for tick in y.ticks() {
        content.push_str(&line("grid", (LEFT, y.place(tick)), (WIDTH - RIGHT, y.place(tick))));
        content.push_str(&text("tick", "end", (LEFT - 8.0, y.place(tick) + 4.0), &duration(tick)));
    }
    for &value in shape.values {
        content.push_str(&line("grid", (x.place(value), TOP), (x.place(value), HEIGHT - BOTTOM)));
        content.push_str(&text("tick", "middle", (x.place(value), HEIGHT - 10.0), &scale::shown(shape, value)));
    }
    let mut names: Vec<(f64, &str)> = Vec::new();
    for (at, kind) in kinds.iter().enumerate() {
        let points: Vec<(f64, f64)> = of(kind).iter().map(|(at, row)| (x.place(*at), y.place(row.median))).collect();
        let _ = write!(content, "<g class=\"mark {}\">\n{}", colour(at), path("curve", &points));
        for ((value, row), (px, py)) in of(kind).iter().zip(&points) {
            let said =
                format!("{kind} at {}: {}, {} calls", scale::shown(shape, *value), duration(row.median), row.rounds);
            let _ = writeln!(
                content,
                "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4\"><title>{}</title></circle>",
                escaped(&said)
            );
        }
        content.push_str("</g>\n");
        if let Some((_, py)) = points.last() {
            names.push((py + 4.0, kind));
        }
    }
    for (py, kind) in apart(names) {
        content.push_str(&text("name", "start", (WIDTH - RIGHT + 10.0, py), kind));
    }
    drawing(WIDTH, HEIGHT, &format!("time of a reading by {}", shape.about), &content)
}

/// The names at their heights, moved down where two would lie on each other, and all up if the last one would leave the
/// chart.
fn apart(mut names: Vec<(f64, &str)>) -> Vec<(f64, &str)> {
    const LINE: f64 = 15.0;
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    for at in 1..names.len() {
        names[at].0 = names[at].0.max(names[at - 1].0 + LINE);
    }
    let mut lowest = HEIGHT - 4.0;
    for (y, _) in names.iter_mut().rev() {
        *y = y.min(lowest);
        lowest = *y - LINE;
    }
    names
}

fn lines(record: &Record, shape: &Shape) -> String {
    let mut html = String::from("<ul>\n");
    for kind in scale::kinds(record, shape) {
        if let Some(line) = scale::line(record, shape, &kind) {
            let _ = writeln!(
                html,
                "<li>{}: {} + {} per {}, every point within {:.0} %: {}</li>",
                escaped(&kind),
                duration(line.base),
                duration(line.slope),
                shape.unit.0,
                line.off * 100.0,
                escaped(&scale::word(record, shape, &kind).unwrap_or_default())
            );
        }
    }
    html.push_str("</ul>\n");
    html
}

/// What other threads felt, as a table.
fn stalls(record: &Record) -> String {
    let mut html = String::new();
    for row in record.rows.iter().filter(|row| row.workload == STALLS && row.measure == STALL_MAX_NS) {
        let same = |one: &&Row| one.engine == row.engine && one.at == row.at && one.measure == STALL_P999_NS;
        let p999 = record.rows.iter().find(same).map_or("?".to_owned(), |row| duration(row.median));
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"n\">{:.1} GiB</td><td class=\"n\">{p999}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            escaped(&row.engine),
            row.at.unwrap_or_default() / 1_073_741_824.0,
            duration(row.median),
            duration(row.max)
        );
    }
    if html.is_empty() {
        return html;
    }
    format!(
        "<h3>What another thread feels</h3>\n<table><tr><th>kind, while nothing or statements are read</th>\
         <th>resident</th><th>p99.9</th><th>worst of a window, median</th><th>largest</th></tr>\n{html}</table>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[test]
    fn names_do_not_lie_on_each_other_and_stay_in_the_chart() {
        assert_eq!(apart(vec![(50.0, "b"), (49.0, "a"), (200.0, "c")]), [(49.0, "a"), (64.0, "b"), (200.0, "c")]);
        assert_eq!(apart(vec![(295.0, "a"), (296.0, "b")]), [(281.0, "a"), (296.0, "b")]);
    }
}
