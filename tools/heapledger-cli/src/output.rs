//! Writing to stdout and stderr without ever panicking, as `println!` would on a closed pipe or a full disk.

use std::fmt::Display;
use std::io::Write;

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
