//! What the process tests of heapledger are made of.
//!
//! A *probe* is a small program that does one thing and prints one JSON object of what it measured (`probes/`). Three
//! binaries are built from that one source, with another global allocator each: `probe-ledger`, `probe-plain` (jemalloc
//! as it is) and `probe-system`. The tests in `tests/` start them, and compare what they print with arithmetic.
//!
//! `audit.rs` is the ledger with a list of every block beside it, the allocator of `probe-audit`. `os/` has the raw
//! calls, `blocks.rs` heap blocks by address, `books.rs` the ledger's figures of one region, `lanes.rs` keeps heavy
//! tests and timed ones apart; `outside/` sees a process as another one does; `measure.rs` has long measurements with a
//! record; `random.rs` the numbers that make a program's course the same in every run. Where the tests' other programs
//! are, says `README.md` beside this folder.

pub mod audit;
pub mod blocks;
pub mod books;
pub mod lanes;
pub mod measure;
pub mod os;
pub mod outside;
pub mod probes;
pub mod random;

/// The code blocks of README.md, compiled and run as a user would who copies them.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Those of the page for who comes from the seed's tracker.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-the-seed-tracker.md")]
pub struct FromTheSeedTracker;
