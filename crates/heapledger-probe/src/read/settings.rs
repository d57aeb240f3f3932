//! jemalloc's settings, as they are now.

use crate::ReadError;
use crate::read::{Ctl, Key};

/// Settings that decide how jemalloc's figures behave. Each is read by itself; one that is not answered leaves the
/// others.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JemallocSettings {
    /// `version`.
    pub version: Result<&'static str, ReadError>,
    /// `config.stats`.
    pub config_stats: Result<bool, ReadError>,
    /// `arenas.page`, bytes.
    pub page_bytes: Result<u64, ReadError>,
    /// `arenas.narenas`: how many arenas there can be now.
    pub narenas: Result<u64, ReadError>,
    /// How many arenas exist.
    pub arenas_initialized: Result<u64, ReadError>,
    /// `background_thread`.
    pub background_thread: Result<bool, ReadError>,
    /// `max_background_threads`.
    pub max_background_threads: Result<u64, ReadError>,
    /// `arenas.dirty_decay_ms`: of arenas to come; -1 is never.
    pub dirty_decay_ms: Result<i64, ReadError>,
    /// `arenas.muzzy_decay_ms`: of arenas to come; -1 is never.
    pub muzzy_decay_ms: Result<i64, ReadError>,
    /// `opt.tcache`.
    pub tcache: Result<bool, ReadError>,
    /// `opt.oversize_threshold`, bytes.
    pub oversize_threshold_bytes: Result<u64, ReadError>,
    /// Index of the arena for oversize blocks (`opt.narenas`), which exists once there was one.
    pub oversize_arena: Result<u64, ReadError>,
    /// `opt.retain`.
    pub retain: Result<bool, ReadError>,
    /// `opt.percpu_arena`.
    pub percpu_arena: Result<&'static str, ReadError>,
    /// `opt.hpa`.
    pub hpa: Result<bool, ReadError>,
    /// `opt.thp`.
    pub thp: Result<&'static str, ReadError>,
    /// `opt.metadata_thp`.
    pub metadata_thp: Result<&'static str, ReadError>,
}

/// Reads the settings. Allocates nothing; some tens of nanoseconds per setting and per arena that exists.
pub fn settings(ctl: &impl Ctl) -> JemallocSettings {
    let narenas = ctl.unsigned(Key::Narenas);
    let percpu_arena = ctl.word(Key::OptPercpuArena);
    JemallocSettings {
        version: ctl.word(Key::Version),
        config_stats: ctl.flag(Key::ConfigStats),
        page_bytes: ctl.unsigned(Key::Page),
        narenas,
        arenas_initialized: narenas.and_then(|narenas| {
            let automatic = ctl.unsigned(Key::OptNarenas)?;
            // Without a CPU to go by, a thread gets the first arena that does not exist yet, so those that exist lead.
            let in_order = percpu_arena? == "disabled";
            count_initialized(ctl, narenas, if in_order { automatic } else { 0 })
        }),
        background_thread: ctl.flag(Key::BackgroundThread),
        max_background_threads: ctl.unsigned(Key::MaxBackgroundThreads),
        dirty_decay_ms: ctl.signed(Key::DirtyDecayMs),
        muzzy_decay_ms: ctl.signed(Key::MuzzyDecayMs),
        tcache: ctl.flag(Key::OptTcache),
        oversize_threshold_bytes: ctl.unsigned(Key::OptOversizeThreshold),
        oversize_arena: ctl.unsigned(Key::OptNarenas),
        retain: ctl.flag(Key::OptRetain),
        percpu_arena,
        hpa: ctl.flag(Key::OptHpa),
        thp: ctl.word(Key::OptThp),
        metadata_thp: ctl.word(Key::OptMetadataThp),
    }
}

/// Counts the arenas that exist among `narenas`, of which the first `in_order` come into being one after the other:
/// after the first that is missing, the rest of those need not be asked for, of which there can be hundreds.
fn count_initialized(ctl: &impl Ctl, narenas: u64, in_order: u64) -> Result<u64, ReadError> {
    let mut count = 0;
    let mut index = 0;
    while index < narenas {
        let arena = u32::try_from(index).map_err(|_| ReadError::Key { key: Key::ArenaInitialized.name() })?;
        if ctl.arena_initialized(arena)? {
            count += 1;
        } else if index < in_order {
            // What lies beyond them, the oversize arena and arenas made by hand, is asked for one by one.
            index = in_order.min(narenas);
            continue;
        }
        index += 1;
    }
    Ok(count)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::read::Jemalloc;

    /// Answers no key, and says of these arenas that they exist.
    pub(in crate::read) struct Arenas<'a>(pub(in crate::read) &'a [u32], pub(in crate::read) Cell<usize>);

    impl Ctl for Arenas<'_> {
        fn unsigned(&self, key: Key) -> Result<u64, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn signed(&self, key: Key) -> Result<i64, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn flag(&self, key: Key) -> Result<bool, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn knows(&self, key: Key) -> Result<bool, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn word(&self, key: Key) -> Result<&'static str, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn refresh(&self) -> Result<u64, ReadError> {
            Err(ReadError::StatsOff)
        }
        fn arena_initialized(&self, index: u32) -> Result<bool, ReadError> {
            self.1.set(self.1.get() + 1);
            Ok(self.0.contains(&index))
        }
    }

    #[test]
    fn arenas_that_exist_are_counted_without_asking_for_all_that_do_not() {
        let arenas = Arenas(&[0, 1, 2, 256, 258], Cell::new(0));
        assert_eq!(count_initialized(&arenas, 259, 256), Ok(5));
        assert_eq!(arenas.1.get(), 7, "three that exist, one that does not, and three beyond the automatic ones");
        let arenas = Arenas(&[7, 200], Cell::new(0));
        assert_eq!(count_initialized(&arenas, 257, 0), Ok(2));
        assert_eq!(count_initialized(&Arenas(&[], Cell::new(0)), 0, 8), Ok(0));
    }

    #[test]
    fn the_short_count_of_the_linked_jemalloc_equals_the_long_one() {
        let narenas = Jemalloc.unsigned(Key::Narenas).expect("jemalloc answers");
        let read = settings(&Jemalloc);
        assert_eq!(read.arenas_initialized, count_initialized(&Jemalloc, narenas, 0));
        assert!(read.arenas_initialized.is_ok_and(|count| count >= 1));
        assert_eq!(read.config_stats, Ok(true));
        assert!(read.version.is_ok_and(|version| version.starts_with("5.")));
        assert_eq!(read.dirty_decay_ms, Ok(10_000));
    }

    #[test]
    fn a_setting_that_is_not_answered_is_an_error_of_its_own() {
        let read = settings(&Arenas(&[], Cell::new(0)));
        assert_eq!(read.thp, Err(ReadError::Key { key: "opt.thp" }));
        assert!(read.arenas_initialized.is_err());
    }
}
