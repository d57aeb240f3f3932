//! Scenarios whose subject is a whole process: its memory, its limits, its threads, its end.
//!
//! Each runs in a process of its own, started by `probe.rs`, because one scenario's blocks, tables, limits or signals
//! would be another's error. What is expected is arithmetic in these files; the probes only measure.

mod endings;
mod forks;
mod installed;
mod jemalloc_stays_jemalloc;
mod last_owners;
mod names;
mod probe;
mod refused;
mod signals;
mod space;
mod summaries;
mod threads;
