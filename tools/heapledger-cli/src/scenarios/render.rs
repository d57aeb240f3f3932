//! The report of a scenario: text of at most 80 columns, and JSON.

use serde_json::json;

use super::check::{Check, Measured};
use super::scene::{FoundAt, Report};
use super::{Run, SCENARIOS, Scenario, process};
use crate::output::{Look, Tone};

/// The width of a name in the list.
const NAME_COLUMNS: usize = 18;

/// The width of the labels of the table.
const LABEL_COLUMNS: usize = 30;

/// The width of a column of the table.
const CELL_COLUMNS: usize = 12;

/// One line per scenario: its name, and what it shows.
pub fn list() -> String {
    SCENARIOS.iter().map(|scenario| format!("{:NAME_COLUMNS$} {}\n", scenario.name, scenario.shows)).collect()
}

/// The same as one array.
pub fn list_json() -> String {
    let entry = |scenario: &&Scenario| {
        let Scenario { name, shows, peak_bytes, .. } = scenario;
        json!({"scenario": name, "shows": shows, "peak_bytes": peak_bytes})
    };
    format!("{}\n", SCENARIOS.iter().map(entry).collect::<serde_json::Value>())
}

/// What is going to happen.
pub fn heading(look: Look, scenario: &Scenario) -> String {
    let title = format!("scenario {}: {}", scenario.name, scenario.shows);
    let mut text = look.paint(Tone::Title, look.wrap(&title, "", "  ").trim_end());
    text.push('\n');
    for (index, step) in scenario.story.iter().enumerate() {
        text.push_str(&look.wrap(step, &format!("  {}. ", index + 1), "     "));
    }
    text
}

/// What one process found.
pub fn run(look: Look, run: &Run, report: &Report) -> String {
    let mut text = String::from("\n");
    if !run.title.is_empty() {
        text.push_str(&format!("{}\n", look.paint(Tone::Title, &format!("-- {} --", run.title))));
    }
    // Commas are where a line may break.
    text.push_str(&look.wrap(&process::settings(run).replace(',', ", "), "  settings: ", "    "));
    table(look, &mut text, report);
    for check in &report.checks {
        let (tone, word) = if check.ok { (Tone::Good, "ok") } else { (Tone::Bad, "FAILED") };
        text.push_str(&look.entry(tone, word, WORD_COLUMNS, &line(check)));
        text.push_str(&look.wrap(&check.reason, REASON, REASON));
    }
    for note in &report.notes {
        text.push_str(&look.entry(Tone::Notable, "note", WORD_COLUMNS, note));
    }
    text
}

/// The width of the word before a check, and what a reason is indented by.
const WORD_COLUMNS: usize = 8;
const REASON: &str = "            ";

/// How it ended.
pub fn end(look: Look, count: usize, failed: usize) -> String {
    let (tone, words) = match failed {
        0 => (Tone::Good, format!("{count} checks hold")),
        _ => (Tone::Bad, format!("{failed} of {count} checks FAILED")),
    };
    format!("\n{}\n", look.paint(tone, &words))
}

/// All processes of a scenario as one object.
pub fn json(scenario: &Scenario, reports: &[Report]) -> String {
    let mut checks = Vec::new();
    let mut notes = Vec::new();
    let mut findings = Vec::new();
    for (run, report) in scenario.runs.iter().zip(reports) {
        let titled = |text: &str| if run.title.is_empty() { text.to_owned() } else { format!("{}: {text}", run.title) };
        checks.extend(report.checks.iter().map(|check| Check { what: titled(&check.what), ..check.clone() }));
        notes.extend(report.notes.iter().map(|note| titled(note)));
        let found = |one: &FoundAt| FoundAt { stage: titled(&one.stage), ..one.clone() };
        findings.extend(report.findings.iter().map(found));
    }
    let ok = checks.iter().all(|check| check.ok);
    format!(
        "{}\n",
        json!({"scenario": scenario.name, "ok": ok, "checks": checks, "notes": notes, "findings": findings})
    )
}

/// `pinned by B: expected 66060288, measured 66060288 (63.0 MiB)`.
fn line(check: &Check) -> String {
    let expected = match (check.truth, check.at_least, check.at_most) {
        (Some(truth), ..) => match check.tolerance {
            Some(tolerance) if tolerance != 0 => format!("{truth} +- {tolerance}"),
            _ => truth.to_string(),
        },
        (None, Some(least), Some(most)) => format!("{least} to {most}"),
        (None, Some(least), None) => format!("at least {least}"),
        (None, None, Some(most)) => format!("at most {most}"),
        (None, None, None) => "anything".to_owned(),
    };
    let measured = match &check.measured {
        Measured::Exact(bytes) => bytes.to_string(),
        Measured::Within { at_least, at_most } => format!("{at_least} to {at_most}"),
        Measured::Unknown { unknown } => format!("? ({unknown})"),
    };
    format!("{}: expected {expected}, measured {measured}", check.what)
}

/// A row per line of the statement, a column per stage.
fn table(look: Look, text: &mut String, report: &Report) {
    for part in report.columns.chunks((look.columns - LABEL_COLUMNS - 2) / CELL_COLUMNS) {
        let mut row = |label: &str, cells: &mut dyn Iterator<Item = &str>| {
            text.push_str(&format!("  {label:LABEL_COLUMNS$}"));
            for cell in cells {
                text.push_str(&format!("{cell:>CELL_COLUMNS$}"));
            }
            text.push('\n');
        };
        row("MiB", &mut part.iter().map(|(stage, _)| stage.as_str()));
        for (index, label) in report.rows.iter().enumerate() {
            row(label, &mut part.iter().map(|(_, cells)| cells.get(index).map_or("", String::as_str)));
        }
    }
}

#[cfg(test)]
mod tests {
    use heapledger::Figure;

    use super::super::check::{NONE, Tolerance};
    use super::*;
    use crate::output::PLAIN;

    #[test]
    fn a_line_says_what_was_expected_and_what_was_measured() {
        let check = Check::exactly("pinned", 5, NONE, Figure::Exact(6), "why");
        assert_eq!(line(&check), "pinned: expected 5, measured 6");
        let near = Check::exactly("pinned", 5, Tolerance { at_most: 2, why: "w" }, Figure::within(4, 6), "why");
        assert_eq!(line(&near), "pinned: expected 5 +- 2, measured 4 to 6");
        let bounds = Check::within("pinned", (None, Some(3)), Figure::unknown("not read", "read it"), "why");
        assert_eq!(line(&bounds), "pinned: expected at most 3, measured ? (not read)");
    }

    #[test]
    fn headings_and_the_list_fit_80_columns() {
        let headings: String = SCENARIOS.iter().map(|scenario| heading(PLAIN, scenario)).collect();
        for line in list().lines().chain(headings.lines()) {
            assert!(line.chars().count() <= PLAIN.columns, "{line}");
        }
    }

    #[test]
    fn every_name_is_a_word_and_stands_once() {
        let names: std::collections::HashSet<&str> = super::super::names().collect();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(names.iter().all(|name| !name.contains(char::is_whitespace) && name.len() <= NAME_COLUMNS));
    }

    #[test]
    fn wide_reports_are_cut_into_tables_that_fit() {
        let columns = (0..9).map(|stage| (format!("stage{stage}"), vec!["1234.5-1250.5".to_owned()])).collect();
        let report = Report { rows: vec!["a".repeat(LABEL_COLUMNS)], columns, ..Report::default() };
        let mut text = String::new();
        table(PLAIN, &mut text, &report);
        assert!(text.lines().all(|line| line.len() <= PLAIN.columns + 4), "{text}");
        assert_eq!(text.matches("1234.5").count(), 9);
    }
}
