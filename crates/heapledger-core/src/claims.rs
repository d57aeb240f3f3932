//! What is charged for a name: its own region, else its nearest parent's, else `~other`.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::name_error::{NameError, validate};
use crate::names::{Name, OTHER, RETIRED, UNTAGGED, hash, intern, search};
use crate::region::RegionId;
use crate::{ids, reuse};

/// What `find_ids` made of the two numbers when it searched last.
static SEARCHED: AtomicU64 = AtomicU64::new(0);
/// How often an id was missing.
static TRIES: AtomicU64 = AtomicU64::new(0);

static TO_PARENT: AtomicU64 = AtomicU64::new(0);
static TO_OTHER: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

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

/// Counts an entry of a region that is gone, which `~other` is charged for.
pub(crate) fn count_stale() {
    TO_OTHER.fetch_add(1, Relaxed);
}

/// A name with an owner, and the id that it had when the owner was counted.
pub(crate) struct Claim {
    pub(crate) name: &'static Name,
    pub(crate) id: RegionId,
    /// Whether the name is the one that was asked for.
    pub(crate) own: bool,
}

impl Claim {
    /// What a name is charged to when it cannot have a region of its own.
    pub(crate) fn other() -> Claim {
        OTHER.acquire();
        Claim { name: OTHER, id: RegionId::OTHER, own: false }
    }

    pub(crate) fn untagged() -> Claim {
        UNTAGGED.acquire();
        Claim { name: UNTAGGED, id: RegionId::UNTAGGED, own: false }
    }

    fn of(name: &'static Name, own: bool) -> Option<Claim> {
        name.acquire();
        let id = name.id_or_new();
        if id.is_none() {
            name.release();
        }
        Some(Claim { name, id: id?, own })
    }
}

/// Looks for ids among those of retired regions, if another one has retired since the last time, and now and then
/// because blocks may have gone.
#[cold]
fn find_ids() {
    let now = RETIRED.load(Relaxed) + 1 + TRIES.fetch_add(1, Relaxed) / 64;
    if SEARCHED.swap(now, Relaxed) != now {
        reuse::reclaim();
    }
}

/// Counts an owner of what is charged for `text`: its own region, else its nearest parent's, else `~other`.
pub(crate) fn claim(text: &str) -> Claim {
    match try_claim(text) {
        Ok(claim) => claim,
        Err(_) => {
            REFUSED.fetch_add(1, Relaxed);
            Claim::other()
        }
    }
}

fn try_claim(text: &str) -> Result<Claim, NameError> {
    let hash_of_text = hash(text);
    let mut place = search(text, hash_of_text);
    if place.is_err() {
        // A name in the table has been accepted before.
        validate(text)?;
    }
    let known = place.is_ok_and(|name| name.id().is_some());
    if !known && !ids::may_take() {
        find_ids();
    }
    // A name that cannot have an id is not kept either.
    if known || ids::may_take() {
        if let Err(end) = place {
            place = intern(text, hash_of_text, end).ok_or(end);
        }
        if let Ok(name) = place
            && let Some(claim) = Claim::of(name, true)
        {
            return Ok(claim);
        }
    }
    let mut path = text;
    while let Some((parent, _)) = path.rsplit_once('/') {
        if let Ok(name) = search(parent, hash(parent))
            && name.id().is_some()
            && let Some(claim) = Claim::of(name, false)
        {
            TO_PARENT.fetch_add(1, Relaxed);
            return Ok(claim);
        }
        path = parent;
    }
    TO_OTHER.fetch_add(1, Relaxed);
    Ok(Claim::other())
}
