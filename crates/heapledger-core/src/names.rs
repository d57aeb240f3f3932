//! The table of region names: interned, without locks, each name once for as long as the process lives.
//!
//! A hash table of chains that grow at their ends only, so two threads that intern the same name meet at the same end:
//! whoever loses it looks at the winner's name before it goes on. Which id a name has is `ids.rs`'s.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

use crate::guard::Guard;
use crate::ids;
use crate::once::OnceRef;
use crate::pool::Pool;
use crate::region::RegionId;
use crate::thread::Plain;

/// How many different names a process can use in all; what comes beyond is treated as if the table of ids were full.
/// Names are kept for good, and this bounds what they take.
const NAMES_MAX: usize = 1 << 16;

/// How many ids are ours from the start.
pub(crate) const RESERVED: usize = 3;

/// A name, and the id that is charged for it now.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: &'static str,
    hash: u32,
    next: OnceRef<Name>,
    /// How many `OwnedRegion`s name it; a `Region` counts for ever.
    owners: AtomicUsize,
    /// As `packed`; 0 while it has none.
    current: AtomicU64,
    /// Where a reference to the current id can be had; perhaps still to an older one.
    pinned: OnceRef<Pinned>,
    /// Set when the name has been given another id while it was in use, for good.
    moved: AtomicBool,
    /// Whether its ids are to have arenas of their own, from when on somebody asked for it.
    isolated: AtomicBool,
    /// The least generation of its next id, so that a name never has the same one twice.
    generation: AtomicU32,
}

/// An id of a name, for who hands out references to it.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) id: RegionId,
    /// What entering it takes, while it is an ordinary one.
    pub(crate) plain: Plain,
    pub(crate) name: &'static Name,
    /// Set when the name has been given another id.
    moved: AtomicBool,
}

impl Pinned {
    const fn new(id: RegionId, name: &'static Name) -> Pinned {
        Pinned { id, plain: Plain::of(id.index() as u16), name, moved: AtomicBool::new(false) }
    }

    /// Whether the name has this id still. It may lose it at any moment; then charges to it are the other region's.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        // Relaxed: nothing hangs on when this is seen.
        !self.moved.load(Relaxed)
    }
}

/// An id in one word that is not 0.
const fn packed(id: RegionId) -> u64 {
    (id.index() as u64 + 1) | (id.generation() as u64) << 16
}

fn unpacked(word: u64) -> Option<RegionId> {
    let index = u16::try_from((word & 0xffff).checked_sub(1)?).ok()?;
    Some(RegionId::new(index, (word >> 16) as u32))
}

static OURS: [Name; RESERVED] =
    [Name::reserved("~untagged", 0), Name::reserved("~other", 1), Name::reserved("~ledger", 2)];
static PINNED_OURS: [Pinned; RESERVED] = [pinned_ours(0), pinned_ours(1), pinned_ours(2)];

const fn pinned_ours(index: usize) -> Pinned {
    Pinned::new(RegionId::new(index as u16, 0), &OURS[index])
}

/// Charged when no ledger is installed or no name fits.
pub(crate) static UNTAGGED: &Name = &OURS[0];
pub(crate) static OTHER: &Name = &OURS[1];

/// The names of the ids that are ours.
pub(crate) fn ours(index: usize) -> Option<&'static Name> {
    OURS.get(index)
}

const CHAINS: usize = 16_384;
static TABLE: [OnceRef<Name>; CHAINS] = [const { OnceRef::new() }; CHAINS];
static NAMES: AtomicUsize = AtomicUsize::new(0);
static ENTRIES: Pool<Name> = Pool::new();
static PINNED: Pool<Pinned> = Pool::new();
/// Names of so many bytes at most; most are. A longer one has a block of its own.
static SHORT_TEXTS: Pool<[u8; SHORT_BYTES]> = Pool::new();
const SHORT_BYTES: usize = 48;

/// How often a name lost its last owner.
pub(crate) static RETIRED: AtomicU64 = AtomicU64::new(0);

/// Eight bytes at a time, each eight multiplied to twice their width and folded; the last eight overlap those before.
#[inline(never)]
pub(crate) fn hash(name: &str) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, eight: u64| {
        let product = u128::from(state ^ eight) * u128::from(ODD);
        product as u64 ^ (product >> 64) as u64
    };
    let bytes = name.as_bytes();
    let (eights, short) = bytes.as_chunks();
    let last = match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => short.iter().fold(0, |eight, byte| eight << 8 | u64::from(*byte)),
    };
    let state = eights.iter().fold(bytes.len() as u64, |state, eight| mix(state, u64::from_le_bytes(*eight)));
    mix(state, last) as u32
}

/// The name if it is in the table, else the cell that ends its chain.
#[inline(never)]
pub(crate) fn search(text: &str, hash: u32) -> Result<&'static Name, &'static OnceRef<Name>> {
    let mut cell = &TABLE[hash as usize % CHAINS];
    loop {
        match cell.get() {
            None => return Err(cell),
            Some(name) if name.hash == hash && name.text == text => return Ok(name),
            Some(name) => cell = &name.next,
        }
    }
}

/// Makes the entry of an acceptable name, for which `search` found the cell that ends its chain, unless somebody makes
/// it at the same time; `None` when there have been too many.
#[cold]
#[inline(never)]
pub(crate) fn intern(text: &str, hash: u32, mut cell: &'static OnceRef<Name>) -> Option<&'static Name> {
    // Relaxed: a number of its own. It is not given back when the name turns out to be there, which is as rare as the
    // race.
    if NAMES.fetch_update(Relaxed, Relaxed, |count| (count < NAMES_MAX).then_some(count + 1)).is_err() {
        return None;
    }
    let _ours = enter_ours();
    let fresh = ENTRIES.keep(Name::new(kept_text(text), hash));
    while !cell.replace(None, fresh) {
        // Somebody took the cell: perhaps for this very name. The few bytes of a lost race are kept for good.
        cell = match search(text, hash) {
            Ok(name) => return Some(name),
            Err(cell) => cell,
        };
    }
    Some(fresh)
}

/// Names and their entries are ours, not the current region's.
#[inline(never)]
fn enter_ours() -> Guard {
    RegionId::LEDGER.enter()
}

fn kept_text(text: &str) -> &'static str {
    let mut bytes = [0; SHORT_BYTES];
    if let Some(start) = bytes.get_mut(..text.len()) {
        start.copy_from_slice(text.as_bytes());
        if let Ok(kept) = str::from_utf8(&SHORT_TEXTS.keep(bytes)[..text.len()]) {
            return kept;
        }
    }
    Box::leak(text.into())
}

impl Name {
    const fn new(text: &'static str, hash: u32) -> Name {
        Name {
            text,
            hash,
            next: OnceRef::new(),
            owners: AtomicUsize::new(0),
            current: AtomicU64::new(0),
            pinned: OnceRef::new(),
            moved: AtomicBool::new(false),
            isolated: AtomicBool::new(false),
            generation: AtomicU32::new(0),
        }
    }

    /// One that never retires.
    const fn reserved(text: &'static str, index: u16) -> Name {
        let mut name = Name::new(text, 0);
        name.owners = AtomicUsize::new(1);
        name.current = AtomicU64::new(packed(RegionId::new(index, 0)));
        name
    }

    /// Counts an owner, who may use the id that the name has from then on.
    pub(crate) fn acquire(&self) {
        // SeqCst: see `detach`.
        self.owners.fetch_add(1, SeqCst);
    }

    pub(crate) fn release(&self) {
        if self.owners.fetch_sub(1, SeqCst) == 1 {
            RETIRED.fetch_add(1, Relaxed);
        }
    }

    /// Takes the id away if nothing names it; `false` if somebody does, or did at the last moment. Only under the turn
    /// of `reassign.rs`.
    pub(crate) fn give_up(&self, id: RegionId) -> bool {
        // Relaxed: only the holder of the turn writes it, and who finds no id below finds this.
        self.generation.store(self.generation.load(Relaxed).max(id.generation() + 1), Relaxed);
        // SeqCst, as in `acquire` and `id`: who counts itself after this finds no id, or is found here.
        if self.current.compare_exchange(packed(id), 0, SeqCst, SeqCst).is_err() {
            return false;
        }
        if self.owners.load(SeqCst) == 0 {
            return true;
        }
        // It may have the id already: give it back, or, if the name has got another one meanwhile, let both be.
        if self.current.compare_exchange(0, packed(id), SeqCst, SeqCst).is_err() {
            ids::keep(id.index());
        }
        false
    }

    /// Asks for an arena of its own, for this id and those that come.
    pub(crate) fn isolate(&self) {
        self.isolated.store(true, Relaxed);
        if let Some(id) = self.id() {
            ids::isolate(id);
        }
    }

    /// Whether nothing names it any more.
    pub(crate) fn retired(&self) -> bool {
        self.owners.load(Relaxed) == 0
    }

    /// The id that is charged for the name now.
    pub(crate) fn id(&self) -> Option<RegionId> {
        unpacked(self.current.load(SeqCst))
    }

    /// The name's id, or a new one if it has none; `None` when there is no id to be had.
    #[inline(never)]
    pub(crate) fn id_or_new(&'static self) -> Option<RegionId> {
        loop {
            if let Some(id) = self.id() {
                // Whoever gave it may not have come to the next line yet.
                ids::publish(id, self);
                if self.isolated.load(Relaxed) {
                    ids::isolate(id);
                }
                return Some(id);
            }
            let id = ids::raise(ids::take()?, self.generation.load(SeqCst));
            if self.current.compare_exchange(0, packed(id), SeqCst, SeqCst).is_err() {
                // Somebody else has given it one.
                ids::give(id);
            }
        }
    }

    /// Gives the name another id. Only under the turn of `reassign.rs`.
    pub(crate) fn set_id(&'static self, id: RegionId) {
        if self.isolated.load(Relaxed) {
            ids::isolate(id);
        }
        ids::will_change();
        self.current.store(packed(id), SeqCst);
        ids::publish(id, self);
        // SeqCst here and in `pin`: who pins the old id is seen here, or sees the new one there.
        self.moved.store(true, SeqCst);
        if let Some(pinned) = self.pinned.get() {
            pinned.moved.store(true, SeqCst);
        }
    }

    /// Whether the name has been given another id while it was in use.
    #[inline]
    pub(crate) fn has_moved(&self) -> bool {
        self.moved.load(Relaxed)
    }

    /// A reference to the id of a name that has an owner.
    pub(crate) fn pin(&'static self) -> &'static Pinned {
        if let Some(pinned) = PINNED_OURS.iter().find(|pinned| core::ptr::eq(pinned.name, self)) {
            return pinned;
        }
        loop {
            // A name with an owner keeps an id; if it had none, its charges would be `~other`'s.
            let Some(id) = self.id() else { return &PINNED_OURS[RegionId::OTHER.index()] };
            let before = self.pinned.get();
            if let Some(pinned) = before
                && pinned.id == id
                && pinned.holds()
            {
                return pinned;
            }
            let _ours = enter_ours();
            let fresh = PINNED.keep(Pinned::new(id, self));
            if self.pinned.replace(before, fresh) && self.id() == Some(id) {
                return fresh;
            }
            fresh.moved.store(true, SeqCst);
        }
    }
}

/// Counts as an owner of a region's name while it lives; of nothing, if the region is gone.
#[derive(Debug)]
pub(crate) struct Hold(Option<&'static Name>);

impl Hold {
    pub(crate) fn of(id: RegionId) -> Hold {
        let Some(name) = ids::name(id.index()).filter(|name| name.id() == Some(id)) else { return Hold(None) };
        name.acquire();
        // Once more, as an owner: it may have lost the id before.
        let hold = Hold(Some(name));
        if name.id() == Some(id) { hold } else { Hold(None) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(name) = self.0 {
            name.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHAINS, hash};

    /// Of as many names as there are chains, so many in one are expected in one of 100,000 processes.
    const LONGEST: usize = 12;

    #[test]
    fn numbered_names_lie_in_chains_of_their_own() {
        for (before, after) in
            [("", ""), ("made-", ""), ("tenant/", "/cache"), ("a name of sixteen/", ""), ("n", "-4567890")]
        {
            let mut chains = vec![0; CHAINS];
            for number in 0..CHAINS {
                chains[hash(&format!("{before}{number}{after}")) as usize % CHAINS] += 1;
            }
            assert!(chains.iter().all(|names| *names < LONGEST), "{before}0{after}: {:?}", chains.iter().max());
        }
    }

    #[test]
    fn each_byte_of_a_name_counts() {
        for len in 1..=40 {
            let name = "x".repeat(len);
            for at in 0..len {
                let mut other = name.clone().into_bytes();
                other[at] = b'y';
                assert_ne!(hash(&name), hash(str::from_utf8(&other).expect("it is ASCII")), "{len} {at}");
            }
            assert_ne!(hash(&name), hash(&"x".repeat(len + 1)), "{len}");
        }
    }
}
