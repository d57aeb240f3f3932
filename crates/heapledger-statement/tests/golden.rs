//! Saved readings in, the exact text out. `HEAPLEDGER_BLESS=1 cargo test -p heapledger-statement` renews the files, to
//! be read over before they are committed.

mod fixtures;

use std::path::PathBuf;

use heapledger_statement::{Readings, Summary, guide};

/// The width that the text promises.
const COLUMNS: usize = 80;

fn check(path: PathBuf, text: &str) {
    if std::env::var_os("HEAPLEDGER_BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let saved = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(saved, text, "{} differs; HEAPLEDGER_BLESS=1 renews it", path.display());
}

fn check_text(name: &str, readings: Readings) {
    let text = Summary::from_readings(readings).to_string();
    for line in text.lines() {
        // Wide characters take two columns, which the unit tests of the layout look after.
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    check(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), &text);
}

#[test]
fn a_model_server_reads_as_saved() {
    check_text("model_server.txt", fixtures::model_server());
}

#[test]
fn a_hard_place_reads_as_saved_with_reasons_and_remedies() {
    check_text("hard_place.txt", fixtures::hard_place());
}

#[test]
fn the_guide_is_generated_from_the_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reading-the-statement.md");
    if !path.parent().is_some_and(|folder| folder.is_dir()) {
        println!("SKIPPED: docs/ is not part of the packaged crate");
        return;
    }
    check(path, &guide::reading_the_statement());
}
