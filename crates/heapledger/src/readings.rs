//! Joins what the other crates read into the plain numbers that a summary is made from.

use std::time::Instant;

use heapledger_alloc::{CLASS_BYTES, RegionTotals, read_requested, read_totals};
use heapledger_core::{fallen_names, region_count, region_info};
use heapledger_probe::read::{self, Cgroup, Jemalloc, JemallocStats, Roots, Status, Thp};
use heapledger_statement::{
    CgroupReading, FallenNames, Flow, JemallocReading, Reading, Readings, RegionReading, StatusReading, ThpMode, Why,
};

use crate::{Error, own_tables, settings};

/// Room for regions that are named while the readings are taken.
const SPARE_REGIONS: usize = 8;

/// Takes all readings, then makes values of them.
///
/// Order: facts that may allocate once come first; then status, counters, jemalloc's statistics and the counters again,
/// adjoining and without any use of the heap, so that what differs between them is other threads' doing.
pub(crate) fn take() -> Result<Readings, Error> {
    let started = Instant::now();
    let system = Roots::system();
    let regions = region_count() + SPARE_REGIONS;
    let mut totals = buffer::<RegionTotals>(regions)?;
    let mut later = buffer::<heapledger_alloc::Flow>(regions)?;
    let cgroup = read::cgroup();
    let thp = read::system_thp();
    let jemalloc_settings = read::settings(&Jemalloc);

    let status = read::status(system);
    read_totals(&mut totals);
    let stats = read::stats(&Jemalloc);
    read_requested(&mut later);
    let cost = started.elapsed();

    let all_seen = region_count() <= regions;
    Ok(Readings {
        pid: Some(std::process::id()),
        stage: None,
        traffic_bytes: if all_seen { Some(traffic(&totals, &later)) } else { None },
        regions: totals.iter().enumerate().filter_map(|(index, totals)| region(index, totals)).collect(),
        status: status_reading(&status),
        jemalloc: reading(stats).map(|stats| jemalloc_reading(&stats, jemalloc_settings.hpa == Ok(true))),
        cgroup: cgroup_reading(&cgroup),
        own_tables: Ok(own_tables::account()),
        fallen_names: fallen_names_reading(),
        system_thp: reading(thp).map(thp_mode),
        settings: settings::values(&jemalloc_settings, &status, thp),
        cost_ns: u64::try_from(cost.as_nanos()).ok(),
    })
}

fn buffer<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { bytes: len * size_of::<T>() })?;
    buffer.resize(len, T::default());
    Ok(buffer)
}

/// Bytes requested and freed between the two readings of the counters.
fn traffic(totals: &[RegionTotals], later: &[heapledger_alloc::Flow]) -> Flow {
    totals.iter().zip(later).fold(Flow::default(), |sum, (before, after)| {
        let before = before.requested_bytes;
        Flow {
            allocated: sum.allocated.wrapping_add(after.allocated.wrapping_sub(before.allocated)),
            freed: sum.freed.wrapping_add(after.freed.wrapping_sub(before.freed)),
        }
    })
}

/// `None` for an index that no region has.
fn region(index: usize, totals: &RegionTotals) -> Option<RegionReading> {
    let info = region_info(index)?;
    let classes = totals.small_blocks.iter().zip(&CLASS_BYTES).map(|(count, bytes)| (*bytes, flow(*count)));
    Some(RegionReading {
        name: info.name.into(),
        index,
        generation: info.id.generation(),
        retired: info.retired,
        requested_bytes: flow(totals.requested_bytes),
        classes: classes.filter(|(_, count)| *count != Flow::default()).collect(),
        large_blocks: flow(totals.large_blocks),
        large_usable_bytes: flow(totals.large_usable_bytes),
    })
}

fn flow(words: heapledger_alloc::Flow) -> Flow {
    Flow::new(words.allocated, words.freed)
}

/// The reason of the probe in the words of a statement.
pub(crate) fn reading<T>(result: Result<T, heapledger_probe::ReadError>) -> Reading<T> {
    result.map_err(|error| Why::new(error.to_string(), error.remedy()))
}

fn status_reading(status: &Status) -> StatusReading {
    StatusReading {
        rss_bytes: reading(status.rss_bytes),
        rss_anon_bytes: reading(status.rss_anon_bytes),
        rss_file_bytes: reading(status.rss_file_bytes),
        rss_shmem_bytes: reading(status.rss_shmem_bytes),
        peak_rss_bytes: reading(status.peak_rss_bytes),
        swap_bytes: reading(status.swap_bytes),
        page_tables_bytes: reading(status.page_tables_bytes),
    }
}

fn jemalloc_reading(stats: &JemallocStats, hpa: bool) -> JemallocReading {
    JemallocReading {
        page_bytes: stats.page_bytes,
        allocated_bytes: stats.allocated_bytes,
        mapped_bytes: stats.mapped_bytes,
        retained_bytes: stats.retained_bytes,
        tcache_bytes: stats.tcache_bytes,
        tcache_stashed_bytes: stats.tcache_stashed_bytes,
        internal_bytes: stats.internal_bytes,
        base_allocated_bytes: stats.base_allocated_bytes,
        pactive: stats.pactive,
        pdirty: stats.pdirty,
        pmuzzy: stats.pmuzzy,
        hpa,
        one_epoch: stats.one_epoch,
    }
}

fn cgroup_reading(cgroup: &Cgroup) -> CgroupReading {
    CgroupReading { current_bytes: reading(cgroup.current_bytes), limit_bytes: reading(cgroup.limit_bytes) }
}

fn fallen_names_reading() -> FallenNames {
    let fallen = fallen_names();
    FallenNames { to_parent: fallen.to_parent, to_other: fallen.to_other, refused: fallen.refused }
}

fn thp_mode(thp: Thp) -> ThpMode {
    match thp {
        Thp::Always => ThpMode::Always,
        Thp::Madvise => ThpMode::Madvise,
        Thp::Never => ThpMode::Never,
    }
}
