//! What a statement keeps for its forecast.

use crate::{ArenaDecayReading, ClockReading, LargeExtentsReading, Reading, WalkReading, Why};

/// When it was taken, and the free pages of each arena with what decides when they go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Clock {
    pub taken_ns: Option<u64>,
    pub arenas: Reading<Vec<ArenaFree>>,
    /// How long ago the statement before was taken.
    pub earlier_ago_ns: Option<u64>,
    /// What jemalloc gave back since then, if that is known.
    pub gone_bytes: Option<u64>,
    pub largest_dirty_bytes: u64,
    /// Extents of more than 4 MiB.
    pub large_dirty: LargeExtentsReading,
}

/// Free pages of one arena: address space.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ArenaFree {
    pub dirty_decay_ms: i64,
    pub muzzy_decay_ms: i64,
    pub dirty_bytes: u64,
    pub muzzy_bytes: u64,
    /// Dirty when the statement before was taken; `None` if there was none.
    pub earlier_dirty_bytes: Option<u64>,
    /// Whether it is jemalloc's arena for oversize blocks.
    pub oversize: bool,
}

impl Default for Clock {
    /// Of a statement that was not taken here.
    fn default() -> Self {
        let why = Why::new("the statement was read back", "forecast in the process that takes it");
        let large_dirty = LargeExtentsReading::default();
        let (taken_ns, earlier_ago_ns, gone_bytes) = (None, None, None);
        Self { taken_ns, arenas: Err(why), earlier_ago_ns, gone_bytes, largest_dirty_bytes: 0, large_dirty }
    }
}

impl Clock {
    pub fn of(clock: ClockReading, walk: &Reading<WalkReading>) -> Self {
        let heap = walk.as_ref().and_then(|walk| walk.heap.as_ref());
        let arenas = match (clock.decays.as_ref(), heap) {
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            (Ok(decays), Ok(heap)) => {
                let decay = |arena| decays.iter().find(|decay: &&ArenaDecayReading| decay.arena == arena);
                let earlier = |arena| {
                    let earlier = clock.earlier.as_ref()?;
                    let found = earlier.arenas.iter().find(|free| free.arena == arena);
                    Some(found.map_or(0, |free| free.dirty_bytes))
                };
                let of = |free: &crate::ArenaFreeReading| {
                    let decay = decay(free.arena).ok_or_else(|| {
                        Why::new(format!("arena {} came while pages were read", free.arena), "read again")
                    })?;
                    Ok(ArenaFree {
                        dirty_decay_ms: decay.dirty_decay_ms,
                        muzzy_decay_ms: decay.muzzy_decay_ms,
                        dirty_bytes: free.dirty_bytes,
                        muzzy_bytes: free.muzzy_bytes,
                        earlier_dirty_bytes: earlier(free.arena),
                        oversize: clock.oversize_arena == Some(free.arena),
                    })
                };
                heap.arenas.iter().map(of).collect()
            }
        };
        Self {
            taken_ns: clock.taken_ns,
            arenas,
            earlier_ago_ns: clock.earlier.as_ref().map(|earlier| earlier.ago_ns),
            gone_bytes: clock.earlier.as_ref().and_then(|earlier| earlier.gone_bytes),
            largest_dirty_bytes: heap.map_or(0, |heap| heap.largest_dirty_bytes),
            large_dirty: heap.map_or_else(|_| LargeExtentsReading::default(), |heap| heap.large_dirty),
        }
    }
}
