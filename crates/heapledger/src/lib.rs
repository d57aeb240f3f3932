//! A global allocator that charges every block to a region, and a ledger that says where the memory of a process is.
//!
//! # A program adopts it in three lines
//!
//! ```
//! #[global_allocator]
//! static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
//! static WEIGHTS: heapledger::Region = heapledger::Region::new("weights");
//!
//! fn main() -> Result<(), heapledger::Error> {
//!     let weights = WEIGHTS.scope(|| vec![0_u8; 64 << 20]);           // charged to `weights`, wherever it is freed
//!     assert_eq!(heapledger::live().self_bytes("weights"), Some(64 << 20));
//!     drop(weights);
//!     println!("{}", heapledger::quick()?.with_stage("loaded"));
//!     Ok(())
//! }
//! ```
//!
//! [`Ledger`] is jemalloc with counters beside it: same size classes, same placement, same laziness. A block is charged
//! to the region in force on the thread that allocates it and credited to that same region when it is freed, from any
//! thread; a `realloc` keeps the region. What is allocated outside every region is charged to `~untagged`, so the
//! regions always sum up to all that the program holds.
//!
//! # A library adopts it with `heapledger-core` alone
//!
//! A library that wants its allocations told apart depends on `heapledger-core`, which has no C code and no
//! dependencies. Without a [`Ledger`] in the program its scopes do nothing and cost a few nanoseconds.
//!
//! ```
//! use heapledger_core::{OwnedRegion, Region};
//!
//! static INDEX: Region = Region::new("search/index");
//!
//! pub fn build(documents: &[&str]) -> Vec<String> {
//!     INDEX.scope(|| documents.iter().map(|document| document.to_lowercase()).collect())
//! }
//!
//! pub fn serve(tenant: u64) -> Vec<u8> {
//!     let region = OwnedRegion::new(format!("tenant/{tenant}"));      // retires when the last clone is dropped
//!     let _in = region.enter();                                        // until the guard is dropped
//!     vec![0; 4096]
//! }
//! # assert_eq!(build(&["A"]), ["a"]);
//! # assert_eq!(serve(7).len(), 4096);
//! ```
//!
//! # Three ways to enter a region
//!
//! ```
//! # #[global_allocator]
//! # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
//! use heapledger::{InRegionExt, Region};
//!
//! static PARSER: Region = Region::new("parser");
//!
//! let one = PARSER.scope(|| String::from("in a closure"));
//! let _in = PARSER.enter();
//! let two = String::from("until the guard is dropped");
//! let task = async { String::from("in every poll and in the drop of this future") }.in_region(&PARSER);
//! # drop((one, two, task));
//! ```
//!
//! A guard stays on its thread: it can be neither sent nor shared, so no region leaks into another task by an `await`.
//!
//! ```compile_fail,E0277
//! let guard = heapledger::Region::new("parser").enter();
//! std::thread::spawn(move || drop(guard));
//! ```
//!
//! ```compile_fail,E0277
//! let guard = heapledger::Region::new("parser").enter();
//! std::thread::scope(|scope| { scope.spawn(|| &guard); });
//! ```
//!
//! # What can be asked, and what it costs
//!
//! | call | reads | cost | says |
//! |---|---|---|---|
//! | [`live()`] | the ledger's counters | ≤ 40 µs at 32 threads × 64 regions | live requested bytes of each region |
//! | [`quick()`] | + kernel's status, jemalloc's statistics | 25 µs + 5-8 µs per arena + 0.1 µs per pair | a [`Summary`] |
//! | [`statement()`] | + every page | 0.5 ms + 1.6 to 8 ms per resident GiB | a [`Statement`], whose lines sum to RSS |
//! | [`mark()`] | a statement, and a map of its pages | a sixth more, or several times where regions mix | what changed, and where bytes went: [`Since`] |
//! | [`own_tables()`] | the kernel's page tables | µs per GiB of heap and per thread | what the ledger itself takes |
//!
//! In tests: [`assert_region_empty!`], [`assert_region_within!`] and [`assert_balanced!`].
//!
//! What can be done: [`purge()`] gives free pages back and says what it could not; [`configure()`] changes jemalloc's
//! settings and reads back what took effect.
//!
//! A pair is a thread and a region that it used. Most of a summary's cost is jemalloc's refresh of its own statistics.
//! The figures are of Linux 6.18 on two virtual CPUs; `examples/reading_cost.rs` measures them anywhere.
//!
//! Every figure is a [`Figure`]: exact, an interval that is true, or unknown with a reason and what to do. Zero is a
//! measurement; what could not be read is never zero. [`LineId`] names the lines, `docs/reading-the-statement.md`
//! explains each.
//!
//! # Regions
//!
//! A name is a path, `tenant/7/cache`. The same name is the same region, wherever it is declared. A region has bytes of
//! its own (`self_bytes`), which sum up over regions, and those of all below it (`subtree_bytes`), which overlap. Names
//! that begin with `~` are the ledger's: `~untagged`; `~other` for names that could not have an id and for blocks that
//! the ledger has no memory to track; `~ledger` for what this crate itself keeps on the heap, summaries included.
//!
//! New threads and tasks start in `~untagged`; carry a region over by entering it there. A guard that is leaked leaves
//! its thread in the region; pools can call [`reset_thread`] between jobs.
//!
//! # Limits
//!
//! * Only what goes through Rust's global allocator is counted. C code that calls `malloc`, memory maps, and stacks are
//!   not; they are in RSS all the same.
//! * Live bytes are requested bytes: a block that was never written is counted in full although it is not in memory. A
//!   [`Statement`] says what of it is resident.
//! * A [`Summary`] does not sum to RSS. It says what the kernel counts, what the program holds and what jemalloc keeps,
//!   with intervals where pages would have to be counted.
//! * While threads allocate, counters are read one after the other, microseconds apart; a summary says how much was
//!   allocated meanwhile. In a quiet process every figure is of one moment.
//! * 4,600 regions at most at a time; names beyond fall to their parent's path, then to `~other`, and the summary says
//!   so.
//! * Linux is the platform that is measured. Elsewhere the counters work, and what only Linux states is unknown.
//!
//! # Features
//!
//! `serde`: JSON of a summary or statement, `to_json`, and the types in `json` to read it back. Off by default.
//!
//! `sampler`: [`Sampler`](https://docs.rs/heapledger), a thread that takes summaries at an interval. Off by default.
//!
//! Unless asked, the library starts no thread, opens no socket and prints nothing. It warns through `log`, target
//! `heapledger`, once for each thing that keeps figures unknown.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod control;
mod error;
mod forecast;
mod live;
mod lock;
mod mapped;
mod mark;
mod own_tables;
#[cfg_attr(not(target_os = "linux"), path = "pages_elsewhere.rs")]
mod pages;
mod quick;
mod readings;
#[cfg(feature = "sampler")]
mod sampler;
mod settings;
mod stages;
mod statement;
#[doc(hidden)]
pub mod test_macros;
mod warnings;

pub use control::{Change, Configured, Left, Purge, configure, purge};
pub use error::Error;
pub use forecast::CheckForecast;
pub use heapledger_alloc::{IsolatingLedger, Ledger};
pub use heapledger_core::{
    Adopt, AdoptError, Adopted, Adopter, Guard, InRegion, InRegionExt, Isolation, NameError, OwnedRegion,
    ReassignError, Region, RegionId, current, is_installed, reset_thread,
};
#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
pub use heapledger_statement::json;
/// The table of lines: what a summary and a statement can say, and what may be summed.
pub use heapledger_statement::lines;
pub use heapledger_statement::{
    Check, CheckId, ClassFigure, Doubt, Figure, Flow, LineId, Part, RegionFigures, SettingId, SettingValue, StatedLine,
    Statement, Summary, UnattributedRange, Why,
};
// Findings, verdicts, fragmentation and forecasts.
pub use heapledger_statement::{
    ClassSlabs, Finding, FindingId, Forecast, ForecastCheck, ForecastPart, Fragmentation, Growth, Judged, Marked, Pin,
    Traffic, Verdict, Verdicts, When, findings, growth,
};
// Differences, page flow and stages.
pub use heapledger_statement::{
    Between, Diff, Expect, FlowCell, FlowRow, Held, Moment, PageFlow, Pattern, RegionChange, RegionName, Since, Stage,
    StageKind, Went,
};
pub use live::{Live, RegionLive, live};
pub use mark::{Mark, mark};
pub use own_tables::own_tables;
pub use quick::quick;
#[cfg(feature = "sampler")]
#[cfg_attr(docsrs, doc(cfg(feature = "sampler")))]
pub use sampler::{Sampler, SamplerOptions, SamplerReport};
pub use stages::{StageOptions, Stages};
pub use statement::statement;
