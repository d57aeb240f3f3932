//! jemalloc's control interface, one typed read at a time, through MIBs that are looked up once.
//!
//! The unsafe part of reading jemalloc: each key is read as the type that its row of [`KEYS`] states, and every type is
//! a plain number or a pointer to a string that jemalloc never frees.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_uint};

use tikv_jemalloc_ctl::raw;

use super::mibs::{look_up, mib};
use crate::ReadError;

/// The type that jemalloc declares for a key.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Kind {
    /// `size_t`.
    Size,
    /// `ssize_t`.
    SignedSize,
    /// `unsigned`.
    Unsigned,
    /// `bool`.
    Flag,
    /// `const char *`.
    Word,
    /// `uint64_t`.
    Number,
}

macro_rules! keys {
    ($($id:ident, $kind:ident, $name:literal;)*) => {
        /// The keys that are read.
        #[derive(Copy, Clone, Debug, Eq, PartialEq)]
        #[allow(missing_docs, reason = "each is named after the key beside it in the table")]
        #[non_exhaustive]
        pub enum Key { $($id),* }

        pub(super) const ALL: [Key; [$(Key::$id),*].len()] = [$(Key::$id),*];

        /// Name and type of each key, in the order of [`Key`].
        static KEYS: [(&CStr, Kind); [$(Key::$id),*].len()] = [$(($name, Kind::$kind)),*];
    };
}

keys! {
    Epoch, Number, c"epoch";
    ConfigStats, Flag, c"config.stats";
    Version, Word, c"version";
    Page, Size, c"arenas.page";
    Narenas, Unsigned, c"arenas.narenas";
    ArenaInitialized, Flag, c"arena.0.initialized";
    BackgroundThread, Flag, c"background_thread";
    MaxBackgroundThreads, Size, c"max_background_threads";
    DirtyDecayMs, SignedSize, c"arenas.dirty_decay_ms";
    MuzzyDecayMs, SignedSize, c"arenas.muzzy_decay_ms";
    OptNarenas, Unsigned, c"opt.narenas";
    OptTcache, Flag, c"opt.tcache";
    OptOversizeThreshold, Size, c"opt.oversize_threshold";
    OptRetain, Flag, c"opt.retain";
    OptPercpuArena, Word, c"opt.percpu_arena";
    OptHpa, Flag, c"opt.hpa";
    OptDisableLargeSizeClasses, Flag, c"opt.disable_large_size_classes";
    OptCacheOblivious, Flag, c"opt.cache_oblivious";
    OptThp, Word, c"opt.thp";
    OptMetadataThp, Word, c"opt.metadata_thp";
    Allocated, Size, c"stats.allocated";
    Active, Size, c"stats.active";
    Mapped, Size, c"stats.mapped";
    Retained, Size, c"stats.retained";
    Resident, Size, c"stats.resident";
    Metadata, Size, c"stats.metadata";
    Pactive, Size, c"stats.arenas.4096.pactive";
    Pdirty, Size, c"stats.arenas.4096.pdirty";
    Pmuzzy, Size, c"stats.arenas.4096.pmuzzy";
    DirtyPurged, Number, c"stats.arenas.4096.dirty_purged";
    MuzzyPurged, Number, c"stats.arenas.4096.muzzy_purged";
    Internal, Size, c"stats.arenas.4096.internal";
    Base, Size, c"stats.arenas.4096.base";
    TcacheBytes, Size, c"stats.arenas.4096.tcache_bytes";
    TcacheStashedBytes, Size, c"stats.arenas.4096.tcache_stashed_bytes";
}

impl Key {
    /// Its name in jemalloc's manual.
    pub fn name(self) -> &'static str {
        // The names are ASCII, so this never falls back.
        self.row().0.to_str().unwrap_or_default()
    }

    fn row(self) -> &'static (&'static CStr, Kind) {
        &KEYS[self as usize]
    }

    /// As jemalloc takes it.
    pub(super) fn c_name(self) -> &'static CStr {
        self.row().0
    }

    pub(super) fn error(self) -> ReadError {
        ReadError::Key { key: self.name() }
    }
}

/// Answers keys. [`Jemalloc`] does; tests put others in its place.
///
/// A key must be asked for by the method of its type; by another it is an error, never a wrong number.
pub trait Ctl {
    /// A number without sign.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if the key is not answered.
    fn unsigned(&self, key: Key) -> Result<u64, ReadError>;

    /// A number with a sign.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if the key is not answered.
    fn signed(&self, key: Key) -> Result<i64, ReadError>;

    /// On or off.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if the key is not answered.
    fn flag(&self, key: Key) -> Result<bool, ReadError>;

    /// Whether this jemalloc has such a key at all. One of another version may lack a setting, and then does what that
    /// setting would change in the one way that it knows; a key that it has and does not answer says nothing.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if jemalloc does not say even that.
    fn knows(&self, key: Key) -> Result<bool, ReadError>;

    /// A word.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if the key is not answered.
    fn word(&self, key: Key) -> Result<&'static str, ReadError>;

    /// Refreshes all statistics, which until then stay what they were; the number of the refresh.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if jemalloc refuses.
    fn refresh(&self) -> Result<u64, ReadError>;

    /// Whether the arena with this index exists.
    ///
    /// # Errors
    ///
    /// [`ReadError::Key`] if there can be no such arena.
    fn arena_initialized(&self, index: u32) -> Result<bool, ReadError>;
}

/// The jemalloc that is linked into this program.
///
/// A read takes jemalloc's lock of its control interface and copies a number: some tens of nanoseconds. A refresh
/// visits every arena that exists, at 4 to 8 µs each. Nothing of it may be called from a signal handler or an
/// allocator's hook.
#[derive(Copy, Clone, Debug, Default)]
pub struct Jemalloc;

impl Ctl for Jemalloc {
    fn unsigned(&self, key: Key) -> Result<u64, ReadError> {
        match key.row().1 {
            Kind::Size => {
                // SAFETY: the key's type is size_t, for which every bit pattern is a usize.
                let value = unsafe { read::<usize>(key) }?;
                u64::try_from(value).map_err(|_| key.error())
            }
            // SAFETY: the key's type is unsigned, for which every bit pattern is a c_uint.
            Kind::Unsigned => unsafe { read::<c_uint>(key) }.map(u64::from),
            // SAFETY: the key's type is uint64_t.
            Kind::Number => unsafe { read::<u64>(key) },
            _ => Err(key.error()),
        }
    }

    fn signed(&self, key: Key) -> Result<i64, ReadError> {
        if key.row().1 != Kind::SignedSize {
            return Err(key.error());
        }
        // SAFETY: the key's type is ssize_t, for which every bit pattern is an isize.
        let value = unsafe { read::<isize>(key) }?;
        i64::try_from(value).map_err(|_| key.error())
    }

    fn flag(&self, key: Key) -> Result<bool, ReadError> {
        if key.row().1 != Kind::Flag {
            return Err(key.error());
        }
        // SAFETY: the key's type is bool, one byte; it is read as a number, for which every bit pattern is valid.
        unsafe { read::<u8>(key) }.map(|byte| byte != 0)
    }

    fn knows(&self, key: Key) -> Result<bool, ReadError> {
        look_up(key).map(|known| known.is_some())
    }

    fn word(&self, key: Key) -> Result<&'static str, ReadError> {
        if key.row().1 != Kind::Word {
            return Err(key.error());
        }
        // SAFETY: the key's type is a pointer.
        let word = unsafe { read::<*const c_char>(key) }?;
        if word.is_null() {
            return Err(key.error());
        }
        // SAFETY: version and the options point to constants of jemalloc's, which end with a zero and are never freed.
        let word = unsafe { CStr::from_ptr(word) };
        word.to_str().map_err(|_| key.error())
    }

    fn refresh(&self) -> Result<u64, ReadError> {
        let (mib, depth) = mib(Key::Epoch)?;
        // SAFETY: the key's type is uint64_t. jemalloc ignores the number written and answers the new one, both under
        // one lock; the answer is a u64.
        unsafe { raw::update_mib::<u64>(&mib[..depth], 1) }.map_err(|_| Key::Epoch.error())
    }

    fn arena_initialized(&self, index: u32) -> Result<bool, ReadError> {
        let key = Key::ArenaInitialized;
        let (mut mib, depth) = mib(key)?;
        mib[1] = usize::try_from(index).map_err(|_| key.error())?;
        // SAFETY: the type does not depend on the arena: bool, read as a number.
        unsafe { raw::read_mib::<u8>(&mib[..depth]) }.map(|byte| byte != 0).map_err(|_| key.error())
    }
}

/// # Safety
///
/// * The key's type has the size of `T`, or jemalloc refuses; every bit pattern that it can answer is a `T`.
unsafe fn read<T: Copy>(key: Key) -> Result<T, ReadError> {
    let (mib, depth) = mib(key)?;
    // SAFETY: by the caller.
    unsafe { raw::read_mib::<T>(&mib[..depth]) }.map_err(|_| key.error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_answered_by_the_method_of_its_type_and_by_no_other() {
        for (place, (name, kind)) in KEYS.iter().enumerate() {
            let name = name.to_str().expect("names are ASCII");
            let key = ALL[place];
            assert_eq!(key.name(), name);
            let unsigned = matches!(kind, Kind::Size | Kind::Unsigned | Kind::Number);
            for _ in 0..2 {
                assert_eq!(Jemalloc.unsigned(key).is_ok(), unsigned, "{name}");
                assert_eq!(Jemalloc.signed(key).is_ok(), *kind == Kind::SignedSize, "{name}");
                assert_eq!(Jemalloc.flag(key).is_ok(), *kind == Kind::Flag, "{name}");
                assert_eq!(Jemalloc.word(key).is_ok(), *kind == Kind::Word, "{name}");
            }
        }
    }

    #[test]
    fn a_refresh_raises_the_epoch_by_one() {
        let before = Jemalloc.refresh().expect("jemalloc refreshes");
        let after = Jemalloc.refresh().expect("jemalloc refreshes");
        // Other tests of this process may refresh in between.
        assert!(after > before);
    }

    #[test]
    fn the_first_arena_exists_and_no_arena_beyond_the_last_does() {
        assert_eq!(Jemalloc.arena_initialized(0), Ok(true));
        assert!(Jemalloc.arena_initialized(4095).is_err());
    }
}
