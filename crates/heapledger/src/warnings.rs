//! Warnings that are due once per process, through `log`.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use heapledger_core::RegionId;
use heapledger_statement::doubts::KINDS;
use heapledger_statement::{Doubt, Figure, LineId};

/// One flag for each kind of doubt: whether it was told. Nothing hangs on the order, so Relaxed suffices.
static DOUBTS_TOLD: [AtomicBool; KINDS.len()] = [const { AtomicBool::new(false) }; KINDS.len()];

/// Lines whose absence takes most of a summary with it: the kernel's figures and jemalloc's.
const SOURCES: [LineId; 2] = [LineId::Rss, LineId::Allocated];
static SOURCES_TOLD: [AtomicBool; SOURCES.len()] = [const { AtomicBool::new(false) }; SOURCES.len()];

/// Doubts that come and go with what other threads do: a note in the report, and no warning.
const PASSING: [&str; 6] =
    ["traffic", "statistics_torn", "metadata_unverified", "ranges_unlisted", "pages_moved", "check_failed"];

/// Warns of what makes figures of this process unknown or doubtful, each thing once.
///
/// The flag is set before the logger is called, so a logger that takes summaries or statements does not come here
/// again. What the logger allocates is charged to the caller's region, as if the caller had logged.
pub(crate) fn warn_once(doubts: &[Doubt], figure: impl Fn(LineId) -> Figure, caller: RegionId) {
    for doubt in doubts.iter().filter(|doubt| !PASSING.contains(&&*doubt.key)) {
        let told = KINDS.iter().zip(&DOUBTS_TOLD).find(|((key, _), _)| *key == doubt.key).map(|(_, told)| told);
        if told.is_some_and(|told| !told.swap(true, Relaxed)) {
            caller.scope(|| log::warn!(target: "heapledger", "{}; {}", doubt.says, doubt.remedy));
        }
    }
    for (line, told) in SOURCES.iter().zip(&SOURCES_TOLD) {
        if let Some(why) = figure(*line).why()
            && !told.swap(true, Relaxed)
        {
            let label = line.line().label;
            caller.scope(|| log::warn!(target: "heapledger", "{label} and figures with it are unknown: {why}"));
        }
    }
}
