//! One row of the table, and text wrapped to its width.

use std::fmt;

use super::words::columns;
use crate::Figure;

/// The width of the text.
pub(super) const COLUMNS: usize = 80;

/// Where the column of MiB ends, counted from the left.
const MIB_END: usize = 45;

/// Where the column of bytes ends.
const BYTES_END: usize = 61;

/// What is left for a note, after two spaces.
pub(super) const NOTE_COLUMNS: usize = COLUMNS - BYTES_END - 2;

pub(super) struct Row<'a> {
    /// Columns before the label.
    pub indent: usize,
    /// Must leave room for the MiB: at most 30 columns less the indent.
    pub label: &'a str,
    pub figure: &'a Figure,
    /// Whether to print the unit beside the MiB, as the first row of the table does.
    pub unit: bool,
    pub note: &'a str,
}

impl Row<'_> {
    pub fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cells(out, &self.figure.mib(), self.figure.as_exact().map(|bytes| bytes.to_string()))
    }

    /// The figure is a change: it prints its sign.
    pub fn write_signed(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.figure.as_exact().map(|bytes| if bytes > 0 { format!("+{bytes}") } else { bytes.to_string() });
        self.cells(out, &self.figure.signed_mib(), bytes)
    }

    fn cells(&self, out: &mut fmt::Formatter<'_>, mib: &str, bytes: Option<String>) -> fmt::Result {
        let mut text = format!("{}{}", " ".repeat(self.indent), self.label);
        let unit = if self.unit && !self.figure.is_unknown() { " MiB" } else { "" };
        // The unit hangs to the right of the column, so that the decimal points stand below each other.
        flush_right(&mut text, mib, MIB_END);
        text.push_str(unit);
        if let Some(bytes) = bytes {
            flush_right(&mut text, &bytes, BYTES_END);
        }
        if !self.note.is_empty() {
            let width = columns(&text);
            // A figure that overflowed its column pushes the note; if that is too far, the note gets a line of its own.
            if width.max(BYTES_END) + 2 + columns(self.note) > COLUMNS {
                writeln!(out, "{text}")?;
                text.clear();
            }
            // Notes start below each other, unless one is so long that it must start earlier.
            let start = BYTES_END.max(columns(&text)) + 2;
            let end = start + columns(self.note);
            flush_right(&mut text, self.note, end.min(COLUMNS));
        }
        writeln!(out, "{text}")
    }
}

/// The line under a column of figures.
pub(super) fn rule() -> String {
    const UNDER_MIB: usize = 11;
    const UNDER_BYTES: usize = 12;
    let mut text = String::new();
    flush_right(&mut text, &"-".repeat(UNDER_MIB), MIB_END);
    flush_right(&mut text, &"-".repeat(UNDER_BYTES), BYTES_END);
    text
}

/// Appends `word` so that it ends at column `end`, or after one space if there is no room for that.
fn flush_right(text: &mut String, word: &str, end: usize) {
    let gap = end.checked_sub(columns(text) + columns(word)).filter(|gap| *gap > 0).unwrap_or(1);
    text.push_str(&" ".repeat(gap));
    text.push_str(word);
}

/// Writes `text` in lines of at most [`COLUMNS`], breaking at single spaces; lines after the first begin with `hang`.
pub(super) fn wrapped(out: &mut fmt::Formatter<'_>, text: &str, hang: &str) -> fmt::Result {
    let mut line = String::new();
    // Spaces at the start and runs of spaces are kept: they are layout.
    for word in text.split_inclusive(' ') {
        if columns(&line) + columns(word.trim_end()) > COLUMNS && !line.trim().is_empty() {
            writeln!(out, "{}", line.trim_end())?;
            line = hang.to_owned();
        }
        line.push_str(word);
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Show<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(F);

    impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Show<F> {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.0)(out)
        }
    }

    #[test]
    fn the_largest_figures_still_fit_the_width() {
        for figure in [Figure::Exact(i64::MIN), Figure::within(i64::MIN, i64::MAX), Figure::unknown("x", "y")] {
            let label = "a".repeat(28);
            let row = Row { indent: 4, label: &label, figure: &figure, unit: true, note: "9223372036854775807 blocks" };
            let text = Show(|out| row.write(out)).to_string();
            assert!(text.lines().all(|line| columns(line) <= COLUMNS), "{text}");
        }
    }

    #[test]
    fn long_text_breaks_at_spaces_and_hangs() {
        let text = Show(|out| wrapped(out, &format!("  list: {}", "word; ".repeat(30)), "    ")).to_string();
        assert!(text.lines().all(|line| columns(line) <= COLUMNS));
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")));
        assert_eq!(text.matches("word").count(), 30);
    }
}
