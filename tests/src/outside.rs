//! A process as another one sees it: where its pages are by `/proc/PID`, at the very moment that its statement is of.
//!
//! The subject is a probe of `probes/states.rs`, which takes statements when it is told to. It runs under ptrace while
//! it does: whenever it has read its own status it is stopped, and what the kernel says of it is written down. The last
//! such reading is the statement's, so both are of one moment, the first statement too, and nothing is approximate.

pub mod elf;
pub mod load;
pub mod sight;
pub mod subject;
mod watch;
