//! What tests and long runs need beside what they are about: the harness that runs them, their process, their record.
//!
//! `again.rs` starts the test program once more for one of its tests, so that this one has a process of its own;
//! `fork.rs` has forked children, `settings.rs` looks whether jemalloc has the settings that it was given, `thread.rs`
//! waits for the harness's own thread, `record.rs` writes down what ran on what. It depends on no crate of heapledger,
//! so that every one of them can have it for its tests.

pub mod again;
pub mod fork;
pub mod record;
pub mod settings;
pub mod thread;

/// Says that a test could not be made here. Past the harness, which shows what tests print only when they fail.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    let line = format!("SKIPPED {test}: {reason}\n");
    // Where nobody listens, nobody misses it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
