//! Giving all blocks of a region to another one, at once.

use core::fmt;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::ids;
use crate::names::{Name, RESERVED};
use crate::region::RegionId;

/// Why a region's blocks could not be given to another one; then nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReassignError {
    /// No ledger is installed, so nothing is charged to anybody.
    NotInstalled,
    /// The region has no id of its own: its name was not acceptable, or the table was full, and what it charges is
    /// shared with others.
    NotItsOwn,
    /// Source and target are the same region.
    Same,
    /// The target is a region that is gone: its id was kept beyond it, and is another region's now.
    Gone,
    /// There is no id left for what the name charges from now on.
    NoId,
}

impl fmt::Display for ReassignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReassignError::NotInstalled => {
                "no ledger is installed: declare `#[global_allocator] static LEDGER: heapledger::Ledger = ...`"
            }
            ReassignError::NotItsOwn => {
                "the region shares its blocks with others, because its name has no id of its own: use fewer regions, or an \
                 acceptable name"
            }
            ReassignError::Same => "a region cannot be given to itself: name another one",
            ReassignError::Gone => "the target is a region that is gone: name it again",
            ReassignError::NoId => "there is no id left for the region to go on with: drop regions, or use fewer",
        })
    }
}

impl std::error::Error for ReassignError {}

/// The process in which somebody reassigns, or 0. In a forked child another process's turn is over.
static TURN: AtomicU32 = AtomicU32::new(0);

/// Held while ids change hands, so that two reassignments that meet cannot make a circle.
pub(crate) struct Turn;

impl Turn {
    pub(crate) fn take() -> Turn {
        let me = std::process::id();
        loop {
            let holder = TURN.load(Relaxed);
            // Acquire pairs with the Release of `drop`: the aliases and ids of the turn before are seen.
            if holder != me && TURN.compare_exchange(holder, me, Acquire, Relaxed).is_ok() {
                return Turn;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURN.store(0, Release);
    }
}

/// Gives the blocks of `name` to the region `to`, and the name a new id.
pub(crate) fn reassign(name: &'static Name, to: RegionId) -> Result<(), ReassignError> {
    let turn = Turn::take();
    let from = name.id().filter(|id| id.index() >= RESERVED).ok_or(ReassignError::NotItsOwn)?;
    ids::tag_of(to.index() as u16, to.generation()).ok_or(ReassignError::Gone)?;
    let to = ids::region_root(to.index());
    if to == from.index() {
        return Err(ReassignError::Same);
    }
    let fresh = ids::take().ok_or(ReassignError::NoId)?;
    name.set_id(fresh);
    ids::alias(from.index(), to);
    drop(turn);
    Ok(())
}
