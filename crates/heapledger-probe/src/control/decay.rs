//! Decay times: how long freed pages stay before they are given back.
#![allow(unsafe_code)]

use std::ffi::CStr;

use super::raw::{OfArena, read, write};
use super::{Refusal, Refused};

/// Which freed pages a decay time is of.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Pages {
    /// Freed and not given back.
    Dirty,
    /// Given back lazily: the kernel takes them when it wants.
    Muzzy,
}

impl Pages {
    fn of_arenas_to_come(self) -> &'static CStr {
        match self {
            Self::Dirty => c"arenas.dirty_decay_ms",
            Self::Muzzy => c"arenas.muzzy_decay_ms",
        }
    }

    fn of_one_arena(self) -> &'static CStr {
        match self {
            Self::Dirty => c"arena.0.dirty_decay_ms",
            Self::Muzzy => c"arena.0.muzzy_decay_ms",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Dirty => "arenas.dirty_decay_ms",
            Self::Muzzy => "arenas.muzzy_decay_ms",
        }
    }
}

/// The decay times of one arena, as they are now; -1 is never, 0 at once.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct ArenaDecay {
    /// Index of the arena.
    pub arena: u32,
    /// Milliseconds for dirty pages.
    pub dirty_decay_ms: i64,
    /// Milliseconds for muzzy pages.
    pub muzzy_decay_ms: i64,
}

/// What a change of a decay time did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecaySet {
    /// Of arenas to come, before.
    pub before_ms: i64,
    /// Of arenas to come, as it is read back.
    pub after_ms: i64,
    /// Arenas that have it now.
    pub arenas_set: Vec<u32>,
    /// Arenas that had a decay time of their own, and keep it: jemalloc's arena for oversize blocks (0), arenas that
    /// the program set apart.
    pub arenas_left: Vec<u32>,
}

/// The decay time of arenas to come.
///
/// # Errors
///
/// [`Refused`] if this jemalloc has no such key.
pub fn decay_ms(pages: Pages) -> Result<i64, Refused> {
    read::<isize>(pages.of_arenas_to_come()).map(|ms| ms as i64)
}

/// Calls `each` with the decay times of every arena that exists. Allocates nothing; some tens of nanoseconds for each.
///
/// # Errors
///
/// [`Refused`] if jemalloc does not say how many arenas there are, or does not answer for one that it says exists.
pub fn arena_decays(mut each: impl FnMut(ArenaDecay)) -> Result<(), Refused> {
    let dirty = OfArena::new(Pages::Dirty.of_one_arena())?;
    let muzzy = OfArena::new(Pages::Muzzy.of_one_arena())?;
    for arena in 0..arenas_at_most()? {
        let Some(dirty_decay_ms) = existing(dirty.read::<isize>(arena))? else { continue };
        let muzzy_decay_ms = muzzy.read::<isize>(arena)? as i64;
        each(ArenaDecay { arena, dirty_decay_ms, muzzy_decay_ms });
    }
    Ok(())
}

/// Sets the decay time of arenas to come, and of every arena that had the one of arenas to come until now.
///
/// jemalloc has no key for all arenas at once. An arena that is set begins anew: what is dirty in it counts as freed
/// now; with 0 it is given back at once.
///
/// # Errors
///
/// [`Refused`] with [`Refusal::BadValue`] if the time is below -1 or too large. If one arena refuses, others may have
/// been set; setting it again is harmless.
pub fn set_decay_ms(pages: Pages, ms: i64) -> Result<DecaySet, Refused> {
    let before_ms = decay_ms(pages)?;
    // Before anything is set: without it arenas that exist would keep what they had, and nobody would say so.
    let arenas = arenas_at_most()?;
    let bad = Refused { key: pages.key(), arena: None, why: Refusal::BadValue };
    let wanted = isize::try_from(ms).map_err(|_| bad)?;
    // SAFETY: the key's type is ssize_t.
    unsafe { write(pages.of_arenas_to_come(), wanted) }.map_err(|refused| match refused.why {
        // jemalloc's answer to a time that it does not take.
        Refusal::CannotNow => bad,
        _ => refused,
    })?;
    let of_one = OfArena::new(pages.of_one_arena())?;
    let mut done = DecaySet { before_ms, after_ms: before_ms, arenas_set: Vec::new(), arenas_left: Vec::new() };
    // Those that came meanwhile have it already.
    for arena in 0..arenas {
        let Some(had) = existing(of_one.read::<isize>(arena))? else { continue };
        if had == before_ms {
            // SAFETY: the key's type is ssize_t.
            unsafe { of_one.write(arena, wanted) }?;
            done.arenas_set.push(arena);
        } else if had == ms {
            done.arenas_set.push(arena);
        } else {
            done.arenas_left.push(arena);
        }
    }
    done.after_ms = decay_ms(pages)?;
    if done.after_ms == ms { Ok(done) } else { Err(Refused { why: Refusal::NotTaken, ..bad }) }
}

/// Indices of arenas are below this.
fn arenas_at_most() -> Result<u32, Refused> {
    read(c"arenas.narenas")
}

/// What an arena answers; `None` if there is none. Whether one exists is not asked beforehand: that key answers as of
/// the last refresh of the statistics.
fn existing(answer: Result<isize, Refused>) -> Result<Option<i64>, Refused> {
    match answer {
        Ok(ms) => Ok(Some(ms as i64)),
        Err(refused) if refused.why == Refusal::CannotNow => Ok(None),
        Err(refused) => Err(refused),
    }
}
