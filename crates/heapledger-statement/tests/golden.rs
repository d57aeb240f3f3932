//! Saved readings in, the exact text out. `HEAPLEDGER_BLESS=1 cargo test -p heapledger-statement` renews the files, to
//! be read over before they are committed.

mod fixtures;

use std::path::PathBuf;

use heapledger_statement::{FullReadings, Readings, Statement, Summary, guide};

/// The width that the text promises.
const COLUMNS: usize = 80;

fn check(path: PathBuf, text: &str) {
    if std::env::var_os("HEAPLEDGER_BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let saved = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(saved, text, "{} differs; HEAPLEDGER_BLESS=1 renews it", path.display());
}

fn check_summary(name: &str, readings: Readings) {
    check_text(name, Summary::from_readings(readings).to_string());
}

fn check_statement(name: &str, (readings, full): (Readings, FullReadings)) {
    check_text(name, Statement::from_readings(readings, full).to_string());
}

fn check_text(name: &str, text: String) {
    for line in text.lines() {
        // Wide characters take two columns, which the unit tests of the layout look after.
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    check(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), &text);
}

#[test]
fn a_model_server_reads_as_saved() {
    check_summary("model_server.txt", fixtures::model_server());
}

#[test]
fn a_hard_place_reads_as_saved_with_reasons_and_remedies() {
    check_summary("hard_place.txt", fixtures::hard_place());
}

#[test]
fn a_statement_draws_its_sum() {
    check_statement("statement.txt", fixtures::pages::model_server());
}

#[test]
fn a_heap_that_was_not_walked_is_bounded_and_says_why() {
    check_statement("statement_unadmitted.txt", fixtures::pages::unadmitted());
}

#[test]
fn a_statement_without_pages_says_why_and_states_no_sum() {
    check_statement("statement_unwalked.txt", fixtures::pages::unwalked());
}

#[test]
fn the_guide_is_generated_from_the_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reading-the-statement.md");
    if !path.parent().is_some_and(|folder| folder.is_dir()) {
        println!("SKIPPED: docs/ is not part of the packaged crate");
        return;
    }
    check(path.with_file_name("reading-the-findings.md"), &guide::reading_the_findings());
    check(path, &guide::reading_the_statement());
}
