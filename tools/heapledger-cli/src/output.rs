//! Writing to stdout and stderr without ever panicking, as `println!` would on a closed pipe or a full disk; and how
//! wide and in which colours.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use textwrap::{Options, fill};

/// Exit codes of programs ended by a signal are this plus the signal's number, by the shells' convention.
pub const SIGNAL_EXIT_BASE: i32 = 128;

/// The width of text where nobody says otherwise.
const COLUMNS: usize = 80;

/// Longer lines are hard to read, however wide the terminal.
const MOST_COLUMNS: usize = 120;

/// Writes `text` to stdout and flushes it, so that a reader at the other end of a pipe sees each stage when it is done.
///
/// # Errors
/// What the system said: `BrokenPipe` when the reader left, `StorageFull` on a full disk.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes an error to stderr. Where that fails too, the exit code has to do.
pub fn complain(error: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "heapledger: {error}");
}

/// How text is to look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    /// Columns of a line.
    pub columns: usize,
    /// Whether there are colours.
    pub colours: bool,
}

/// 80 columns and no colour: for files and pipes.
pub const PLAIN: Look = Look { columns: COLUMNS, colours: false };

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// A title.
    Title,
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It asks for attention.
    Notable,
}

impl Look {
    /// That of stdout: on a terminal as wide as that is, and in colours unless NO_COLOR is set or the terminal has
    /// none.
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return PLAIN;
        }
        let columns = rustix::termios::tcgetwinsize(&stdout).map_or(COLUMNS, |size| usize::from(size.ws_col));
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let colours = !is_set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self { columns: columns.clamp(COLUMNS, MOST_COLUMNS), colours }
    }

    /// The text in the colour of its tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Title => Style::new().bold(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Notable => AnsiColor::Yellow.on_default(),
        };
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The words in lines of at most so many columns; the first begins with `first`, the others with `others`.
    pub fn wrap(self, words: &str, first: &str, others: &str) -> String {
        let options = Options::new(self.columns).initial_indent(first).subsequent_indent(others);
        format!("{}\n", fill(words, options))
    }

    /// As [`Look::wrap`], with a first word that has a tone and stands in a column of its own.
    pub fn entry(self, tone: Tone, word: &str, column: usize, words: &str) -> String {
        let hang = " ".repeat(column + 2);
        let text = self.wrap(words, &format!("  {word:column$}"), &hang);
        // Colours have no width, so they come when the lines are made.
        text.replacen(word, &self.paint(tone, word), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_80_columns_and_no_escapes() {
        let text = PLAIN.entry(Tone::Good, "ok", 8, &"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= 80));
        assert!(!text.contains('\u{1b}'));
        assert!(text.starts_with("  ok      word"));
    }

    #[test]
    fn colours_change_no_width() {
        let wide = Look { columns: 120, colours: true };
        let text = wide.entry(Tone::Bad, "FAILED", 8, &"word ".repeat(60));
        let plain = Look { columns: 120, colours: false }.entry(Tone::Bad, "FAILED", 8, &"word ".repeat(60));
        let bare: String =
            text.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
        assert!(text.contains("\u{1b}["));
        assert_eq!(bare.replace("  FAILED", ""), plain.replace("  FAILED", ""));
        assert!(plain.lines().any(|line| line.len() > 80));
    }
}
