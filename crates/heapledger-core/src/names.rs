//! The table of region names: interned, append-only, without locks.
//!
//! Names are published in the first free entry by compare-and-swap, so two threads that intern the same name meet in the
//! same entry: whoever loses an entry looks at the winner's name before it tries the next.

use core::fmt;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

use crate::once::OnceRef;
use crate::region::RegionId;
use crate::thread::MAX_REGIONS;

/// The longest name of a region, in bytes.
pub const NAME_MAX_BYTES: usize = 255;

/// How many entries of the table are ours from the start.
pub(crate) const RESERVED: usize = 3;

/// A named region; lives as long as the process.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) id: RegionId,
    hash: u32,
    /// How many `OwnedRegion`s name it.
    owners: AtomicUsize,
    /// Set when a `static` or `const` names it: then it never retires.
    permanent: AtomicBool,
}

impl Node {
    const fn reserved(name: &'static str, index: u16) -> Node {
        Node {
            name,
            id: RegionId::from_index(index),
            hash: 0,
            owners: AtomicUsize::new(0),
            permanent: AtomicBool::new(true),
        }
    }

    pub(crate) fn keep(&self) {
        self.permanent.store(true, Relaxed);
    }

    pub(crate) fn acquire(&self) {
        self.owners.fetch_add(1, Relaxed);
    }

    pub(crate) fn release(&self) {
        self.owners.fetch_sub(1, Relaxed);
    }

    // The two flags only say what a report calls the region; no memory hangs on them, so Relaxed suffices throughout.
    fn retired(&self) -> bool {
        !self.permanent.load(Relaxed) && self.owners.load(Relaxed) == 0
    }
}

static OURS: [Node; RESERVED] =
    [Node::reserved("~untagged", 0), Node::reserved("~other", 1), Node::reserved("~ledger", 2)];

/// Charged when no ledger is installed or no name fits.
pub(crate) static UNTAGGED: &Node = &OURS[0];
pub(crate) static OTHER: &Node = &OURS[1];

static NODES: [OnceRef<Node>; MAX_REGIONS] = [const { OnceRef::new() }; MAX_REGIONS];
/// Hashes of the published names, 0 while not yet written: lets a search skip names without looking at them.
static HASHES: [AtomicU32; MAX_REGIONS] = [const { AtomicU32::new(0) }; MAX_REGIONS];
static COUNT: AtomicUsize = AtomicUsize::new(RESERVED);

static TO_PARENT: AtomicU64 = AtomicU64::new(0);
static TO_OTHER: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Why a name cannot be a region's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name is longer than [`NAME_MAX_BYTES`].
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is accepted.
        max: usize,
    },
    /// Names that start with `~` are the ledger's own.
    Reserved,
    /// The name has a control character, such as a newline.
    ControlCharacter {
        /// Its offset in bytes.
        at: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the region's name is empty: give it at least one character"),
            NameError::TooLong { len, max } => {
                write!(f, "the region's name has {len} bytes: use at most {max}")
            }
            NameError::Reserved => f.write_str("region names that start with `~` are the ledger's own: use another"),
            NameError::ControlCharacter { at } => {
                write!(f, "the region's name has a control character at byte {at}: remove it")
            }
        }
    }
}

impl std::error::Error for NameError {}

pub(crate) fn validate(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(NameError::TooLong { len: name.len(), max: NAME_MAX_BYTES });
    }
    if name.starts_with('~') {
        return Err(NameError::Reserved);
    }
    match name.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(NameError::ControlCharacter { at }),
        None => Ok(()),
    }
}

/// How many names got no region of their own since the process started.
///
/// Each is one construction of an [`OwnedRegion`](crate::OwnedRegion), or the first use of a [`Region`](crate::Region).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FallenNames {
    /// The table was full, and the name's parent (`tenant` for `tenant/7`) is charged.
    pub to_parent: u64,
    /// The table was full, and `~other` is charged.
    pub to_other: u64,
    /// The name was not acceptable (see [`NameError`]), and `~other` is charged.
    pub refused: u64,
}

/// How many names got no region of their own; three loads.
pub fn fallen_names() -> FallenNames {
    FallenNames { to_parent: TO_PARENT.load(Relaxed), to_other: TO_OTHER.load(Relaxed), refused: REFUSED.load(Relaxed) }
}

/// The number of region indices in use: every index below it is valid, and none above it.
pub fn region_count() -> usize {
    COUNT.load(Acquire)
}

fn node(index: usize) -> Option<&'static Node> {
    OURS.get(index).or_else(|| NODES.get(index)?.get())
}

/// The name of the region with this index.
pub fn region_name(index: usize) -> Option<&'static str> {
    Some(node(index)?.name)
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

/// What the table knows of the region with this index.
pub fn region_info(index: usize) -> Option<RegionInfo> {
    let node = node(index)?;
    Some(RegionInfo { id: node.id, name: node.name, retired: node.retired() })
}

/// FNV-1a, never 0: only a filter in front of the comparison of names.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193)).max(1)
}

/// Searches entries from `start`; returns the node, or the first free index.
fn search(name: &str, hash: u32, start: usize) -> Result<&'static Node, usize> {
    for index in start..MAX_REGIONS {
        let known = HASHES[index].load(Relaxed);
        if known != 0 && known != hash {
            continue;
        }
        match NODES[index].get() {
            None => return Err(index),
            Some(node) if node.hash == hash && node.name == name => return Ok(node),
            Some(_) => {}
        }
    }
    Err(MAX_REGIONS)
}

/// Finds or makes the region of an acceptable name; `None` when the table is full.
fn intern(name: &str) -> Option<&'static Node> {
    let hash = hash(name);
    let mut index = match search(name, hash, RESERVED) {
        Ok(node) => return Some(node),
        Err(MAX_REGIONS) => return None,
        Err(index) => index,
    };
    // The name and its node are ours, not the current region's.
    let _ours = OURS[2].id.enter();
    let mut fresh = Box::new(Node {
        name: Box::leak(Box::<str>::from(name)),
        id: OURS[0].id,
        hash,
        owners: AtomicUsize::new(0),
        permanent: AtomicBool::new(false),
    });
    loop {
        fresh.id = RegionId::from_index(u16::try_from(index).ok()?);
        match NODES[index].publish(fresh) {
            Ok(node) => {
                HASHES[index].store(hash, Relaxed);
                // Release: who reads the count sees the node below it.
                COUNT.fetch_max(index + 1, Release);
                return Some(node);
            }
            Err(back) => fresh = back,
        }
        // Somebody took the entry: perhaps for this very name. The few bytes of a lost race are kept for good.
        index = match search(name, hash, index) {
            Ok(node) => return Some(node),
            Err(MAX_REGIONS) => return None,
            Err(index) => index,
        };
    }
}

/// The node that is charged for `name`: its own, else its nearest parent's, else `~other`.
pub(crate) fn resolve(name: &str) -> &'static Node {
    match try_resolve(name) {
        Ok(node) => node,
        Err(_) => {
            REFUSED.fetch_add(1, Relaxed);
            OTHER
        }
    }
}

/// As `resolve`, but an unacceptable name is an error.
pub(crate) fn try_resolve(name: &str) -> Result<&'static Node, NameError> {
    validate(name)?;
    if let Some(node) = intern(name) {
        return Ok(node);
    }
    let mut path = name;
    while let Some((parent, _)) = path.rsplit_once('/') {
        if let Ok(node) = search(parent, hash(parent), RESERVED) {
            TO_PARENT.fetch_add(1, Relaxed);
            return Ok(node);
        }
        path = parent;
    }
    TO_OTHER.fetch_add(1, Relaxed);
    Ok(OTHER)
}
