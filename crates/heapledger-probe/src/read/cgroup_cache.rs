//! Which group the process was last seen in, for a second: without a lock, a file kept open, or memory that is leaked.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, fence};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::linux::Group;
use crate::read::file::StackPath;

/// How long a group is believed.
const FRESH: Duration = Duration::from_secs(1);

/// Longer paths are looked up each time.
const PATH_BYTES: usize = 512;

/// Stands for "no limit"; no group can be charged as much.
const NO_LIMIT: u64 = u64::MAX;

/// Written by whoever makes `turn` odd; everybody else then goes without. A reader believes what it copied if `turn`
/// was the same even number before and after. A child that was forked while a thread of its parent was writing finds
/// `turn` odd for ever, and looks its group up each time.
struct Cache {
    turn: AtomicUsize,
    pid: AtomicU64,
    seen_ns: AtomicU64,
    limit_bytes: AtomicU64,
    version_1: AtomicUsize,
    len: AtomicUsize,
    path: [AtomicU8; PATH_BYTES],
}

static CACHE: Cache = Cache {
    turn: AtomicUsize::new(0),
    pid: AtomicU64::new(0),
    seen_ns: AtomicU64::new(0),
    limit_bytes: AtomicU64::new(0),
    version_1: AtomicUsize::new(0),
    len: AtomicUsize::new(0),
    path: [const { AtomicU8::new(0) }; PATH_BYTES],
};

/// Nanoseconds of the system's clock, which may be set: then a group is looked up once too often, or is believed for as
/// long as the clock was put back, at most until it is put right.
fn now_ns() -> Option<u64> {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

fn is_odd(turn: usize) -> bool {
    turn & 1 == 1
}

/// The group of this process and its limit, if they were looked up within the last second.
pub(super) fn load() -> Option<(Group, Option<u64>)> {
    // Acquire: what is copied is at least as new as the turn.
    let turn = CACHE.turn.load(Acquire);
    if is_odd(turn) || CACHE.pid.load(Relaxed) != u64::from(std::process::id()) {
        return None;
    }
    let age_ns = now_ns()?.checked_sub(CACHE.seen_ns.load(Relaxed))?;
    if Duration::from_nanos(age_ns) >= FRESH {
        return None;
    }
    let mut path = [0; PATH_BYTES];
    let len = CACHE.len.load(Relaxed);
    for (byte, known) in path.iter_mut().zip(&CACHE.path).take(len) {
        *byte = known.load(Relaxed);
    }
    let limit_bytes = CACHE.limit_bytes.load(Relaxed);
    let version_1 = CACHE.version_1.load(Relaxed) != 0;
    // The copies are made before the turn is looked at again.
    fence(Acquire);
    if CACHE.turn.load(Relaxed) != turn {
        return None;
    }
    let folder = StackPath::of(&[path.get(..len)?])?;
    Some((Group { version_1, folder }, (limit_bytes != NO_LIMIT).then_some(limit_bytes)))
}

/// Keeps the group and its limit, unless another thread is doing so.
pub(super) fn store(group: &Group, limit_bytes: Option<u64>) {
    let path = group.folder.bytes();
    let (Some(seen_ns), true) = (now_ns(), path.len() <= PATH_BYTES) else { return };
    let turn = CACHE.turn.load(Relaxed);
    if is_odd(turn) || CACHE.turn.compare_exchange(turn, turn + 1, Acquire, Relaxed).is_err() {
        return;
    }
    // Who sees one of the stores below sees the odd turn too.
    fence(Release);
    CACHE.pid.store(u64::from(std::process::id()), Relaxed);
    CACHE.seen_ns.store(seen_ns, Relaxed);
    CACHE.limit_bytes.store(limit_bytes.unwrap_or(NO_LIMIT), Relaxed);
    CACHE.version_1.store(usize::from(group.version_1), Relaxed);
    CACHE.len.store(path.len(), Relaxed);
    for (known, byte) in CACHE.path.iter().zip(path) {
        known.store(*byte, Relaxed);
    }
    // Release: who sees the new turn sees all of the above.
    CACHE.turn.store(turn + 2, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_whole_by_many_threads() {
        let groups: Vec<Group> = ["/a", "/a/much/longer/path/than/the/other"]
            .iter()
            .map(|path| Group { version_1: path.len() > 2, folder: StackPath::of(&[path.as_bytes()]).expect("short") })
            .collect();
        std::thread::scope(|scope| {
            for group in &groups {
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        store(group, group.version_1.then_some(7));
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if let Some((found, limit_bytes)) = load() {
                        assert_eq!(found.version_1, limit_bytes == Some(7));
                        assert_eq!(found.folder.bytes(), groups[usize::from(found.version_1)].folder.bytes());
                    }
                }
            });
        });
        let long = "x".repeat(PATH_BYTES + 1);
        let before = load().is_some();
        store(&Group { version_1: false, folder: StackPath::of(&[long.as_bytes()]).expect("fits a path") }, None);
        assert!(load().is_none_or(|(found, _)| before && found.folder.bytes().len() < PATH_BYTES));
    }
}
