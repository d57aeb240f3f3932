//! Settings as they were read, under the names of the statement's table.

use heapledger_probe::ReadError;
use heapledger_probe::read::{JemallocSettings, Status, Thp};
use heapledger_statement::{SettingId, SettingValue};

use crate::readings::reading;

/// In the order of the table.
pub(crate) fn values(
    jemalloc: &JemallocSettings,
    status: &Status,
    thp: Result<Thp, ReadError>,
) -> Vec<(SettingId, SettingValue)> {
    vec![
        (SettingId::Threads, count(status.threads)),
        (SettingId::JemallocVersion, word(jemalloc.version)),
        (SettingId::ConfigStats, flag(jemalloc.config_stats)),
        (SettingId::PageBytes, count(jemalloc.page_bytes)),
        (SettingId::Narenas, count(jemalloc.narenas)),
        (SettingId::ArenasInitialized, count(jemalloc.arenas_initialized)),
        (SettingId::BackgroundThread, flag(jemalloc.background_thread)),
        (SettingId::MaxBackgroundThreads, count(jemalloc.max_background_threads)),
        (SettingId::DirtyDecayMs, value(jemalloc.dirty_decay_ms, SettingValue::Count)),
        (SettingId::MuzzyDecayMs, value(jemalloc.muzzy_decay_ms, SettingValue::Count)),
        (SettingId::Tcache, flag(jemalloc.tcache)),
        (SettingId::OversizeThresholdBytes, count(jemalloc.oversize_threshold_bytes)),
        (SettingId::Retain, flag(jemalloc.retain)),
        (SettingId::PercpuArena, word(jemalloc.percpu_arena)),
        (SettingId::Hpa, flag(jemalloc.hpa)),
        (SettingId::Thp, word(jemalloc.thp)),
        (SettingId::MetadataThp, word(jemalloc.metadata_thp)),
        (SettingId::SystemThp, word(thp.map(Thp::word))),
    ]
}

fn value<T>(read: Result<T, ReadError>, known: impl FnOnce(T) -> SettingValue) -> SettingValue {
    reading(read).map_or_else(SettingValue::Unknown, known)
}

fn count(read: Result<u64, ReadError>) -> SettingValue {
    value(read, SettingValue::count)
}

fn flag(read: Result<bool, ReadError>) -> SettingValue {
    value(read, SettingValue::Flag)
}

fn word(read: Result<&'static str, ReadError>) -> SettingValue {
    value(read, |word| SettingValue::Text(word.into()))
}
