//! The end of a run that found something.

use std::fmt;
use std::sync::OnceLock;

/// How to repeat the run; printed at its start, and again when it fails.
static REPEAT: OnceLock<String> = OnceLock::new();

/// Sets what [`fail`] prints.
pub fn set_repeat(command: String) {
    println!("repeat with: {command}");
    // A second call would be a second run in one process, which there is not.
    let _ = REPEAT.set(command);
}

/// Prints what was found and how to repeat it, and ends the process. Every thread may call it, in any state.
#[cold]
pub fn fail(what: fmt::Arguments<'_>) -> ! {
    // Scopes of the failing thread do not matter any more, but a formatted message may allocate.
    heapledger_core::reset_thread();
    eprintln!("FAILED: {what}\nrepeat with: {}", REPEAT.get().map_or("(not set)", String::as_str));
    std::process::exit(1)
}
