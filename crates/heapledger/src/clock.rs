//! When statements are taken, and what was free at the one before: what a forecast needs beside pages.

use std::sync::Mutex;
use std::time::Instant;

use heapledger_probe::control::{Refused, arena_decays};
use heapledger_statement::{
    ArenaDecayReading, ArenaFreeReading, ClockReading, EarlierReading, Reading, WalkReading, Why,
};

/// The last statement. It is written by who has the turn, so that the lock is never waited for; a forked child that
/// finds it held does without.
static LAST: Mutex<Option<Last>> = Mutex::new(None);

#[derive(Debug)]
struct Last {
    process: u32,
    /// Times are told from here on: the beginning of the first statement.
    zero: Instant,
    /// When the last one began to read.
    began: Instant,
    /// What was free then; `None` if the heap was not walked.
    arenas: Option<Vec<ArenaFreeReading>>,
    /// What jemalloc had given back until then, since the process started.
    gone_bytes: Option<u64>,
}

/// The decay times of all arenas. Allocates.
pub(crate) fn decays() -> Result<Vec<ArenaDecayReading>, Refused> {
    let mut decays = Vec::new();
    arena_decays(|arena| {
        decays.push(ArenaDecayReading {
            arena: arena.arena,
            dirty_decay_ms: arena.dirty_decay_ms,
            muzzy_decay_ms: arena.muzzy_decay_ms,
        });
    })?;
    Ok(decays)
}

/// The clock of a statement that was read between two moments; the next one will find it as the earlier one. `gone` is what
/// jemalloc had given back before the pages were read, and after.
pub(crate) fn reading(
    decays: Result<Vec<ArenaDecayReading>, Refused>,
    walk: &Reading<WalkReading>,
    (began, taken): (Instant, Instant),
    [gone_before, gone_after]: [Option<u64>; 2],
) -> ClockReading {
    let decays = decays.map_err(|refused| Why::new(refused.to_string(), refused.remedy()));
    let arenas = walk.as_ref().ok().and_then(|walk| walk.heap.as_ref().ok()).map(|heap| heap.arenas.clone());
    let process = std::process::id();
    let Ok(mut last) = LAST.try_lock() else {
        return ClockReading { taken_ns: None, decays, earlier: None, oversize_arena: None };
    };
    let before = last.take().filter(|last| last.process == process);
    let zero = before.as_ref().map_or(began, |last| last.zero);
    let earlier = before.and_then(|last| {
        let ago_ns = nanoseconds(last.began, taken);
        let gone_bytes = gone_after.zip(last.gone_bytes).and_then(|(now, then)| now.checked_sub(then));
        last.arenas.map(|arenas| EarlierReading { ago_ns, arenas, gone_bytes })
    });
    *last = Some(Last { process, zero, began, arenas, gone_bytes: gone_before });
    ClockReading { taken_ns: Some(nanoseconds(zero, taken)), decays, earlier, oversize_arena: None }
}

/// How long ago a statement of this process was taken; `None` if it is of another process, or none was taken.
pub(crate) fn since(taken_ns: u64) -> Option<std::time::Duration> {
    let last = LAST.try_lock().ok()?;
    let zero = last.as_ref().filter(|last| last.process == std::process::id())?.zero;
    let taken = zero.checked_add(std::time::Duration::from_nanos(taken_ns))?;
    Some(Instant::now().saturating_duration_since(taken))
}

/// A process does not run for five hundred years.
fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
