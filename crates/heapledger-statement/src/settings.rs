//! The table of settings: what decides how the figures behave, as it was read.

use std::borrow::Cow;

use crate::Why;

/// Names a setting; [`SettingId::row`] is its row of [`SETTINGS`].
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SettingId {
    /// Threads of the process.
    Threads,
    /// jemalloc's version.
    JemallocVersion,
    /// Whether jemalloc keeps statistics.
    ConfigStats,
    /// jemalloc's page size.
    PageBytes,
    /// Arenas that jemalloc may use.
    Narenas,
    /// Arenas that exist.
    ArenasInitialized,
    /// Whether background threads purge.
    BackgroundThread,
    /// How many of them there may be.
    MaxBackgroundThreads,
    /// Decay time of dirty pages in arenas to come.
    DirtyDecayMs,
    /// Decay time of muzzy pages in arenas to come.
    MuzzyDecayMs,
    /// Whether threads cache blocks.
    Tcache,
    /// Size from which a block gets the oversize arena.
    OversizeThresholdBytes,
    /// Whether jemalloc keeps addresses.
    Retain,
    /// Arenas by CPU.
    PercpuArena,
    /// Huge page allocator.
    Hpa,
    /// jemalloc's use of huge pages.
    Thp,
    /// jemalloc's use of huge pages for metadata.
    MetadataThp,
    /// The kernel's setting of huge pages.
    SystemThp,
}

/// One row of the table of settings.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Which setting it is.
    pub id: SettingId,
    /// Its id in the JSON.
    pub key: &'static str,
    /// What it is read from.
    pub source: &'static str,
    /// What it decides.
    pub doc: &'static str,
}

macro_rules! settings {
    ($($id:ident, $key:literal, $source:literal, $doc:literal;)*) => {
        /// Every setting, in the order of [`SettingId`].
        pub static SETTINGS: [Setting; [$(SettingId::$id),*].len()] =
            [$(Setting { id: SettingId::$id, key: $key, source: $source, doc: $doc }),*];
    };
}

settings! {
    Threads, "threads", "/proc/self/status: Threads", "The number of threads, jemalloc's background threads included.";
    JemallocVersion, "jemalloc_version", "mallctl version", "The version of the jemalloc that is linked.";
    ConfigStats, "config_stats", "mallctl config.stats",
        "Whether jemalloc was built with statistics. Without them every line that jemalloc states is unknown.";
    PageBytes, "page_bytes", "mallctl arenas.page",
        "The page size that jemalloc counts in; a multiple of the kernel's.";
    Narenas, "narenas", "mallctl arenas.narenas", "How many arenas there can be now; most of them may not exist yet.";
    ArenasInitialized, "arenas_initialized", "mallctl arena.<i>.initialized",
        "How many arenas exist. Each costs a summary 4 to 8 microseconds and has decay clocks and metadata of its own.";
    BackgroundThread, "background_thread", "mallctl background_thread",
        "Whether background threads purge. Without them dirty pages of an idle process never decay.";
    MaxBackgroundThreads, "max_background_threads", "mallctl max_background_threads",
        "How many background threads there may be; arenas share them.";
    DirtyDecayMs, "dirty_decay_ms", "mallctl arenas.dirty_decay_ms",
        "How long dirty pages stay in arenas made from now on: -1 is for ever, 0 not at all. Arenas can differ.";
    MuzzyDecayMs, "muzzy_decay_ms", "mallctl arenas.muzzy_decay_ms",
        "The same for muzzy pages. 0, the default, means that dirty pages are given back at once when they decay.";
    Tcache, "tcache", "mallctl opt.tcache", "Whether new threads cache freed blocks.";
    OversizeThresholdBytes, "oversize_threshold_bytes", "mallctl opt.oversize_threshold",
        "Blocks of this size and more get an arena of their own, without decay; 0 turns that off.";
    Retain, "retain", "mallctl opt.retain", "Whether jemalloc keeps the addresses of memory that it gives back.";
    PercpuArena, "percpu_arena", "mallctl opt.percpu_arena",
        "Whether a thread uses the arena of the CPU that it runs on.";
    Hpa, "hpa", "mallctl opt.hpa",
        "Whether jemalloc's huge page allocator is on. It breaks the identity that bounds jemalloc's metadata.";
    Thp, "thp", "mallctl opt.thp", "Whether jemalloc asks for huge pages, forbids them or leaves them to the kernel.";
    MetadataThp, "metadata_thp", "mallctl opt.metadata_thp", "The same for jemalloc's own records.";
    SystemThp, "system_thp", "/sys/kernel/mm/transparent_hugepage/enabled, read once",
        "Whether the kernel gives huge pages to everybody (always), on request (madvise) or never.";
}

impl SettingId {
    /// Its row of the table.
    pub fn row(self) -> &'static Setting {
        // The rows stand in the order of the enum, which a test asserts.
        &SETTINGS[self as usize]
    }

    /// The setting with this JSON id; `None` if this version of the table has none.
    pub fn from_key(key: &str) -> Option<Self> {
        SETTINGS.iter().find(|row| row.key == key).map(|row| row.id)
    }
}

/// A setting as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SettingValue {
    /// On or off.
    Flag(bool),
    /// A number, in the unit that the setting's name ends with.
    Count(i64),
    /// A word.
    Text(Cow<'static, str>),
    /// It could not be read.
    Unknown(Why),
}

impl SettingValue {
    /// A number, or unknown if it does not fit 63 bits.
    pub fn count(number: u64) -> Self {
        i64::try_from(number).map_or_else(
            |_| Self::Unknown(Why::new("the number does not fit 63 bits", "report it with this summary")),
            Self::Count,
        )
    }
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(true) => out.write_str("on"),
            Self::Flag(false) => out.write_str("off"),
            Self::Count(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_str(text),
            Self::Unknown(_) => out.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_setting_is_unique_documented_and_in_the_order_of_the_enum() {
        let mut keys = HashSet::new();
        for (place, row) in SETTINGS.iter().enumerate() {
            assert_eq!(row.id as usize, place, "{}", row.key);
            assert!(keys.insert(row.key), "{} stands twice", row.key);
            assert!(row.doc.ends_with('.') && !row.source.is_empty(), "{}", row.key);
            assert_eq!(SettingId::from_key(row.key), Some(row.id));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_unknown() {
        assert_eq!(SettingValue::count(3), SettingValue::Count(3));
        assert!(matches!(SettingValue::count(u64::MAX), SettingValue::Unknown(_)));
    }
}
