//! The public kinds of region: declared in a `static`, or named at run time.

use core::fmt;
use core::ops::Deref;

use crate::claims::{Claim, claim};
use crate::guard::Guard;
use crate::ids::{self, Isolation};
use crate::name_error::{NameError, validate};
use crate::names::{Name, Pinned, UNTAGGED};
use crate::once::OnceRef;
use crate::reassign::{ReassignError, reassign};
use crate::thread::{Plain, is_installed};

/// A region as a small copyable value: an index into the counters, and the generation of that index.
///
/// Without an installed ledger every region has the id of `~untagged`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RegionId {
    index: u16,
    generation: u32,
}

impl RegionId {
    /// What is charged outside every region.
    pub const UNTAGGED: RegionId = RegionId::new(0, 0);
    /// What is charged when a name has no region of its own, or the ledger could not get memory for its tables.
    pub const OTHER: RegionId = RegionId::new(1, 0);
    /// The ledger's own heap blocks: names, and the values its reports are made of.
    pub const LEDGER: RegionId = RegionId::new(2, 0);

    pub(crate) const fn new(index: u16, generation: u32) -> RegionId {
        RegionId { index, generation }
    }

    pub(crate) fn from_tag(tag: u16) -> RegionId {
        ids::with_generation(tag - 1)
    }

    /// The index of the region's counters, below [`MAX_REGIONS`](crate::MAX_REGIONS).
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Counts how often the index has been given to a new name; two ids of the same name with different generations
    /// are different regions.
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The region's name.
    pub fn name(self) -> &'static str {
        ids::region_name(self.index()).unwrap_or(UNTAGGED.text)
    }

    /// Whether the region has an arena of its own, and if it was asked for and has not, why.
    pub fn isolation(self) -> Isolation {
        if is_installed() { ids::isolation(self.index()) } else { Isolation::NotInstalled }
    }

    /// Puts the region in force on this thread until the guard is dropped. Costs a few stores; allocates nothing.
    #[inline]
    pub fn enter(self) -> Guard {
        Guard::enter(self.index, self.generation)
    }

    /// Runs `f` in the region, and leaves it also when `f` panics.
    #[inline]
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        let _in_region = self.enter();
        f()
    }
}

/// A region with a name known at compile time, for a `static` or a `const`.
///
/// The same name is the same region wherever it is declared. Names are paths: `tenant/7` lies under `tenant`. A name
/// that is not acceptable (see [`NameError`]) is charged to `~other` and counted in
/// [`fallen_names`](crate::fallen_names). The first use looks the name up and may allocate, so a signal handler may
/// enter only regions that have been used before.
///
/// ```
/// static WEIGHTS: heapledger_core::Region = heapledger_core::Region::new("weights");
/// let tensor = WEIGHTS.scope(|| vec![0_f32; 4096]);
/// # drop(tensor);
/// ```
///
/// A `static` remembers its id. A `const` is the same region, but each use looks the name up anew, and clippy's
/// `borrow_interior_mutable_const` points at it.
pub struct Region {
    name: &'static str,
    id: OnceRef<Pinned>,
    isolated: bool,
}

impl Region {
    /// Declares the region; it gets its id at its first use.
    pub const fn new(name: &'static str) -> Region {
        Region { name, id: OnceRef::new(), isolated: false }
    }

    /// As [`new`](Region::new), with an arena of jemalloc for this region alone.
    ///
    /// What is allocated in the region lies on pages that hold nothing else, so a few blocks that live on pin no page
    /// of other regions, and pages that it no longer uses go back at once (the arena has decay times of 0). For
    /// long-lived small blocks that would otherwise be scattered over pages of passing ones.
    ///
    /// The program's allocator must be `heapledger::IsolatingLedger`; with `heapledger::Ledger` it works as an ordinary
    /// region. The price is this region's own: getting the arena at its first use (some 100 KiB of jemalloc's metadata
    /// and a few system calls), slower allocations and frees, because its blocks pass by the caches of threads, and
    /// memory in its slabs that no other region can use. Others pay a load and a test per allocation. Blocks that the
    /// region had before, that it adopts, or that are allocated on a thread that entered it before it was isolated lie
    /// where others do. At most 256 regions are isolated; a further one works as an ordinary region, and
    /// [`isolation`](RegionId::isolation) says so. Its blocks cannot be adopted by other regions.
    ///
    /// ```
    /// static SESSIONS: heapledger_core::Region = heapledger_core::Region::isolated("sessions");
    /// let session = SESSIONS.scope(|| vec![0_u8; 100]);
    /// println!("{:?}", SESSIONS.isolation());
    /// # drop(session);
    /// ```
    pub const fn isolated(name: &'static str) -> Region {
        Region { name, id: OnceRef::new(), isolated: true }
    }

    /// Puts the region in force on this thread until the guard is dropped. Costs a few nanoseconds.
    #[inline(always)]
    pub fn enter(&self) -> Guard {
        // The name is counted as owned for ever, so its id is nobody else's.
        if let Some(pinned) = self.id.get()
            && ids::all_plain()
            && let Some(guard) = Guard::enter_plain(pinned.plain)
        {
            return guard;
        }
        enter_resolved(self)
    }

    /// Runs `f` in the region, and leaves it also when `f` panics.
    #[inline]
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _in_region = self.enter();
        f()
    }

    #[cold]
    #[inline(never)]
    fn resolve(&self) -> &'static RegionId {
        if !is_installed() {
            return &UNTAGGED_ID;
        }
        let name = match self.id.get() {
            Some(pinned) => pinned.name,
            // Counted as an owner for ever, so that it never retires.
            None => claim(self.name).name,
        };
        if self.isolated && name.text == self.name {
            name.isolate();
        }
        let pinned = name.pin();
        self.id.set(pinned);
        &pinned.id
    }

    /// Gives all live blocks of this region to `to`, at once, whichever threads hold them or free them.
    ///
    /// From then on this region is empty and has a new id ([`RegionId::generation`] or the index tells the two apart).
    /// The old id stands for `to` for good: a thread that is in it charges `to` until it next enters a region, and the
    /// bytes that it allocated and freed before are `to`'s too. Costs a few stores, however many blocks there are; uses
    /// up an id. Not for signal handlers.
    ///
    /// ```
    /// # use heapledger_core::{ReassignError, Region};
    /// static PARSER: Region = Region::new("parser");
    /// static INDEX: Region = Region::new("index");
    ///
    /// let document = PARSER.scope(|| vec![0_u8; 4096]);
    /// match PARSER.reassign_to(&INDEX) {                        // the document is the index's from here on
    ///     Ok(()) | Err(ReassignError::NotInstalled) => {}
    ///     Err(error) => println!("{error}"),
    /// }
    /// # drop(document);
    /// ```
    ///
    /// # Errors
    /// [`ReassignError`] says why nothing was done.
    pub fn reassign_to(&self, to: &RegionId) -> Result<(), ReassignError> {
        if !is_installed() {
            return Err(ReassignError::NotInstalled);
        }
        let _ = **self;
        let pinned = self.id.get().filter(|pinned| pinned.name.text == self.name).ok_or(ReassignError::NotItsOwn)?;
        reassign(pinned.name, *to)
    }
}

/// Enters a region at its first use, or where there is more to do than usual.
#[cold]
#[inline(never)]
fn enter_resolved(region: &impl Deref<Target = RegionId>) -> Guard {
    (**region).enter()
}

/// To have a reference to it.
static UNTAGGED_ID: RegionId = RegionId::UNTAGGED;

impl Deref for Region {
    type Target = RegionId;

    #[inline]
    fn deref(&self) -> &RegionId {
        match self.id.get() {
            Some(pinned) if pinned.holds() => &pinned.id,
            _ => self.resolve(),
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A region named at run time: a tenant, a request, an index.
///
/// Counted by reference: when the last clone is dropped and no `static` names it, the region *retires*. Its live blocks
/// stay charged to it, and naming it again revives it. Once no block of it lives and no thread is in it, its id may be
/// given to another name; a copy of the [`RegionId`] that is entered after that charges `~other`.
///
/// ```
/// let tenant = heapledger_core::OwnedRegion::try_new(format!("tenant/{}", 7))?;
/// let session = tenant.scope(|| String::from("hello"));
/// # drop(session);
/// # Ok::<(), heapledger_core::NameError>(())
/// ```
pub struct OwnedRegion {
    name: &'static Name,
    /// As long as the name has not been given another one.
    id: RegionId,
    /// Whether the name is the one that was asked for.
    own: bool,
}

impl OwnedRegion {
    /// Names a region. An unacceptable name is charged to `~other` and counted; when the table of ids is full the
    /// parent path is charged, then `~other`. Looks the name up, and allocates when it is new.
    pub fn new(name: impl AsRef<str>) -> OwnedRegion {
        let asked = name.as_ref();
        let Claim { name, id, own } = if is_installed() { claim(asked) } else { Claim::untagged() };
        OwnedRegion { name, id, own }
    }

    /// As [`new`](OwnedRegion::new), with an arena of its own: see [`Region::isolated`].
    pub fn isolated(name: impl AsRef<str>) -> OwnedRegion {
        let region = Self::new(name);
        if region.own {
            region.name.isolate();
        }
        region
    }

    /// As [`new`](OwnedRegion::new), but an unacceptable name is an error, with or without an installed ledger.
    pub fn try_new(name: impl AsRef<str>) -> Result<OwnedRegion, NameError> {
        validate(name.as_ref())?;
        Ok(Self::new(name))
    }

    /// Whether the region has the name it was asked for, rather than a parent's or `~other`.
    pub fn has_own_name(&self, name: &str) -> bool {
        self.own && self.name.text == name
    }

    /// Puts the region in force on this thread until the guard is dropped. Costs a few nanoseconds.
    #[inline(always)]
    pub fn enter(&self) -> Guard {
        // While this owner is here, the id is nobody else's.
        if ids::all_plain()
            && let Some(guard) = Guard::enter_plain(Plain::of(self.id.index))
        {
            return guard;
        }
        enter_resolved(self)
    }

    /// Runs `f` in the region, and leaves it also when `f` panics.
    #[inline]
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _in_region = self.enter();
        f()
    }

    /// As [`Region::reassign_to`]. What `tenant/7` charged to `tenant`, because ids had run out, is not given away.
    ///
    /// # Errors
    /// [`ReassignError`] says why nothing was done.
    pub fn reassign_to(&self, to: &RegionId) -> Result<(), ReassignError> {
        if !is_installed() {
            return Err(ReassignError::NotInstalled);
        }
        if !self.own {
            return Err(ReassignError::NotItsOwn);
        }
        reassign(self.name, *to)
    }
}

impl Clone for OwnedRegion {
    fn clone(&self) -> Self {
        self.name.acquire();
        OwnedRegion { name: self.name, id: **self, own: self.own }
    }
}

impl Drop for OwnedRegion {
    fn drop(&mut self) {
        self.name.release();
    }
}

impl Deref for OwnedRegion {
    type Target = RegionId;

    #[inline]
    fn deref(&self) -> &RegionId {
        if self.name.has_moved() { &self.name.pin().id } else { &self.id }
    }
}

impl fmt::Debug for OwnedRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRegion").field("name", &self.name.text).field("id", &**self).finish()
    }
}
