//! Progress on stderr: a bar with the time left on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that shows how many runs are done and how long the others will take.
pub struct Progress(ProgressBar, std::cell::Cell<bool>);

impl Progress {
    /// A bar for `total` runs. It hides itself where stderr is not a terminal.
    pub fn new(total: usize) -> Progress {
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {eta} left  {msg}") {
            bar.set_style(style);
        }
        Progress(bar, std::cell::Cell::new(false))
    }

    /// Says which run begins now. The runs before it count as done.
    pub fn step(&self, what: &str) {
        self.0.inc(u64::from(self.1.replace(true)));
        self.0.set_message(what.to_owned());
    }

    /// Says that there will be `total` runs.
    pub fn resize(&self, total: usize) {
        self.0.set_length(total as u64);
    }

    /// Takes the bar away, so that the table stands alone.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
