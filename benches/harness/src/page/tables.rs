//! The records that are better read as tables.

use std::fmt::Write as _;

use super::svg::escaped;
use crate::footprint::{EACH_BYTES, EACH_OVER_PLAIN_BYTES, PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES};
use crate::record::{Record, Row};
use crate::rows::{
    INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN,
};

/// What a reader must know of the table.
pub const FOOTPRINT_ABOUT: &str = "Bytes of machine code in the engine's program, resident bytes per idle thread and per \
    region, medians; behind each what it is over plain jemalloc.";
/// The same of instructions.
pub const INSTRUCTIONS_ABOUT: &str = "Instructions per allocation and free, counted by callgrind in steady state; in \
    brackets over plain jemalloc.";

/// Code, threads, regions.
pub fn footprint(record: &Record) -> String {
    let mut html = String::from(
        "<table><tr><th>engine</th><th>code</th><th>over plain</th><th>a thread</th><th>over plain</th>\
         <th>a region</th><th>over plain</th></tr>\n",
    );
    for engine in &record.configuration.engines {
        // Writing to a String cannot fail, here and below.
        let _ = write!(html, "<tr><td>{}</td>", escaped(&engine.id));
        for (workload, measure, over) in [
            (PROGRAM, TEXT_BYTES, TEXT_OVER_PLAIN_BYTES),
            ("threads", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
            ("regions", EACH_BYTES, EACH_OVER_PLAIN_BYTES),
        ] {
            for measure in [measure, over] {
                let median = record.median(workload, &engine.id, measure);
                let _ = write!(
                    html,
                    "<td class=\"n\">{}</td>",
                    median.map_or(String::new(), |bytes| format!("{bytes:.0}"))
                );
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
    html
}

/// Instructions per pair, and below them those without link-time optimisation, where they were counted.
pub fn instructions(record: &Record) -> String {
    let mut html = counts(record, INSTRUCTIONS, INSTRUCTIONS_OVER_PLAIN);
    if record.rows.iter().any(|row| row.measure == WITHOUT_LTO_INSTRUCTIONS) {
        html.push_str("<p>The same programs built without link-time optimisation:</p>\n");
        html.push_str(&counts(record, WITHOUT_LTO_INSTRUCTIONS, WITHOUT_LTO_INSTRUCTIONS_OVER_PLAIN));
    }
    html
}

/// What `measure` and, in brackets, `over_plain` are, of the engines and workloads that have it.
fn counts(record: &Record, measure: &str, over_plain: &str) -> String {
    let counted = |one: &dyn Fn(&Row) -> bool| record.rows.iter().any(|row| row.measure == measure && one(row));
    let engines = record.configuration.engines.iter().filter(|used| counted(&|row| row.engine == used.id));
    let engines: Vec<&str> = engines.map(|used| used.id.as_str()).collect();
    let mut html = String::from("<table><tr><th>workload</th>");
    for engine in &engines {
        let _ = write!(html, "<th>{}</th>", escaped(engine));
    }
    html.push_str("</tr>\n");
    for used in record.configuration.workloads.iter().filter(|used| counted(&|row| row.workload == used.id)) {
        let _ = write!(html, "<tr><td>{}</td>", escaped(&used.id));
        for engine in &engines {
            let count = record.median(&used.id, engine, measure).map(|count| format!("{count:.1}"));
            let over = record.median(&used.id, engine, over_plain);
            let over = over.map_or(String::new(), |over| format!(" ({over:+.1})"));
            let _ = write!(html, "<td class=\"n\">{}{over}</td>", count.unwrap_or_default());
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
    html
}
