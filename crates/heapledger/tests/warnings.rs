//! Warnings come through `log`, once for each cause, and a logger may take summaries itself.

use std::sync::Mutex;

use heapledger::OwnedRegion;
use log::{LevelFilter, Log, Metadata, Record};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static SEEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        assert!(heapledger::quick().is_ok());
        SEEN.lock().expect("no logger panicked").push((record.target().to_owned(), record.args().to_string()));
    }
    fn flush(&self) {}
}

#[test]
fn a_refused_name_is_told_once() {
    log::set_logger(&Logger).expect("no other logger");
    log::set_max_level(LevelFilter::Trace);
    let region = OwnedRegion::new("a\nb");
    for _ in 0..3 {
        let summary = heapledger::quick().expect("the ledger is installed");
        assert!(summary.doubts().iter().any(|doubt| doubt.key == "names_refused"));
    }
    let seen = SEEN.lock().expect("no logger panicked");
    let about_names: Vec<_> = seen.iter().filter(|(_, text)| text.contains("names were not allowed")).collect();
    assert_eq!(about_names.len(), 1, "{seen:?}");
    assert_eq!(about_names[0].0, "heapledger");
    drop(region);
}
