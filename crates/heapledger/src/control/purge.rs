//! Giving free pages back to the kernel, now.

use heapledger_core::{RegionId, is_installed};
use heapledger_probe::control;
use heapledger_probe::control::Refusal;
use heapledger_statement::{Figure, LineId, Statement};

use crate::{Error, statement};

/// What a purge did: a statement from before and one from after, and what it could not return.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Purge {
    /// Before anything was done.
    pub before: Statement,
    /// Afterwards.
    pub after: Statement,
    /// Whether the calling thread's cache of freed blocks was flushed; it has none if jemalloc runs without.
    pub cache_flushed: bool,
}

/// Freed memory that a purge could not return.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Left {
    /// The line on which it stands.
    pub line: LineId,
    /// Resident bytes.
    pub bytes: Figure,
    /// What keeps it.
    pub why: &'static str,
}

/// Freed memory, by what keeps it when a purge is over.
const KEPT: [(LineId, &str); 5] = [
    (LineId::FreeSlots, "blocks in the same slabs live: the line's parts say whose"),
    (LineId::ThreadCaches, "other threads cache blocks, which only they can flush, and jemalloc has some of its own"),
    (LineId::Dirty, "other threads freed it while the purge went on"),
    (LineId::Muzzy, "other threads freed it while the purge went on"),
    (LineId::RetainedResident, "huge pages reach over the ends of what was returned"),
];

impl Purge {
    /// By how much RSS fell: the kernel's count before less that after. Negative if other threads touched more
    /// meanwhile.
    pub fn returned_bytes(&self) -> Figure {
        self.before.figure(LineId::Rss) - self.after.figure(LineId::Rss)
    }

    /// Freed memory that is still resident, by line, with what keeps it; lines without any are left out. What lives,
    /// and what is not jemalloc's, no purge concerns.
    pub fn left(&self) -> Vec<Left> {
        let left = KEPT.iter().map(|(line, why)| Left { line: *line, bytes: self.after.figure(*line), why });
        left.filter(|left| left.bytes != Figure::Exact(0)).collect()
    }
}

/// One line: what went and what stayed.
impl std::fmt::Display for Purge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "purge: RSS {} MiB less", self.returned_bytes().mib())?;
        for (place, left) in self.left().iter().enumerate() {
            let before = if place == 0 { "; left: " } else { ", " };
            write!(out, "{before}{} {}", left.line.line().label, left.bytes.mib())?;
        }
        Ok(())
    }
}

/// Flushes the calling thread's cache and gives every dirty and muzzy page of every arena back to the kernel.
///
/// It cannot return free slots of slabs in which blocks live, nor blocks that other threads cache: [`Purge::left`] says
/// how much of each stays, and the parts of [`LineId::FreeSlots`] whose blocks pin it. What it returns must be faulted
/// in again when it is needed: about 0.1 µs per KiB.
///
/// Costs two [`statement`]s and a call of the kernel for each free extent; threads that allocate from an arena wait
/// while it is purged. It may not be called from a signal handler.
///
/// # Errors
///
/// Those of [`statement`]; [`Error::Refused`] if jemalloc does not purge.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// drop(vec![1_u8; 6 << 20]);
/// let purge = heapledger::purge()?;
/// println!("{purge}");
/// # Ok::<(), heapledger::Error>(())
/// ```
pub fn purge() -> Result<Purge, Error> {
    if !is_installed() {
        return Err(Error::NotInstalled);
    }
    // The first one readies the buffers of both.
    let before = statement()?;
    let cache_flushed = purge_now()?;
    let after = statement()?;
    Ok(Purge { before, after, cache_flushed })
}

/// The purge alone, without statements; says whether this thread's cache was flushed.
pub(crate) fn purge_now() -> Result<bool, Error> {
    let _ours = RegionId::LEDGER.enter();
    let cache_flushed = match control::flush_thread_cache() {
        Ok(()) => true,
        Err(refused) if refused.why == Refusal::CannotNow => false,
        Err(refused) => return Err(refused.into()),
    };
    control::purge()?;
    Ok(cache_flushed)
}
