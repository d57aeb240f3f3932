//! One line of progress on stderr, for a person who waits.
//!
//! Written by hand rather than with a crate: an indicator that ticks from a thread and keeps its state on the heap
//! would appear in the very figures that the demo prints.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Redrawing more often than this is not seen.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// A line that is redrawn in place, or nothing at all when stderr is not a terminal.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    drawn_at: Option<Instant>,
}

impl Progress {
    /// Shows only on a terminal, and only if the caller wants it.
    pub fn new(wanted: bool) -> Self {
        Self { shown: wanted && std::io::stderr().is_terminal(), drawn_at: None }
    }

    /// Says how far a stage is, in bytes. Cheap enough to be called for every chunk.
    pub fn bytes(&mut self, stage: &str, done_bytes: u64, all_bytes: u64) {
        self.draw(|line| {
            let percent = (done_bytes * 100).checked_div(all_bytes).unwrap_or(100);
            write!(line, "{stage} {percent:3} % of {:.1} MiB", all_bytes as f64 / f64::from(1 << 20))
        });
    }

    /// Says how far a stage is, in things counted.
    pub fn count(&mut self, stage: &str, done: u64, all: u64) {
        self.draw(|line| write!(line, "{stage} {done} of {all}"));
    }

    /// Takes the line away, before something else is printed.
    pub fn clear(&mut self) {
        if self.drawn_at.take().is_some() {
            // Progress that cannot be written is no reason to fail.
            let _ = std::io::stderr().write_all(b"\r\x1b[2K");
        }
    }

    fn draw(&mut self, text: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
        if !self.shown || self.drawn_at.is_some_and(|at| at.elapsed() < REDRAW_EVERY) {
            return;
        }
        let mut line = b"\r\x1b[2K".to_vec();
        if text(&mut line).is_ok() {
            let _ = std::io::stderr().write_all(&line);
        }
        self.drawn_at = Some(Instant::now());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
