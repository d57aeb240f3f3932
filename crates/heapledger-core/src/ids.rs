//! Which index belongs to which name, since when, and which indices stand for others.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicUsize};

use crate::hooks::hooks;
use crate::names::{Name, RESERVED, ours};
use crate::once::OnceRef;
use crate::region::RegionId;
use crate::thread::{ISOLATED_BIT, MAX_REGIONS};

static NAMES: [OnceRef<Name>; MAX_REGIONS] = [const { OnceRef::new() }; MAX_REGIONS];
/// The generation of each index, with `SPECIAL` if entering it takes more than that. An entry for each value that an
/// index can have, so that none needs a comparison; only those of regions are ever touched.
static ENTRIES: [AtomicU32; ENTRY_COUNT] = [const { AtomicU32::new(0) }; ENTRY_COUNT];
const ENTRY_COUNT: usize = 1 << u16::BITS;
/// Whether any of `ENTRIES` has been other than 0, or any name has been given another id: until then an id and its tag
/// are all that entering takes.
static CHANGED: AtomicBool = AtomicBool::new(false);
/// The region is isolated.
const SPECIAL: u32 = 1 << 31;
/// By index: 0 or the number of a variant of `Isolation`.
static ISOLATION: [AtomicU8; MAX_REGIONS] = [const { AtomicU8::new(0) }; MAX_REGIONS];
/// Index of the region that an index stands for, plus one; 0 for itself.
static ALIASES: [AtomicU16; MAX_REGIONS] = [const { AtomicU16::new(0) }; MAX_REGIONS];
/// Whether there is any alias.
static ALIASED: AtomicBool = AtomicBool::new(false);
/// Indices that were taken and given back before anybody could use them.
static SPARE: [AtomicBool; MAX_REGIONS] = [const { AtomicBool::new(false) }; MAX_REGIONS];
static SPARES: AtomicUsize = AtomicUsize::new(0);
/// Where to look for the next one first: nearly always none is above. They come by the thousand, from the lowest on,
/// and go one by one from the highest, whose counters were read last and are still in the processor's caches.
static SPARE_FROM: AtomicUsize = AtomicUsize::new(MAX_REGIONS - 1);
static COUNT: AtomicUsize = AtomicUsize::new(RESERVED);
/// Indices that are never given to another name: they stand for another region or are stood for, or a thread that the
/// allocator does not know has been in them.
static KEPT: [AtomicBool; MAX_REGIONS] = [const { AtomicBool::new(false) }; MAX_REGIONS];
/// Indices that have lost their name and cannot be entered any more, and may still have blocks.
static LEAVING: [AtomicBool; MAX_REGIONS] = [const { AtomicBool::new(false) }; MAX_REGIONS];

/// One more than the highest region index that has been in use. Not every index below it is a region's:
/// [`region_info`] tells.
pub fn region_count() -> usize {
    COUNT.load(Acquire)
}

pub(crate) fn name(index: usize) -> Option<&'static Name> {
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
    /// Whether it has an arena of its own.
    pub isolation: Isolation,
}

/// What the table knows of the region with this index; `None` for an index that no region has, or that stands for
/// another region (see [`region_root`]).
pub fn region_info(index: usize) -> Option<RegionInfo> {
    if region_root(index) != index {
        return None;
    }
    let name = name(index)?;
    let now = with_generation(index as u16);
    // A leaving index has the next generation already, so that nobody enters it; its blocks are of the one before.
    let leaving = LEAVING[index].load(Acquire);
    let id = if leaving { RegionId::new(index as u16, now.generation().wrapping_sub(1)) } else { now };
    Some(RegionInfo {
        id,
        name: name.text,
        retired: name.id() != Some(id) || name.retired(),
        isolation: isolation(index),
    })
}

/// The index of the region that blocks charged to `index` belong to: itself, unless
/// [`reassign_to`](crate::Region::reassign_to) gave all of them away. One load while nothing was ever reassigned.
#[inline(always)]
pub fn region_root(index: usize) -> usize {
    // Acquire: who sees that there are aliases sees those of before.
    if ALIASED.load(Acquire) { root(index) } else { index }
}

/// Whether [`region_root`] is anything but its argument for any index.
#[inline]
pub fn any_region_was_reassigned() -> bool {
    ALIASED.load(Acquire)
}

#[inline(never)]
fn root(mut index: usize) -> usize {
    // An alias is of an index that had none then, and all are made in turn: so there is no circle.
    while let Some(to) = ALIASES.get(index).and_then(|alias| alias.load(Relaxed).checked_sub(1)) {
        index = usize::from(to);
    }
    index
}

#[inline(always)]
fn entry(index: u16) -> &'static AtomicU32 {
    &ENTRIES[usize::from(index)]
}

/// The entry of an index, for a change.
fn entry_to_change(index: u16) -> &'static AtomicU32 {
    will_change();
    entry(index)
}

/// To be called before anything is changed that entering a region depends on.
pub(crate) fn will_change() {
    // SeqCst, before the change and the barrier that follows it: who does not see this does not see the change either,
    // and is found by the barrier as if it had looked at the entry (see `reuse.rs`).
    // Who finds it stored already passes that on with its barrier as if it had stored it.
    if all_plain() {
        CHANGED.store(true, SeqCst);
    }
}

/// Whether each region has the id that it had first, in its first generation, and none is isolated.
#[inline(always)]
pub(crate) fn all_plain() -> bool {
    // Relaxed: the word says all there is to know.
    !CHANGED.load(Relaxed)
}

/// The id that an index has now.
pub(crate) fn with_generation(index: u16) -> RegionId {
    RegionId::new(index, entry(index).load(Relaxed) & !SPECIAL)
}

/// Whether the id is of the index's present generation, and its tag is all that entering it takes.
#[inline(always)]
pub(crate) fn is_plain(index: u16, generation: u32) -> bool {
    // Relaxed: as in `all_plain`. While nothing changed, every entry and every generation is 0.
    all_plain() || entry(index).load(Relaxed) == generation
}

/// What the guard stack holds while the region is in force; `None` if the index has been given to another name.
pub(crate) fn tag_of(index: u16, generation: u32) -> Option<u16> {
    match entry(index).load(Relaxed) ^ generation {
        0 => Some(index + 1),
        SPECIAL => Some((index + 1) | ISOLATED_BIT),
        _ => None,
    }
}

/// Whether a region has an arena of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Isolation {
    /// It was not asked for: blocks lie beside those of other regions.
    Shared,
    /// Blocks that are allocated in the region lie in an arena of its own.
    Isolated,
    /// It was asked for, and there are as many isolated regions as there may be; blocks lie beside others.
    TooMany,
    /// It was asked for, and jemalloc made no arena, or does not keep what it maps (`retain:false`); blocks lie beside
    /// others.
    NoArena,
    /// It was asked for, and no ledger is installed.
    NotInstalled,
    /// It was asked for, and the program's allocator is `Ledger`, which isolates nothing: declare `IsolatingLedger`.
    PlainLedger,
}

impl Isolation {
    const ALL: [Isolation; 6] = [
        Isolation::Shared,
        Isolation::Isolated,
        Isolation::TooMany,
        Isolation::NoArena,
        Isolation::NotInstalled,
        Isolation::PlainLedger,
    ];
}

/// Whether the region of an index has an arena of its own.
pub(crate) fn isolation(index: usize) -> Isolation {
    let number = ISOLATION.get(index).map_or(0, |number| number.load(Relaxed));
    Isolation::ALL[usize::from(number) % Isolation::ALL.len()]
}

/// Asks the allocator for an arena of its own. What the region has already stays where it is, and threads that are in
/// it go on as before until they next enter it.
#[inline(never)]
pub(crate) fn isolate(id: RegionId) {
    if isolation(id.index()) == Isolation::Isolated || id.index() < RESERVED {
        return;
    }
    let answer = hooks().map_or(Isolation::NotInstalled, |hooks| (hooks.isolate)(id.index()));
    if answer == Isolation::Isolated {
        entry_to_change(id.index() as u16).fetch_or(SPECIAL, Release);
    }
    let number = Isolation::ALL.iter().position(|known| *known == answer).unwrap_or_default();
    ISOLATION[id.index()].store(number as u8, Relaxed);
}

/// Whether `take` has a chance.
pub(crate) fn may_take() -> bool {
    COUNT.load(Relaxed) < MAX_REGIONS || SPARES.load(Relaxed) > 0
}

/// An index that no region has, for the caller alone.
#[inline(never)]
pub(crate) fn take() -> Option<RegionId> {
    let is_ours = |index: &usize| SPARE[*index].load(Relaxed) && SPARE[*index].swap(false, Acquire);
    let from = SPARE_FROM.load(Relaxed);
    if SPARES.load(Relaxed) > 0
        && let Some(index) = (0..=from).rev().chain((from + 1..MAX_REGIONS).rev()).find(is_ours)
    {
        // Relaxed: a guess, wherever it starts a search looks at all.
        SPARE_FROM.store(index, Relaxed);
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
#[inline(never)]
pub(crate) fn publish(id: RegionId, name: &'static Name) {
    if let Some(cell) = NAMES.get(id.index()).filter(|_| id.index() >= RESERVED)
        && cell.get().is_none()
    {
        cell.set(name);
    }
}

/// Makes one index stand for another. Only under the turn of `reassign.rs`; `to` is no alias.
pub(crate) fn alias(from: usize, to: usize) {
    keep(from);
    keep(to);
    // Release: the old name's new id was published before, so that who finds the alias finds that id.
    ALIASES[from].store(to as u16 + 1, Release);
    ALIASED.store(true, SeqCst);
}

/// Never gives the index to another name. A store: a signal handler may come here.
pub(crate) fn keep(index: usize) {
    if let Some(kept) = KEPT.get(index) {
        // SeqCst: see `reuse.rs`.
        kept.store(true, SeqCst);
    }
}

pub(crate) fn is_kept(index: usize) -> bool {
    KEPT.get(index).is_none_or(|kept| kept.load(SeqCst))
}

/// Whether it is worth a look whether the index can be used again.
pub(crate) fn may_leave(index: usize) -> bool {
    let Some(name) = NAMES.get(index).and_then(OnceRef::get) else { return false };
    !is_kept(index) && (LEAVING[index].load(Relaxed) || name.retired())
}

/// Takes an index away from its name, if nothing names it any more: from then on it cannot be entered. `false` if it is
/// in use, or is nobody's. Only under the turn of `reassign.rs`.
#[inline(never)]
pub(crate) fn detach(index: usize) -> bool {
    let Some(name) = NAMES.get(index).and_then(OnceRef::get).filter(|_| index >= RESERVED) else { return false };
    if LEAVING[index].load(Relaxed) {
        return true;
    }
    let id = with_generation(index as u16);
    if is_kept(index) || id.generation() + 1 == SPECIAL || !name.retired() || !name.give_up(id) {
        return false;
    }
    LEAVING[index].store(true, Release);
    // Release: who sees it sees that the index is leaving. That whoever enters sees it is the barrier's part.
    entry_to_change(index as u16).store(id.generation() + 1, Release);
    true
}

/// Makes indices that nobody can use any more ones that can be taken.
pub(crate) fn free(indices: impl Iterator<Item = usize>) {
    let mut count = 0;
    for index in indices {
        NAMES[index].clear();
        ISOLATION[index].store(0, Relaxed);
        LEAVING[index].store(false, Release);
        SPARE[index].store(true, Release);
        // Relaxed: a guess, as in `take`.
        SPARE_FROM.store(index, Relaxed);
        count += 1;
    }
    // Relaxed, and after them: who takes one before it is counted takes it for one that was. The number may wrap for a
    // moment, which has others look in vain at worst.
    SPARES.fetch_add(count, Relaxed);
}

/// The same index in a later generation; only for an index that was taken and not used yet.
pub(crate) fn raise(id: RegionId, least: u32) -> RegionId {
    if id.generation() >= least {
        return id;
    }
    entry_to_change(id.index() as u16).store(least, SeqCst);
    with_generation(id.index() as u16)
}
