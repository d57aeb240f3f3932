//! Statements of processes whose memory is known, compared with what another process sees at the same moment.
//!
//! A process for each state, because its first statement is a subject too. The probes are `src/probes/states`, how they
//! are looked at is in `src/outside`; what is compared is in `judge.rs`, and what is expected of each state is
//! arithmetic in the other files.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod audited;
mod heap;
mod judge;
mod load;
mod outside;
mod settings;
mod start;
mod threads;
