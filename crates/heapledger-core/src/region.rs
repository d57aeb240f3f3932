//! The public kinds of region: declared in a `static`, or named at run time.

use core::fmt;
use core::ops::Deref;

use crate::guard::Guard;
use crate::names::{self, NameError, Node, RESERVED, UNTAGGED};
use crate::once::OnceRef;
use crate::thread::is_installed;

/// A region as a small copyable value: an index into the counters, and the generation of that index.
///
/// Without an installed ledger every region has the id of `~untagged`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RegionId {
    index: u16,
    generation: u16,
}

impl RegionId {
    /// What is charged outside every region.
    pub const UNTAGGED: RegionId = RegionId::from_index(0);
    /// What is charged when a name has no region of its own, or the ledger could not get memory for its tables.
    pub const OTHER: RegionId = RegionId::from_index(1);
    /// The ledger's own heap blocks: names, and the values its reports are made of.
    pub const LEDGER: RegionId = RegionId::from_index(2);

    pub(crate) const fn from_index(index: u16) -> RegionId {
        RegionId { index, generation: 0 }
    }

    pub(crate) const fn from_tag(tag: u16) -> RegionId {
        RegionId::from_index(tag - 1)
    }

    /// The tag that pages of this region carry: 0 is a page that nobody used yet.
    #[inline(always)]
    const fn tag(self) -> u16 {
        self.index + 1
    }

    /// The index of the region's counters, below [`MAX_REGIONS`](crate::MAX_REGIONS).
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Counts how often the index has been given to a new name; two ids of the same name with different generations
    /// are different regions.
    pub const fn generation(self) -> u32 {
        self.generation as u32
    }

    /// The region's name.
    pub fn name(self) -> &'static str {
        names::region_name(self.index()).unwrap_or(UNTAGGED.name)
    }

    /// Puts the region in force on this thread until the guard is dropped. Costs a few stores; allocates nothing.
    #[inline]
    pub fn enter(self) -> Guard {
        Guard::enter(self.tag())
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
    node: OnceRef<Node>,
}

impl Region {
    /// Declares the region; it gets its id at its first use.
    pub const fn new(name: &'static str) -> Region {
        Region { name, node: OnceRef::new() }
    }

    #[cold]
    #[inline(never)]
    fn resolve(&self) -> &'static Node {
        if !is_installed() {
            return UNTAGGED;
        }
        let node = names::resolve(self.name);
        node.keep();
        self.node.set(node);
        node
    }
}

impl Deref for Region {
    type Target = RegionId;

    #[inline]
    fn deref(&self) -> &RegionId {
        match self.node.get() {
            Some(node) => &node.id,
            None => &self.resolve().id,
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
/// stay charged to it, and naming it again revives it.
///
/// ```
/// let tenant = heapledger_core::OwnedRegion::try_new(format!("tenant/{}", 7))?;
/// let session = tenant.scope(|| String::from("hello"));
/// # drop(session);
/// # Ok::<(), heapledger_core::NameError>(())
/// ```
pub struct OwnedRegion {
    node: &'static Node,
}

impl OwnedRegion {
    /// Names a region. An unacceptable name is charged to `~other` and counted; when the table of names is full the
    /// parent path is charged, then `~other`. Searches the table, and allocates when the name is new.
    pub fn new(name: impl AsRef<str>) -> OwnedRegion {
        Self::of(if is_installed() { names::resolve(name.as_ref()) } else { UNTAGGED })
    }

    /// As [`new`](OwnedRegion::new), but an unacceptable name is an error, with or without an installed ledger.
    pub fn try_new(name: impl AsRef<str>) -> Result<OwnedRegion, NameError> {
        names::validate(name.as_ref())?;
        Ok(Self::new(name))
    }

    fn of(node: &'static Node) -> OwnedRegion {
        node.acquire();
        OwnedRegion { node }
    }

    /// Whether the region has the name it was asked for, rather than a parent's or `~other`.
    pub fn has_own_name(&self, name: &str) -> bool {
        self.node.id.index() >= RESERVED && self.node.name == name
    }
}

impl Clone for OwnedRegion {
    fn clone(&self) -> Self {
        Self::of(self.node)
    }
}

impl Drop for OwnedRegion {
    fn drop(&mut self) {
        self.node.release();
    }
}

impl Deref for OwnedRegion {
    type Target = RegionId;

    #[inline]
    fn deref(&self) -> &RegionId {
        &self.node.id
    }
}

impl fmt::Debug for OwnedRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRegion").field("name", &self.node.name).field("id", &self.node.id).finish()
    }
}
