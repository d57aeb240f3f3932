//! What is told to jemalloc: every write to its control interface is here.
//!
//! Nothing in here is called by a reading. Each function does one thing, says what jemalloc answered, and reads back
//! what took effect. None may be called from a signal handler or an allocator's hook: jemalloc's lock of its control
//! interface is taken, and purging takes the locks of arenas.

mod decay;
mod raw;
mod threads;

use std::fmt;

use raw::command;

pub use decay::{ArenaDecay, DecaySet, Pages, arena_decays, decay_ms, set_decay_ms};
pub use threads::{background_threads, max_background_threads, set_background_threads, set_max_background_threads};

/// Why jemalloc did not do what it was told.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The key.
    pub key: &'static str,
    /// Of which arena; `None` if the key is of all of them, or of none.
    pub arena: Option<u32>,
    /// What it said.
    pub why: Refusal,
}

/// What jemalloc said.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no such key: it was built without, or is another version.
    NoSuchKey,
    /// The value is not one that it takes.
    BadValue,
    /// It cannot now: not in this thread, not in this process, or not at all.
    CannotNow,
    /// It took the value, and says another one afterwards.
    NotTaken,
    /// Something else, by its number.
    Other(i32),
}

impl Refused {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match (self.key, self.why) {
            ("thread.tcache.flush", Refusal::CannotNow) => "nothing: this thread keeps no cache of freed blocks",
            ("background_thread", _) => {
                "use a platform with pthreads on which jemalloc was built with background threads, and not a forked child"
            }
            (_, Refusal::NoSuchKey) => "link the jemalloc that tikv-jemalloc-sys builds (5.3)",
            (_, Refusal::BadValue) => "give a value within the limits that the documentation of this setting names",
            _ => "see the key in jemalloc's manual",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arena {
            Some(arena) => write!(out, "{} of arena {arena}: ", self.key)?,
            None => write!(out, "{}: ", self.key)?,
        }
        match self.why {
            Refusal::NoSuchKey => out.write_str("jemalloc has no such key"),
            Refusal::BadValue => out.write_str("jemalloc does not take this value"),
            Refusal::CannotNow => out.write_str("jemalloc cannot do it here and now"),
            Refusal::NotTaken => out.write_str("jemalloc took it and says another value"),
            Refusal::Other(code) => write!(out, "jemalloc answers error {code}"),
        }
    }
}

impl std::error::Error for Refused {}

/// Gives all dirty and muzzy pages of every arena back to the kernel, now (`arena.4096.purge`).
///
/// Costs a call of the kernel for each extent, under the lock of each arena in turn. It cannot return what is no free
/// page: free slots of slabs, blocks that threads cache.
///
/// # Errors
///
/// [`Refused`] if this jemalloc has no such key.
pub fn purge() -> Result<(), Refused> {
    command(c"arena.4096.purge")
}

/// Gives back those pages of every arena whose time has come by their decay times (`arena.4096.decay`): what traffic or
/// background threads would do.
///
/// # Errors
///
/// [`Refused`] if this jemalloc has no such key.
pub fn decay() -> Result<(), Refused> {
    command(c"arena.4096.decay")
}

/// Gives the blocks that the calling thread caches back to their arenas (`thread.tcache.flush`). Other threads keep
/// theirs: jemalloc has no way to flush them.
///
/// # Errors
///
/// [`Refused`] with [`Refusal::CannotNow`] if this thread has no cache.
pub fn flush_thread_cache() -> Result<(), Refused> {
    command(c"thread.tcache.flush")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_obeyed() {
        assert_eq!(purge(), Ok(()));
        assert_eq!(decay(), Ok(()));
        assert_eq!(flush_thread_cache(), Ok(()));
    }

    #[test]
    fn a_key_that_is_not_there_is_refused_by_name() {
        let refused = command(c"arena.4096.no_such_key").expect_err("there is no such key");
        assert_eq!(refused, Refused { key: "arena.4096.no_such_key", arena: None, why: Refusal::NoSuchKey });
        assert!(refused.to_string().contains("no_such_key"));
        assert!(refused.remedy().contains("5.3"));
    }
}
