//! One self-contained HTML page of records: charts with their numbers, no network, no library.

mod curves;
mod latencies;
mod ratios;
mod svg;
mod tables;

use std::fmt::Write as _;

use crate::record::Record;
use crate::rows::{PEAK_RSS_RATIO, TIME_RATIO};

/// Everything that the page looks like.
const STYLE: &str = include_str!("page/style.css");
/// Hides and shows the marks of an engine; without it all are shown.
const SCRIPT: &str = include_str!("page/legend.js");

/// The page of `records`, each with the name of its file.
pub fn render(records: &[(String, Record)]) -> String {
    let mut body = String::new();
    for (name, record) in records {
        let parts = match record.command.as_str() {
            "compare" => compare(record),
            "latency" => section("Latency of single operations", latencies::ABOUT, &latencies::render(record)),
            "scale" => section("The cost of reading", curves::ABOUT, &curves::render(record)),
            "footprint" => section("Code, threads, regions", tables::FOOTPRINT_ABOUT, &tables::footprint(record)),
            "instructions" => section("Instructions", tables::INSTRUCTIONS_ABOUT, &tables::instructions(record)),
            other => format!("<p>{} has no chart.</p>", svg::escaped(other)),
        };
        // Writing to a String cannot fail, here and below.
        let _ = write!(body, "{parts}{}", origin(name, record));
    }
    let title = "heapledger: what it costs";
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn compare(record: &Record) -> String {
    let legend = ratios::legend(record);
    let means = ratios::means(record);
    let time = ratios::render(record, TIME_RATIO, "time, as a ratio to plain jemalloc");
    let rss = ratios::render(record, PEAK_RSS_RATIO, "peak RSS, as a ratio to plain jemalloc");
    format!(
        "{}{}{}",
        section("Programs together", ratios::MEANS_ABOUT, &means),
        section("Time", ratios::ABOUT, &format!("{legend}{time}")),
        section("Peak RSS", ratios::ABOUT, &format!("{legend}{rss}")),
    )
}

fn section(title: &str, about: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n<p>{about}</p>\n{content}</section>\n")
}

/// Where the figures come from, and what could not be measured.
fn origin(name: &str, record: &Record) -> String {
    let machine = &record.machine;
    let unknown = |value: &Option<String>| svg::escaped(value.as_deref().unwrap_or("unknown"));
    let number = |value: Option<f64>| value.map_or("unknown".to_owned(), |value| value.to_string());
    let mut text = format!(
        "<p class=\"origin\">{}: {} rounds asked for; {}, {} cores{}, Linux {}, {}, commit {}{}; load {} before, {} \
         after.{}</p>\n",
        svg::escaped(name),
        record.configuration.rounds,
        unknown(&machine.cpu),
        machine.cores.map_or("?".to_owned(), |cores| cores.to_string()),
        if machine.virtual_machine == Some(true) { ", virtual machine" } else { "" },
        unknown(&machine.kernel),
        unknown(&record.source.rustc),
        unknown(&record.source.commit),
        if record.source.dirty == Some(true) { " with changes" } else { "" },
        number(machine.load_before),
        number(record.configuration.load_after),
        if record.complete { "" } else { " <strong>The run was interrupted.</strong>" },
    );
    if !record.failures.is_empty() {
        text.push_str("<details><summary>What could not be measured, and why</summary>\n<ul>\n");
        for failure in &record.failures {
            let _ = writeln!(
                text,
                "<li><b>{}</b> on {}: {}</li>",
                svg::escaped(&failure.engine),
                svg::escaped(&failure.workload),
                svg::escaped(&failure.reason)
            );
        }
        text.push_str("</ul>\n</details>\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::record::{Configuration, EngineUsed, Failure, Record, Row, WorkloadUsed};
    use crate::rows::TIME_RATIO;

    fn record() -> Record {
        let engine = |id: &str| EngineUsed {
            id: id.into(),
            about: String::new(),
            allocator: serde_json::Value::Null,
            longer: Vec::new(),
        };
        let json = WorkloadUsed { id: "json".into(), about: String::new(), operation: String::new(), iterations: 1 };
        Record {
            command: "compare".into(),
            complete: true,
            configuration: Configuration {
                rounds: 3,
                engines: vec![engine("plain"), engine("dhat")],
                workloads: vec![json],
                ..Configuration::default()
            },
            rows: vec![Row::new("json", "dhat", TIME_RATIO, vec![20.0, 21.0, 22.0]).expect("samples")],
            failures: vec![Failure { workload: "syn".into(), engine: "dhat".into(), reason: "a < b & c".into() }],
            ..Record::default()
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_shows_failures_escaped() {
        let page = render(&[("a.json".into(), record())]);
        assert!(page.contains("a &lt; b &amp; c"), "{page}");
        for foreign in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_element_that_is_opened_is_closed() {
        let page = render(&[("a.json".into(), record())]);
        for element in ["section", "svg", "g", "table", "tr", "td", "th", "p", "h2", "text", "title", "details", "ul"] {
            let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
            assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
        }
    }

    #[test]
    fn a_mark_says_its_numbers() {
        let page = render(&[("a.json".into(), record())]);
        assert!(page.contains("dhat on json: 21.00 [20.50-21.50], 3 rounds"), "{page}");
    }
}
