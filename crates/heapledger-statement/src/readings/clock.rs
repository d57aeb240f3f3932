//! What decides when free pages go back, beside the pages themselves.

use crate::{Reading, Why};

/// Decay times and the statement before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClockReading {
    /// When the readings were taken, in nanoseconds since some moment of the process that stays the same; `None` if
    /// nobody looked.
    pub taken_ns: Option<u64>,
    /// The decay times of each arena that exists, or why they are not known.
    pub decays: Reading<Vec<ArenaDecayReading>>,
    /// Free pages as the statement before this one found them, if there was one.
    pub earlier: Option<EarlierReading>,
    /// Index of jemalloc's arena for oversize blocks; `None` if it is not known, or there is none.
    pub oversize_arena: Option<u32>,
}

/// Decay times of one arena: -1 is never, 0 at once.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ArenaDecayReading {
    /// Index of the arena.
    pub arena: u32,
    /// Milliseconds for dirty pages.
    pub dirty_decay_ms: i64,
    /// Milliseconds for muzzy pages.
    pub muzzy_decay_ms: i64,
}

/// Dirty extents of more than 4 MiB each, of all arenas: address space.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct LargeExtentsReading {
    /// How many there are.
    pub extents: u64,
    /// What they sum to.
    pub bytes: u64,
    /// The smallest of them; 0 if there is none.
    pub smallest_bytes: u64,
}

/// Free pages of one arena: address space, resident or not.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ArenaFreeReading {
    /// Index of the arena.
    pub arena: u32,
    /// Bytes of dirty extents.
    pub dirty_bytes: u64,
    /// Bytes of muzzy extents.
    pub muzzy_bytes: u64,
}

/// What was free some time ago: what is free beyond that was freed since.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EarlierReading {
    /// How long ago, at most.
    pub ago_ns: u64,
    /// Arenas with free pages then; the others had none.
    pub arenas: Vec<ArenaFreeReading>,
    /// Bytes of address space that jemalloc gave back since, of dirty and of muzzy pages; `None` if it does not tell.
    pub gone_bytes: Option<u64>,
}

impl ClockReading {
    /// Nothing was read, for one reason.
    pub fn unread(why: &Why) -> Self {
        Self { taken_ns: None, decays: Err(why.clone()), earlier: None, oversize_arena: None }
    }
}
