//! Progress on stderr: a bar with the time left on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that shows how many runs are done and how long the others will take.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for `total` runs. It hides itself where stderr is not a terminal.
    pub fn new(total: usize) -> Progress {
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {eta} left  {msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// Says which run begins now. The runs before it count as done.
    pub fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }

    /// Takes the bar away, so that the table stands alone.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
