//! What jemalloc says of each arena and each size class.
//!
//! The unsafe part: each key is read as the type that jemalloc declares for it.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_uint};

use tikv_jemalloc_ctl::raw;

use crate::ReadError;
use crate::attribute::{CLASSES, Classes, SLAB_PAGES_MAX};
use crate::read::{Ctl, Jemalloc, Key};

/// Reads a key without an index.
///
/// # Safety
///
/// * The key's type has the size of `T`, or jemalloc refuses; every bit pattern that it can answer is a `T`.
unsafe fn read<T: Copy>(key: &'static CStr) -> Result<T, ReadError> {
    // SAFETY: by the caller.
    unsafe { raw::read(key.to_bytes_with_nul()) }.map_err(|_| error(key))
}

fn error(key: &'static CStr) -> ReadError {
    ReadError::Key { key: key.to_str().unwrap_or_default() }
}

/// A key with an index in its third place, looked up once.
#[derive(Copy, Clone, Debug)]
struct Indexed {
    key: &'static CStr,
    mib: [usize; 4],
}

impl Indexed {
    fn new(key: &'static CStr) -> Result<Self, ReadError> {
        let mut mib = [0; 4];
        raw::name_to_mib(key.to_bytes_with_nul(), &mut mib).map_err(|_| error(key))?;
        Ok(Self { key, mib })
    }

    /// # Safety
    ///
    /// * The key's type has the size of `T`, or jemalloc refuses; every bit pattern that it can answer is a `T`.
    unsafe fn read<T: Copy>(&self, index: usize) -> Result<T, ReadError> {
        let mut mib = self.mib;
        mib[2] = index;
        // SAFETY: by the caller; the type does not depend on the index.
        unsafe { raw::read_mib(&mib) }.map_err(|_| error(self.key))
    }
}

/// The arenas that exist, and how to ask for their sizes.
#[derive(Debug)]
pub(crate) struct Arenas {
    pages: [Indexed; 3],
    retained: Indexed,
    slabs: Bin,
    slots: Bin,
}

/// A key of all arenas' bins, with the class in its fifth place.
#[derive(Copy, Clone, Debug)]
struct Bin {
    key: &'static CStr,
    mib: [usize; 6],
}

impl Bin {
    fn new(key: &'static CStr) -> Result<Self, ReadError> {
        let mut mib = [0; 6];
        raw::name_to_mib(key.to_bytes_with_nul(), &mut mib).map_err(|_| error(key))?;
        Ok(Self { key, mib })
    }

    fn read(&self, class: usize) -> Result<u64, ReadError> {
        let mut mib = self.mib;
        mib[4] = class;
        // SAFETY: numbers of slabs and of slots are of type size_t, for which every bit pattern is a usize.
        unsafe { raw::read_mib::<usize>(&mib) }.map(|count| count as u64).map_err(|_| error(self.key))
    }
}

impl Arenas {
    pub(crate) fn new() -> Result<Self, ReadError> {
        Ok(Self {
            pages: [
                Indexed::new(c"stats.arenas.0.pactive")?,
                Indexed::new(c"stats.arenas.0.pdirty")?,
                Indexed::new(c"stats.arenas.0.pmuzzy")?,
            ],
            retained: Indexed::new(c"stats.arenas.0.retained")?,
            slabs: Bin::new(c"stats.arenas.4096.bins.0.curslabs")?,
            slots: Bin::new(c"stats.arenas.4096.bins.0.curregs")?,
        })
    }

    /// How many arenas there can be now.
    pub(crate) fn count() -> Result<usize, ReadError> {
        let key = Key::Narenas;
        usize::try_from(Jemalloc.unsigned(key)?).map_err(|_| ReadError::Key { key: key.name() })
    }

    /// Whether an arena exists.
    pub(crate) fn exists(index: usize) -> Result<bool, ReadError> {
        let key = Key::ArenaInitialized;
        Jemalloc.arena_initialized(u32::try_from(index).map_err(|_| ReadError::Key { key: key.name() })?)
    }

    /// Slabs of a class, and slots in use, in all arenas, as of the last refresh.
    pub(crate) fn slabs(&self, class: usize) -> Result<(u64, u64), ReadError> {
        Ok((self.slabs.read(class)?, self.slots.read(class)?))
    }

    /// Bytes of active, dirty, muzzy and retained extents of an arena, as of the last refresh.
    pub(crate) fn bytes(&self, index: usize, page_bytes: u64) -> Result<[u64; 4], ReadError> {
        let mut bytes = [0; 4];
        for (place, key) in bytes.iter_mut().zip(&self.pages) {
            // SAFETY: pages of an arena are of type size_t.
            *place = unsafe { key.read::<usize>(index) }? as u64 * page_bytes;
        }
        // SAFETY: this too.
        bytes[3] = unsafe { self.retained.read::<usize>(index) }? as u64;
        Ok(bytes)
    }
}

/// The step of admission that fails where classes are not what the walk takes them for.
const CLASSES_STEP: &str = "size classes";

/// The size classes, as jemalloc has them.
///
/// # Errors
///
/// [`ReadError::NotAdmitted`] if they are not those that pages of 4 KiB give, or if jemalloc does not say what decides
/// the usable bytes of large blocks.
pub(crate) fn classes() -> Result<Classes, ReadError> {
    let step = CLASSES_STEP;
    // SAFETY: of type unsigned.
    let bins = unsafe { read::<c_uint>(c"arenas.nbins") }?;
    if bins as usize != CLASSES {
        return Err(ReadError::NotAdmitted { step, why: "their number is another" });
    }
    let page_bytes = usize::try_from(Jemalloc.unsigned(Key::Page)?).unwrap_or_default();
    let keys = (
        Indexed::new(c"arenas.bin.0.size")?,
        Indexed::new(c"arenas.bin.0.nregs")?,
        Indexed::new(c"arenas.bin.0.slab_size")?,
    );
    let mut classes = Classes {
        slot_bytes: [0; CLASSES],
        slots: [0; CLASSES],
        slab_bytes: [0; CLASSES],
        page_bytes,
        large_pad_bytes: large_pad_bytes(&Jemalloc, page_bytes)?,
    };
    let too_large = ReadError::NotAdmitted { step, why: "a slab is too large" };
    for class in 0..CLASSES {
        // SAFETY: of type size_t.
        let slot = unsafe { keys.0.read::<usize>(class) }?;
        // SAFETY: of type uint32_t.
        classes.slots[class] = unsafe { keys.1.read::<u32>(class) }?;
        // SAFETY: of type size_t.
        let slab = unsafe { keys.2.read::<usize>(class) }?;
        classes.slot_bytes[class] = u32::try_from(slot).map_err(|_| too_large)?;
        classes.slab_bytes[class] =
            u32::try_from(slab).ok().filter(|_| slab <= SLAB_PAGES_MAX * page_bytes).ok_or(too_large)?;
    }
    Ok(classes)
}

/// What the extent of a large block has beyond its usable bytes, if those follow from the extent; `None` if they follow
/// from the class.
///
/// A jemalloc without `opt.disable_large_size_classes` has the classes always. Whether there is a pad matters only where
/// they are off; jemalloc of a version that can do so has the key that tells, and has its pads by default, so nothing is
/// taken for *off* there.
///
/// # Errors
///
/// [`ReadError::NotAdmitted`] with the name of the setting that is not answered: blocks and pads would be off by it.
fn large_pad_bytes(ctl: &impl Ctl, page_bytes: usize) -> Result<Option<usize>, ReadError> {
    let unanswered = |why| ReadError::NotAdmitted { step: CLASSES_STEP, why };
    let classes_off = "opt.disable_large_size_classes is not answered";
    let key = Key::OptDisableLargeSizeClasses;
    if !ctl.knows(key).map_err(|_| unanswered(classes_off))? || !ctl.flag(key).map_err(|_| unanswered(classes_off))? {
        return Ok(None);
    }
    let padded = ctl.flag(Key::OptCacheOblivious).map_err(|_| unanswered("opt.cache_oblivious is not answered"))?;
    Ok(Some(if padded { page_bytes } else { 0 }))
}

/// Settings under which extents are not what the walk takes them for.
///
/// # Errors
///
/// [`ReadError::NotAdmitted`] with the name of the setting; [`ReadError::Key`] if jemalloc does not say how it is set,
/// for then it may be on.
pub(crate) fn refuse_settings(ctl: &impl Ctl) -> Result<(), ReadError> {
    if ctl.flag(Key::OptHpa)? {
        return Err(ReadError::NotAdmitted { step: "settings", why: "opt.hpa is on" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::read::settings::tests::Arenas as Silent;

    /// Says this of the two settings of large blocks: `None` where there is no such key, and an error where there is one
    /// that is not answered.
    struct Large {
        classes_off: Option<Result<bool, ()>>,
        padded: Option<Result<bool, ()>>,
    }

    impl Large {
        fn said(&self, key: Key) -> Option<Result<bool, ()>> {
            match key {
                Key::OptDisableLargeSizeClasses => self.classes_off,
                Key::OptCacheOblivious => self.padded,
                _ => panic!("{key:?} says nothing of large blocks"),
            }
        }
    }

    impl Ctl for Large {
        fn unsigned(&self, key: Key) -> Result<u64, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn signed(&self, key: Key) -> Result<i64, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn flag(&self, key: Key) -> Result<bool, ReadError> {
            self.said(key).and_then(Result::ok).ok_or(ReadError::Key { key: key.name() })
        }
        fn knows(&self, key: Key) -> Result<bool, ReadError> {
            Ok(self.said(key).is_some())
        }
        fn word(&self, key: Key) -> Result<&'static str, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn refresh(&self) -> Result<u64, ReadError> {
            Err(ReadError::StatsOff)
        }
        fn arena_initialized(&self, _: u32) -> Result<bool, ReadError> {
            Ok(false)
        }
    }

    #[test]
    fn usable_bytes_of_large_blocks_follow_from_what_is_answered_and_from_nothing_else() {
        let pad = |classes_off, padded| large_pad_bytes(&Large { classes_off, padded }, 4096);
        let refused = |key: Key| match key {
            Key::OptCacheOblivious => "opt.cache_oblivious is not answered",
            _ => "opt.disable_large_size_classes is not answered",
        };
        let refused = |key| Err(ReadError::NotAdmitted { step: "size classes", why: refused(key) });
        let answers = [None, Some(Err(())), Some(Ok(false)), Some(Ok(true))];
        for padded in answers {
            // By class, whatever is said of pads: the size of an extent decides nothing.
            assert_eq!(pad(None, padded), Ok(None), "a version without the setting");
            assert_eq!(pad(Some(Ok(false)), padded), Ok(None));
            assert_eq!(pad(Some(Err(())), padded), refused(Key::OptDisableLargeSizeClasses));
        }
        assert_eq!(pad(Some(Ok(true)), Some(Ok(true))), Ok(Some(4096)));
        assert_eq!(pad(Some(Ok(true)), Some(Ok(false))), Ok(Some(0)));
        // No version has the one key and lacks the other, so which way it goes is not known.
        assert_eq!(pad(Some(Ok(true)), Some(Err(()))), refused(Key::OptCacheOblivious));
        assert_eq!(pad(Some(Ok(true)), None), refused(Key::OptCacheOblivious));
    }

    #[test]
    fn a_jemalloc_that_does_not_even_say_whether_it_has_the_setting_is_refused() {
        let refused = large_pad_bytes(&Silent(&[], Cell::new(0)), 4096);
        let why = "opt.disable_large_size_classes is not answered";
        assert_eq!(refused, Err(ReadError::NotAdmitted { step: "size classes", why }));
    }

    #[test]
    fn a_setting_that_may_be_on_is_refused_as_one_that_is() {
        assert_eq!(refuse_settings(&Silent(&[], Cell::new(0))), Err(ReadError::Key { key: "opt.hpa" }));
        assert_eq!(refuse_settings(&Jemalloc), Ok(()), "the tests of settings start a process where it is on");
    }
}
