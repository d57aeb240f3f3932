//! From readings to a summary. Each figure that is no plain reading is argued where it is made.

use crate::doubts;
use crate::paths::subtree_sums;
use crate::{
    ClassFigure, Doubt, Figure, Flow, JemallocReading, LineId, Reading, Readings, RegionFigures, RegionReading,
    StatedLine, Summary, ThpMode,
};

/// jemalloc maps metadata in blocks whose size is a multiple of this, on every platform with 2 MiB huge pages or
/// larger.
const BASE_BLOCK_BYTES: i128 = 2 << 20;

pub(super) fn summary(mut readings: Readings) -> Summary {
    let mut doubts = doubts::of_readings(&readings);
    let (regions, retired_omitted) = regions(std::mem::take(&mut readings.regions), None);
    let mut lines: Vec<StatedLine> =
        lines(&readings, &regions, &mut doubts).into_iter().map(|(id, figure)| StatedLine::plain(id, figure)).collect();
    lines.sort_by_key(|line| line.id);
    Summary {
        stage: readings.stage,
        pid: readings.pid,
        cost_ns: readings.cost_ns,
        lines,
        regions: regions.shown,
        retired_omitted,
        settings: readings.settings,
        doubts,
    }
}

/// The regions to show, and sums over all regions, shown or not.
pub(crate) struct Regions {
    pub shown: Vec<RegionFigures>,
    pub requested: Figure,
    pub usable: Figure,
    /// Of live blocks; nothing if nobody looked.
    pub resident: Figure,
}

/// `residents` are the resident bytes of each, if the pages were looked at.
pub(crate) fn regions(readings: Vec<RegionReading>, residents: Option<Vec<Figure>>) -> (Regions, u64) {
    let subtrees = subtree_sums(readings.iter().map(|region| (&*region.name, region.requested_bytes.live())));
    let mut all: Vec<RegionFigures> =
        readings.into_iter().zip(subtrees).map(|(region, sum)| figures(region, sum)).collect();
    for (region, resident) in all.iter_mut().zip(residents.into_iter().flatten()) {
        region.resident = Some(resident);
    }
    let sum = |of: fn(&RegionFigures) -> i64| all.iter().map(|region| Figure::Exact(of(region))).sum::<Figure>();
    let requested = sum(RegionFigures::self_bytes);
    let usable = sum(|region| region.usable_bytes.live());
    let resident = all.iter().filter_map(|region| region.resident.clone()).sum();
    let before = all.len();
    all.retain(|region| !region.retired || region.is_alive());
    let omitted = before.abs_diff(all.len()) as u64;
    all.sort_by(|left, right| {
        let ours = |region: &RegionFigures| region.name.starts_with('~');
        ours(left)
            .cmp(&ours(right))
            .then_with(|| most_resident(right).cmp(&most_resident(left)))
            .then(right.self_bytes().cmp(&left.self_bytes()))
            .then_with(|| left.name.cmp(&right.name))
            .then(left.generation.cmp(&right.generation))
    });
    (Regions { shown: all, requested, usable, resident }, omitted)
}

fn most_resident(region: &RegionFigures) -> Option<i64> {
    region.resident.as_ref().and_then(Figure::high)
}

fn figures(region: RegionReading, subtree_bytes: i64) -> RegionFigures {
    let mut blocks = region.large_blocks;
    let mut usable = region.large_usable_bytes;
    for (class_bytes, count) in &region.classes {
        let class_bytes = u64::from(*class_bytes);
        // The words wrap as the counters do; a live figure, being a difference, is right all the same.
        blocks.allocated = blocks.allocated.wrapping_add(count.allocated);
        blocks.freed = blocks.freed.wrapping_add(count.freed);
        usable.allocated = usable.allocated.wrapping_add(count.allocated.wrapping_mul(class_bytes));
        usable.freed = usable.freed.wrapping_add(count.freed.wrapping_mul(class_bytes));
    }
    let classes = region
        .classes
        .iter()
        .map(|(usable_bytes, count)| ClassFigure { usable_bytes: *usable_bytes, blocks: count.live() })
        .filter(|class| class.blocks != 0)
        .collect();
    RegionFigures {
        name: region.name,
        generation: region.generation,
        retired: region.retired,
        isolated: region.isolated,
        requested_bytes: region.requested_bytes,
        subtree_bytes,
        usable_bytes: usable,
        blocks,
        classes,
        resident: None,
        large_blocks: region.large_blocks.live(),
        large_usable_bytes: region.large_usable_bytes.live(),
    }
}

/// The lines that need no pages, in no order.
pub(crate) fn lines(readings: &Readings, regions: &Regions, doubts: &mut Vec<Doubt>) -> Vec<(LineId, Figure)> {
    let status = &readings.status;
    let anonymous = Cap::of(readings);
    let jemalloc = |figure: fn(&JemallocReading) -> Figure| from(&readings.jemalloc, figure);
    let mut lines = vec![
        (LineId::Rss, exact(&status.rss_bytes)),
        (LineId::RssAnon, exact(&status.rss_anon_bytes)),
        (LineId::RssFile, exact(&status.rss_file_bytes)),
        (LineId::RssShmem, exact(&status.rss_shmem_bytes)),
        (LineId::Live, regions.requested.clone()),
        (LineId::Rounding, rounding(readings, regions)),
        // jemalloc keeps both parts per thread and merges them at a refresh; their sum is what identity C needs.
        (
            LineId::ThreadCaches,
            jemalloc(|read| Figure::exact(read.tcache_bytes) + Figure::exact(read.tcache_stashed_bytes)),
        ),
        // A dirty page is resident only if it was ever written, so 0 is the lower end; the count is the upper.
        (LineId::Dirty, anonymous.cap(jemalloc(|read| pages(read, read.pdirty)))),
        // The kernel may have taken any of the muzzy pages already, and tells nobody.
        (LineId::Muzzy, anonymous.cap(jemalloc(|read| pages(read, read.pmuzzy)))),
        (LineId::Base, base(&readings.jemalloc, &anonymous, doubts)),
        (LineId::OwnTables, own_tables(readings, &anonymous)),
        (LineId::Retained, jemalloc(|read| Figure::exact(read.retained_bytes))),
        (LineId::Swap, exact(&status.swap_bytes)),
        (LineId::PageTables, exact(&status.page_tables_bytes)),
        (LineId::Usable, regions.usable.clone()),
        (LineId::Allocated, jemalloc(|read| Figure::exact(read.allocated_bytes))),
        (LineId::Internal, jemalloc(|read| Figure::exact(read.internal_bytes))),
        (LineId::PeakRss, exact(&status.peak_rss_bytes)),
        (LineId::CgroupCurrent, exact(&readings.cgroup.current_bytes)),
    ];
    match &readings.cgroup.limit_bytes {
        Ok(Some(limit)) => lines.push((LineId::CgroupLimit, Figure::exact(*limit))),
        // No limit is no number: the line is left out.
        Ok(None) => {}
        Err(why) => lines.push((LineId::CgroupLimit, Figure::from(why.clone()))),
    }
    lines
}

pub(crate) fn exact(reading: &Reading<u64>) -> Figure {
    from(reading, |bytes| Figure::exact(*bytes))
}

pub(crate) fn from<T>(reading: &Reading<T>, figure: impl FnOnce(&T) -> Figure) -> Figure {
    match reading {
        Ok(value) => figure(value),
        Err(why) => Figure::from(why.clone()),
    }
}

fn pages(jemalloc: &JemallocReading, count: u64) -> Figure {
    match count.checked_mul(jemalloc.page_bytes) {
        Some(bytes) => Figure::up_to(bytes),
        None => Figure::exact(u64::MAX),
    }
}

/// The cap on everything that is resident and anonymous: all of jemalloc's memory and the ledger's tables are.
///
/// The kernel and jemalloc are read microseconds apart. If the cap decides, the interval holds at the moment of the
/// kernel's reading; if jemalloc's count decides, at the moment of its refresh. It holds at both in a quiet process.
pub(crate) struct Cap(Option<u64>);

impl Cap {
    pub fn of(readings: &Readings) -> Self {
        let status = &readings.status;
        // Kernels before 4.5 do not split RSS; the whole of it caps its parts too.
        Self(status.rss_anon_bytes.as_ref().or(status.rss_bytes.as_ref()).ok().copied())
    }

    pub fn cap(&self, figure: Figure) -> Figure {
        match (figure.ends(), self.0.and_then(|cap| i64::try_from(cap).ok())) {
            (Some((low, high)), Some(cap)) if cap < high => Figure::within(low, cap),
            _ => figure,
        }
    }

    /// The cap alone: from 0 to all of anonymous memory, or unknown for the reason given.
    pub fn alone(&self, why: impl FnOnce() -> Figure) -> Figure {
        self.0.map_or_else(why, Figure::up_to)
    }
}

/// What blocks were rounded up by.
///
/// In a quiet process it is usable less requested, exactly. Otherwise the two are moments apart, so only the block
/// counts are used: each live block was rounded up by 0 bytes at least and by all of its class at most.
fn rounding(readings: &Readings, regions: &Regions) -> Figure {
    if readings.traffic_bytes == Some(Flow::default()) {
        return regions.usable.clone() - regions.requested.clone();
    }
    match regions.usable.as_exact() {
        Some(at_most) => Figure::within(0, at_most),
        None => regions.usable.clone(),
    }
}

/// jemalloc's base blocks: from 0 to their address space (identity E), which is mapped beyond the pages of extents.
///
/// jemalloc reads the four terms one after the other, so with traffic the difference can be off, downwards too. Base
/// blocks come in multiples of 2 MiB and hold what was handed out of them: a difference that is neither is not
/// believed, and the line falls back to the anonymous part of RSS, which is always an upper bound.
fn base(jemalloc: &Reading<JemallocReading>, anonymous: &Cap, doubts: &mut Vec<Doubt>) -> Figure {
    let read = match jemalloc {
        Ok(read) => read,
        Err(why) => return Figure::from(why.clone()),
    };
    let page_bytes = i128::from(read.page_bytes);
    let extent_pages = i128::from(read.pactive) + i128::from(read.pdirty) + i128::from(read.pmuzzy);
    let mapped = i128::from(read.mapped_bytes) - page_bytes * extent_pages;
    let fits = mapped >= i128::from(read.base_allocated_bytes) && mapped % BASE_BLOCK_BYTES == 0;
    match u64::try_from(mapped) {
        Ok(at_most) if fits && read.one_epoch && read.hpa == Some(false) => anonymous.cap(Figure::up_to(at_most)),
        _ => {
            // The other two causes have doubts of their own.
            if read.one_epoch && read.hpa == Some(false) {
                doubts.push(doubts::metadata_unverified());
            }
            anonymous.alone(|| {
                Figure::unknown(
                    "neither jemalloc's figures nor the kernel's bound its metadata here",
                    "see the doubts, and make /proc/self/status readable",
                )
            })
        }
    }
}

/// The ledger's tables: at most what it may have written. A huge page makes resident what was never written, so where
/// huge pages are on for everybody, or that is not known, all that is mapped bounds it.
fn own_tables(readings: &Readings, anonymous: &Cap) -> Figure {
    let figure = from(&readings.own_tables, |tables| {
        let huge = !matches!(readings.system_thp, Ok(ThpMode::Madvise | ThpMode::Never));
        Figure::up_to(if huge { tables.mapped_bytes } else { tables.written_bytes.min(tables.mapped_bytes) })
    });
    anonymous.cap(figure)
}
