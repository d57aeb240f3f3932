//! Which index belongs to which name, since when, and which indices stand for others.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize};

use crate::names::{Name, RESERVED, ours};
use crate::once::OnceRef;
use crate::region::RegionId;
use crate::thread::MAX_REGIONS;

static NAMES: [OnceRef<Name>; MAX_REGIONS] = [const { OnceRef::new() }; MAX_REGIONS];
static GENERATIONS: [AtomicU32; MAX_REGIONS] = [const { AtomicU32::new(0) }; MAX_REGIONS];
/// Index of the region that an index stands for, plus one; 0 for itself.
static ALIASES: [AtomicU16; MAX_REGIONS] = [const { AtomicU16::new(0) }; MAX_REGIONS];
/// Whether there is any alias.
static ALIASED: AtomicBool = AtomicBool::new(false);
/// Indices that were taken and given back before anybody could use them.
static SPARE: [AtomicBool; MAX_REGIONS] = [const { AtomicBool::new(false) }; MAX_REGIONS];
static SPARES: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(RESERVED);

/// One more than the highest region index that has been in use. Not every index below it is a region's:
/// [`region_info`] tells.
pub fn region_count() -> usize {
    COUNT.load(Acquire)
}

fn name(index: usize) -> Option<&'static Name> {
    ours(index).or_else(|| NAMES.get(index)?.get())
}

/// The name of the region with this index.
pub fn region_name(index: usize) -> Option<&'static str> {
    Some(name(index)?.text)
}

/// A region as the table knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RegionInfo {
    /// Its id.
    pub id: RegionId,
    /// Its name, a path with `/`.
    pub name: &'static str,
    /// Whether nothing names it any more. Its blocks stay charged to it.
    pub retired: bool,
}

/// What the table knows of the region with this index; `None` for an index that no region has, or that stands for
/// another region (see [`region_root`]).
pub fn region_info(index: usize) -> Option<RegionInfo> {
    if region_root(index) != index {
        return None;
    }
    let name = name(index)?;
    let id = with_generation(index as u16);
    Some(RegionInfo { id, name: name.text, retired: name.id() != Some(id) || name.retired() })
}

/// The index of the region that blocks charged to `index` belong to: itself, unless
/// [`reassign_to`](crate::Region::reassign_to) gave all of them away. One load while nothing was ever reassigned.
#[inline(always)]
pub fn region_root(index: usize) -> usize {
    // Acquire: who sees that there are aliases sees those of before.
    if ALIASED.load(Acquire) { root(index) } else { index }
}

#[inline(never)]
fn root(mut index: usize) -> usize {
    // An alias is of an index that had none then, and all are made in turn: so there is no circle.
    while let Some(to) = ALIASES.get(index).and_then(|alias| alias.load(Relaxed).checked_sub(1)) {
        index = usize::from(to);
    }
    index
}

/// The id that an index has now.
pub(crate) fn with_generation(index: u16) -> RegionId {
    RegionId::new(index, GENERATIONS.get(usize::from(index)).map_or(0, |generation| generation.load(Relaxed)))
}

/// Whether `take` has a chance.
pub(crate) fn may_take() -> bool {
    COUNT.load(Relaxed) < MAX_REGIONS || SPARES.load(Relaxed) > 0
}

/// An index that no region has, for the caller alone.
pub(crate) fn take() -> Option<RegionId> {
    if SPARES.load(Relaxed) > 0
        && let Some(index) = SPARE.iter().position(|spare| spare.load(Relaxed) && spare.swap(false, Acquire))
    {
        SPARES.fetch_sub(1, Relaxed);
        return Some(with_generation(index as u16));
    }
    // Release: who reads the count sees what was there before; the name comes with `publish`.
    let index = COUNT.fetch_update(Release, Relaxed, |count| (count < MAX_REGIONS).then_some(count + 1)).ok()?;
    Some(with_generation(index as u16))
}

/// Gives an index back that was taken and not used.
pub(crate) fn give(id: RegionId) {
    SPARES.fetch_add(1, Relaxed);
    SPARE[id.index()].store(true, Release);
}

/// Says whose an index is.
pub(crate) fn publish(id: RegionId, name: &'static Name) {
    if let Some(cell) = NAMES.get(id.index()).filter(|_| id.index() >= RESERVED)
        && cell.get().is_none()
    {
        cell.set(name);
    }
}

/// Makes one index stand for another. Only under the turn of `reassign.rs`; `to` is no alias.
pub(crate) fn alias(from: usize, to: usize) {
    // Release: the old name's new id was published before, so that who finds the alias finds that id.
    ALIASES[from].store(to as u16 + 1, Release);
    ALIASED.store(true, SeqCst);
}
