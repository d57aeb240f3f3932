//! jemalloc's statistics, all of one refresh.

use crate::ReadError;
use crate::read::{Ctl, Key};

/// How often the statistics are refreshed again when another thread refreshed them while they were read. Each try costs
/// some microseconds per arena, so a figure that is said to be torn is cheaper than a certain one.
const TRIES: usize = 3;

/// jemalloc's figures after one refresh. Bytes, unless the name begins with `p`: those are pages of `page_bytes`.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct JemallocStats {
    /// `arenas.page`.
    pub page_bytes: u64,
    /// `stats.allocated`: handed out, with blocks that threads cache and jemalloc's internal ones.
    pub allocated_bytes: u64,
    /// `stats.active`: pages of extents in use.
    pub active_bytes: u64,
    /// `stats.mapped`: active, dirty, muzzy and metadata; address space, not memory.
    pub mapped_bytes: u64,
    /// `stats.retained`: addresses kept without memory.
    pub retained_bytes: u64,
    /// `stats.resident`: jemalloc's upper bound of what is resident. It leaves muzzy pages out, which RSS counts.
    pub resident_bytes: u64,
    /// `stats.metadata`: base and internal.
    pub metadata_bytes: u64,
    /// `stats.arenas.4096.internal`: inside both allocated and metadata.
    pub internal_bytes: u64,
    /// `stats.arenas.4096.base`: handed out of base blocks.
    pub base_allocated_bytes: u64,
    /// `stats.arenas.4096.tcache_bytes`.
    pub tcache_bytes: u64,
    /// `stats.arenas.4096.tcache_stashed_bytes`.
    pub tcache_stashed_bytes: u64,
    /// `stats.arenas.4096.pactive`.
    pub pactive: u64,
    /// `stats.arenas.4096.pdirty`.
    pub pdirty: u64,
    /// `stats.arenas.4096.pmuzzy`.
    pub pmuzzy: u64,
    /// `stats.arenas.4096.dirty_purged` and `muzzy_purged`: pages that were ever given back, resident or not.
    pub ppurged: u64,
    /// Whether all of the above are of one refresh: no other thread refreshed meanwhile.
    pub one_epoch: bool,
}

/// Refreshes jemalloc's statistics and reads them.
///
/// One refresh costs 4 to 8 µs for each arena that exists (jemalloc visits 200 sizes of extents in each), under a lock
/// that every reader of the interface takes; the reads after it are some tens of nanoseconds each. Allocates nothing on
/// the heap. If another thread refreshes meanwhile, it is done again, a few times; then `one_epoch` is false, and only
/// identities between figures are in doubt.
///
/// # Errors
///
/// [`ReadError::StatsOff`] if jemalloc was built without statistics, [`ReadError::Key`] if it does not answer.
pub fn stats(ctl: &impl Ctl) -> Result<JemallocStats, ReadError> {
    if !ctl.flag(Key::ConfigStats)? {
        return Err(ReadError::StatsOff);
    }
    let mut read = JemallocStats::default();
    for _ in 0..TRIES {
        let epoch = ctl.refresh()?;
        read = read_once(ctl)?;
        // The number is read after the figures: if it is ours still, nobody refreshed between the first and the last.
        read.one_epoch = ctl.unsigned(Key::Epoch)? == epoch;
        if read.one_epoch {
            break;
        }
    }
    Ok(read)
}

fn read_once(ctl: &impl Ctl) -> Result<JemallocStats, ReadError> {
    Ok(JemallocStats {
        page_bytes: ctl.unsigned(Key::Page)?,
        allocated_bytes: ctl.unsigned(Key::Allocated)?,
        active_bytes: ctl.unsigned(Key::Active)?,
        mapped_bytes: ctl.unsigned(Key::Mapped)?,
        retained_bytes: ctl.unsigned(Key::Retained)?,
        resident_bytes: ctl.unsigned(Key::Resident)?,
        metadata_bytes: ctl.unsigned(Key::Metadata)?,
        internal_bytes: ctl.unsigned(Key::Internal)?,
        base_allocated_bytes: ctl.unsigned(Key::Base)?,
        tcache_bytes: ctl.unsigned(Key::TcacheBytes)?,
        tcache_stashed_bytes: ctl.unsigned(Key::TcacheStashedBytes)?,
        pactive: ctl.unsigned(Key::Pactive)?,
        pdirty: ctl.unsigned(Key::Pdirty)?,
        pmuzzy: ctl.unsigned(Key::Pmuzzy)?,
        ppurged: ctl.unsigned(Key::DirtyPurged)?.wrapping_add(ctl.unsigned(Key::MuzzyPurged)?),
        one_epoch: false,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A jemalloc without statistics, or one whose statistics others refresh `others` more times.
    struct Fake {
        stats: bool,
        epoch: Cell<u64>,
        others: Cell<u64>,
    }

    impl Fake {
        fn new(stats: bool, others: u64) -> Self {
            Self { stats, epoch: Cell::new(0), others: Cell::new(others) }
        }
    }

    impl Ctl for Fake {
        fn unsigned(&self, key: Key) -> Result<u64, ReadError> {
            match key {
                Key::Epoch => Ok(self.epoch.get()),
                Key::Pdirty if self.others.get() > 0 => {
                    self.others.set(self.others.get() - 1);
                    self.epoch.set(self.epoch.get() + 1);
                    Ok(1)
                }
                _ => Ok(0),
            }
        }
        fn signed(&self, key: Key) -> Result<i64, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn flag(&self, key: Key) -> Result<bool, ReadError> {
            assert_eq!(key, Key::ConfigStats);
            Ok(self.stats)
        }
        fn knows(&self, key: Key) -> Result<bool, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn word(&self, key: Key) -> Result<&'static str, ReadError> {
            Err(ReadError::Key { key: key.name() })
        }
        fn refresh(&self) -> Result<u64, ReadError> {
            assert!(self.stats, "without statistics there is nothing to refresh");
            self.epoch.set(self.epoch.get() + 1);
            Ok(self.epoch.get())
        }
        fn arena_initialized(&self, _: u32) -> Result<bool, ReadError> {
            Ok(true)
        }
    }

    #[test]
    fn a_jemalloc_without_statistics_is_a_typed_error_with_a_remedy() {
        let error = stats(&Fake::new(false, 0)).expect_err("there are none");
        assert_eq!(error, ReadError::StatsOff);
        assert!(error.remedy().contains("tikv-jemallocator"));
    }

    #[test]
    fn a_quiet_process_refreshes_once() {
        let fake = Fake::new(true, 0);
        assert!(stats(&fake).is_ok_and(|read| read.one_epoch));
        assert_eq!(fake.epoch.get(), 1);
    }

    #[test]
    fn figures_of_two_epochs_are_read_again_and_then_called_torn() {
        assert!(stats(&Fake::new(true, 2)).is_ok_and(|read| read.one_epoch));
        let fake = Fake::new(true, 1000);
        assert!(stats(&fake).is_ok_and(|read| !read.one_epoch && read.pdirty == 1));
        assert_eq!(fake.others.get(), 1000 - TRIES as u64);
    }
}
