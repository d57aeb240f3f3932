//! Joins what the other crates read into the plain numbers that a summary is made from.

mod counters;

use std::time::{Duration, Instant};

use heapledger_alloc::{table_ranges, threads_left_behind};
use heapledger_core::fallen_names;
use heapledger_probe::ReadError;
use heapledger_probe::read::{self, Cgroup, Jemalloc, JemallocSettings, JemallocStats, Roots, Status, Thp};
use heapledger_statement::{
    CgroupReading, ClockReading, FallenNames, Flow, FullReadings, GlibcReading, JemallocReading, MotionReading,
    Reading, Readings, RollupReading, StatusReading, ThpMode, Why,
};

use counters::Counters;

use crate::mapped::Mapped;
use crate::pages::Pages;
use crate::{Error, clock, mapped, own_tables, settings};

/// Room for tables that are mapped meanwhile.
const SPARE_TABLES: usize = 64;

/// How often the pages are read again because pages of files came or went meanwhile: the first time that code runs, its
/// pages come, sixteen at a time. In a program that maps files all the time there is no quiet moment to wait for.
const TRIES: usize = 3;

/// Room is made for a map of so many bytes, where the kernel does not say how many there are.
const UNKNOWN_HEAP_BYTES: u64 = 1 << 30;

/// What one fault brings in where huge pages are given to everybody.
const HUGE_PAGE_BYTES: u64 = 2 << 20;
const PAGE_BYTES: u64 = 4096;

/// Takes the readings of a summary, then makes values of them.
///
/// Order: facts that may allocate once come first; then status, counters, jemalloc's statistics and the counters again,
/// adjoining and without any use of the heap, so that what differs between them is other threads' doing.
pub(crate) fn take() -> Result<Readings, Error> {
    let started = Instant::now();
    let mut counters = Counters::with_room()?;
    let facts = Facts::find();

    let status = read::status(Roots::system());
    counters.read();
    let stats = read::stats(&Jemalloc);
    counters.read_again();
    let cost = started.elapsed();
    Ok(facts.join(&counters, &status, stats, cost))
}

/// Takes the readings of a statement. The buffers of the walk are readied with the facts; then come status, counters,
/// statistics, pages with the ledger's own tables last, the counters again and the status that the statement is of.
///
/// If nobody was `warm` before, all is read once in vain, so that no page that the reading itself touches (code, stack,
/// static tables) comes while it is under way.
///
/// With `map` the walk writes a map of the pages, too.
pub(crate) fn take_full(warm: bool, map: bool) -> Result<(Readings, FullReadings, Option<Mapped>), Error> {
    let started = Instant::now();
    let mut counters = Counters::with_room()?;
    let facts = Facts::find();
    let mut tables = vec![(0, 0); table_ranges(&mut []) + SPARE_TABLES];
    let map_of_bytes = map.then(|| read::status(Roots::system()).rss_anon_bytes.unwrap_or(UNKNOWN_HEAP_BYTES));
    let mut pages = Pages::prepare(counters.room(), tables.len(), map_of_bytes);

    if !warm {
        Moment::read(&mut counters, &mut tables, &mut pages);
    }
    let mut tries = 1;
    let mut moment = Moment::read(&mut counters, &mut tables, &mut pages);
    while !moment.files_stood_still() && tries < TRIES {
        moment = Moment::read(&mut counters, &mut tables, &mut pages);
        tries += 1;
    }
    let fault_bytes = facts.fault_bytes();
    let rollup = moment.judge(&pages, fault_bytes);
    let taken = Instant::now();
    let cost = taken - started;

    let motion = MotionReading {
        status_before: status_reading(&moment.before),
        faults: reading(moment.faults),
        fault_bytes,
        heap_still: moment.heap_stood_still(),
        threads_left_behind: threads_left_behind() as u64,
    };
    let oversize_arena = facts.jemalloc.oversize_arena.ok().and_then(|index| u32::try_from(index).ok());
    let readings = facts.join(&counters, &moment.after, moment.stats, cost);
    let walk = pages.reading();
    // After the pages, so that every arena among them has one.
    let decays = clock::decays();
    let clock = ClockReading { oversize_arena, ..clock::reading(decays, &walk, (moment.began, taken), moment.purged) };
    let mapped = map.then(|| Mapped {
        map: pages.take_map(),
        names: mapped::names(&readings),
        purged_bytes: moment.purged,
        faulted_bytes: moment.faulted.map(|faults| faults.map(|faults| faults.saturating_mul(fault_bytes))),
    });
    Ok((readings, FullReadings { walk, motion, clock, glibc: glibc_reading(), rollup }, mapped))
}

/// What is read between the first and the last reading of a statement, without the heap.
struct Moment {
    /// When it began: what it finds is of no time before.
    began: Instant,
    before: Status,
    after: Status,
    stats: Result<JemallocStats, ReadError>,
    stats_after: Result<JemallocStats, ReadError>,
    /// From before the first status to behind the last.
    faults: Result<u64, ReadError>,
    /// Since the process started, before and after.
    faulted: [Option<u64>; 2],
    /// Bytes given back since the process started, before and after.
    purged: [Option<u64>; 2],
}

impl Moment {
    fn read(counters: &mut Counters, tables: &mut [(usize, usize)], pages: &mut Pages) -> Self {
        let began = Instant::now();
        // Faults first and last, so that none between the two words of the kernel is missed.
        let faults_before = read::faults();
        let before = read::status(Roots::system());
        counters.read();
        let stats = read::stats(&Jemalloc);
        let listed = table_ranges(tables).min(tables.len());
        pages.walk(&tables[..listed]);
        counters.read_again();
        // Where threads allocate, only a mark needs to know whether somebody purged; the look costs a refresh.
        let quiet = counters.traffic() == Some(Flow::default());
        let stats_after = if quiet || pages.is_mapping() { read::stats(&Jemalloc) } else { Err(ReadError::StatsOff) };
        let after = read::status(Roots::system());
        let faults_after = read::faults();
        let faults = match (faults_before, faults_after) {
            (Ok(before), Ok(after)) => Ok(after.wrapping_sub(before)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        let purged = |stats: &Result<JemallocStats, ReadError>| {
            stats.as_ref().ok().and_then(|stats| stats.ppurged.checked_mul(stats.page_bytes))
        };
        let purged = [purged(&stats), purged(&stats_after)];
        let faulted = [faults_before.ok(), faults_after.ok()];
        let stats_after = if quiet { stats_after } else { Err(ReadError::StatsOff) };
        Self { began, before, after, stats, stats_after, faults, faulted, purged }
    }

    fn files_stood_still(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        before.rss_file_bytes == after.rss_file_bytes && before.rss_shmem_bytes == after.rss_shmem_bytes
    }

    /// What the page tables have, if the kernel's counters and the pages found are further apart than what moved; asked
    /// only then, for it takes as long as the walk. Whoever is wrong, it is told.
    fn judge(&self, pages: &Pages, fault_bytes: u64) -> Option<Reading<RollupReading>> {
        let counted = |status: &Status| {
            Some([status.rss_anon_bytes.ok()?, status.rss_file_bytes.ok()?, status.rss_shmem_bytes.ok()?])
        };
        let (before, after) = (counted(&self.before)?, counted(&self.after)?);
        let moved: u64 = before.iter().zip(&after).map(|(before, after)| before.abs_diff(*after)).sum();
        let skew = self.faults.ok()?.checked_mul(fault_bytes)?.checked_add(moved)?;
        let apart = |((least, most), counted): ((u64, u64), u64)| {
            // Within the interval they agree.
            counted.checked_sub(most).or(least.checked_sub(counted)).unwrap_or_default()
        };
        if pages.found()?.into_iter().zip(after).all(|kind| apart(kind) <= skew) {
            return None;
        }
        let rollup = read::rollup(Roots::system());
        let still = counted(&read::status(Roots::system())) == Some(after);
        Some(reading(rollup).and_then(|rollup| match still {
            true => Ok(RollupReading { rss_bytes: rollup.rss_bytes, anon_bytes: rollup.anon_bytes }),
            false => Err(Why::new("pages came or went while smaps_rollup was read", "ask again at a quiet moment")),
        }))
    }

    fn heap_stood_still(&self) -> Option<bool> {
        let (before, after) = (self.stats.as_ref().ok()?, self.stats_after.as_ref().ok()?);
        let states = |stats: &JemallocStats| (stats.pactive, stats.pdirty, stats.pmuzzy, stats.retained_bytes);
        // A purge under way has taken pages out of all states, at both readings alike; it lowers RSS meanwhile. The
        // reading itself can only raise it, by a page that it touches.
        let rss = (self.before.rss_anon_bytes, self.after.rss_anon_bytes);
        let fell = matches!(rss, (Ok(before), Ok(after)) if after < before);
        Some(states(before) == states(after) && !fell)
    }
}

/// What does not change while readings are taken, or is of no use to the microsecond.
struct Facts {
    cgroup: Cgroup,
    thp: Result<Thp, ReadError>,
    jemalloc: JemallocSettings,
}

impl Facts {
    /// May allocate.
    fn find() -> Self {
        Self { cgroup: read::cgroup(), thp: read::system_thp(), jemalloc: read::settings(&Jemalloc) }
    }

    fn fault_bytes(&self) -> u64 {
        let huge = self.thp == Ok(Thp::Always) || (self.thp == Ok(Thp::Madvise) && self.jemalloc.thp == Ok("always"));
        if huge { HUGE_PAGE_BYTES } else { PAGE_BYTES }
    }

    fn join(
        self,
        counters: &Counters,
        status: &Status,
        stats: Result<JemallocStats, ReadError>,
        cost: Duration,
    ) -> Readings {
        Readings {
            pid: Some(std::process::id()),
            stage: None,
            traffic_bytes: counters.traffic(),
            regions: counters.regions(),
            status: status_reading(status),
            jemalloc: reading(stats).map(|stats| jemalloc_reading(&stats, self.jemalloc.hpa.ok())),
            cgroup: cgroup_reading(&self.cgroup),
            own_tables: Ok(own_tables::account()),
            fallen_names: fallen_names_reading(),
            system_thp: reading(self.thp).map(thp_mode),
            settings: settings::values(&self.jemalloc, status, self.thp),
            cost_ns: u64::try_from(cost.as_nanos()).ok(),
        }
    }
}

/// The reason of the probe in the words of a statement.
pub(crate) fn reading<T>(result: Result<T, ReadError>) -> Reading<T> {
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

fn jemalloc_reading(stats: &JemallocStats, hpa: Option<bool>) -> JemallocReading {
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

fn glibc_reading() -> Option<GlibcReading> {
    let heaps = read::glibc_heaps()?;
    let (used_bytes, free_bytes, free_pieces) = (heaps.used_bytes, heaps.free_bytes, heaps.free_pieces);
    Some(GlibcReading { used_bytes, free_bytes, free_pieces })
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
