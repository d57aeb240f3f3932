//! From readings to a statement. What is not plain arithmetic on pages is argued where it is made.

use super::owners::{Owned, Owners, push_part, sorted};
use super::spans::Span;
use super::{Clock, Part, StatedLine, Statement, UnattributedRange, bounds, checks, heap};
use crate::summary::build as quick;
use crate::{
    Check, Figure, Fragmentation, FreeExtentsReading, FullReadings, HeapReading, LineId, RangeReading, Reading,
    Readings, RegionReading, WalkReading, Why, doubts,
};

pub(super) fn statement(mut readings: Readings, mut full: FullReadings) -> Statement {
    let mut doubts = doubts::of_readings(&readings);
    let regions = std::mem::take(&mut readings.regions);
    let skew = checks::skew(&full.motion, &readings.status);
    let mut heap_lines = split_heap(&full.walk, &readings, &regions);
    let checks = checks::all(&readings, &regions, &full, &skew, heap_lines.as_ref());
    if let Some(check) = checks::distrusted(&checks) {
        forget_heap(&mut full.walk, check);
        heap_lines = None;
    }
    doubts::of_fork(full.motion.threads_left_behind, &mut doubts);
    doubts::of_pages(&full.walk, &checks, &mut doubts);
    doubts::of_tables(full.rollup.as_ref(), &checks, &mut doubts);
    let pages = Pages::of(&full.walk);

    let fragmentation = Fragmentation::of(&full.walk, &regions);
    doubts::of_arenas(&fragmentation, &regions, &mut doubts);
    let mut sheet = Sheet::default();
    let residents = match (&pages.heap, &heap_lines) {
        (Ok(heap), Some(lines)) => sheet.heap(heap, lines, &regions),
        (Ok(_), None) => Vec::new(),
        (Err(why), _) => bounds::heap(&mut sheet, why, &readings, &regions),
    };
    sheet.past_allocated(&readings, &regions);
    sheet.untouched(&regions, &residents);
    sheet.pages(&pages);
    sheet.unexplained(&readings, &full.walk);
    let (regions, retired_omitted) = quick::regions(regions, Some(residents));
    sheet.plain(LineId::Live, regions.resident.clone());
    // A line that the pages do not state is that of a summary.
    let mut of_bounds = Vec::new();
    sheet.others(quick::lines(&readings, &regions, &mut of_bounds));
    if pages.heap.is_err() {
        doubts.append(&mut of_bounds);
    }
    Statement {
        stage: readings.stage,
        pid: readings.pid,
        cost_ns: readings.cost_ns,
        lines: sheet.finish(),
        regions: regions.shown,
        retired_omitted,
        settings: readings.settings,
        doubts,
        backend: full.walk.as_ref().ok().map(|walk| walk.backend.clone()),
        skew,
        traffic_bytes: readings.traffic_bytes,
        unattributed: pages.walk.map(ranges).unwrap_or_default(),
        checks,
        clock: Clock::of(full.clock, &full.walk),
        fragmentation,
        glibc: full.glibc,
    }
}

fn split_heap(walk: &Reading<WalkReading>, readings: &Readings, regions: &[RegionReading]) -> Option<heap::HeapLines> {
    let heap = walk.as_ref().ok()?.heap.as_ref().ok()?;
    Some(heap::lines(heap, regions, readings.jemalloc.as_ref().ok()))
}

/// What was read of jemalloc's records is not believed: its pages are nobody's, and its lines become bounds.
fn forget_heap(walk: &mut Reading<WalkReading>, check: &Check) {
    let Ok(walk) = walk else { return };
    let why = Why::new(
        format!("jemalloc's extents as they were read contradict its statistics (check {})", check.id.key()),
        "read again; if it stays, report it with this statement",
    );
    if let Ok(heap) = std::mem::replace(&mut walk.heap, Err(why)) {
        walk.unlisted += checks::of_heap(&heap);
    }
}

fn ranges(walk: &WalkReading) -> Vec<UnattributedRange> {
    let range = |range: &RangeReading| UnattributedRange {
        start: range.start,
        end: range.end,
        figure: range.resident.figure(),
    };
    walk.unattributed.iter().map(range).collect()
}

/// The pages as far as they were read; a walk that failed says why for each of its parts.
pub(super) struct Pages<'a> {
    pub walk: Result<&'a WalkReading, &'a Why>,
    pub heap: Result<&'a HeapReading, &'a Why>,
}

impl<'a> Pages<'a> {
    fn of(walk: &'a Reading<WalkReading>) -> Self {
        let walk = walk.as_ref();
        Self { walk, heap: walk.and_then(|walk| walk.heap.as_ref()) }
    }
}

/// Lines as they are made, in any order.
#[derive(Default)]
pub(super) struct Sheet(Vec<StatedLine>);

impl Sheet {
    pub fn plain(&mut self, id: LineId, figure: Figure) {
        self.0.push(StatedLine::plain(id, figure));
    }

    fn parts(&mut self, id: LineId, figure: Figure, parts: Vec<Part>) {
        self.0.push(StatedLine { id, figure, parts });
    }

    /// jemalloc's pages; gives the resident bytes of each region.
    fn heap(&mut self, heap: &HeapReading, lines: &heap::HeapLines, regions: &[RegionReading]) -> Vec<Figure> {
        self.plain(LineId::PastLedger, lines.past.figure());
        self.plain(LineId::ThreadCaches, lines.caches.figure());
        self.plain(LineId::LargePads, lines.pads.figure());
        self.plain(LineId::Base, heap.base.figure());
        self.plain(LineId::SlabsResident, heap.slabs.figure());
        let owners = Owners::new(heap, regions);
        self.free_slots(heap, &owners);
        let states: [(LineId, &FreeExtentsReading, Owned); 3] = [
            (LineId::Dirty, &heap.dirty, |pages| pages.dirty),
            (LineId::Muzzy, &heap.muzzy, |pages| pages.muzzy),
            (LineId::RetainedResident, &heap.retained, |pages| pages.retained),
        ];
        for (id, extents, owned) in states {
            let mut parts = owners.parts(owned, |_| None);
            push_part(&mut parts, Part::MIXED, extents.mixed.figure());
            self.parts(id, extents.resident.figure(), sorted(parts));
        }
        lines.live.iter().map(|span| span.figure()).collect()
    }

    fn free_slots(&mut self, heap: &HeapReading, owners: &Owners<'_>) {
        let mut parts = owners.parts(|pages| pages.pinned_alone, |pages| Some(pages.pinned_shared));
        push_part(&mut parts, Part::SHARED, heap.free_slots_shared.figure());
        self.parts(LineId::FreeSlots, heap.free_slots.figure(), sorted(parts));
    }

    fn past_allocated(&mut self, readings: &Readings, regions: &[RegionReading]) {
        let live = regions.iter().map(heap::live_usable).sum();
        let past = quick::from(&readings.jemalloc, |jemalloc| {
            i64::try_from(heap::past_bytes(jemalloc, live)).map_or_else(|_| Figure::exact(u64::MAX), Figure::Exact)
        });
        self.plain(LineId::PastAllocated, past);
    }

    /// Usable bytes of live blocks that are not resident. With traffic between the readings it can be off by that.
    fn untouched(&mut self, regions: &[RegionReading], residents: &[Figure]) {
        let mut sum = Figure::Exact(0);
        let mut parts = Vec::new();
        for (region, resident) in regions.iter().zip(residents) {
            let usable = i64::try_from(heap::live_usable(region));
            let usable = usable.map_or_else(|_| Figure::exact(u64::MAX), Figure::Exact);
            let figure = usable - resident.clone();
            sum = sum + figure.clone();
            if figure != Figure::Exact(0) {
                parts.push(Part::plain(region.name.clone(), region.generation, figure));
            }
        }
        self.parts(LineId::Untouched, sum, sorted(parts));
    }

    /// What is not jemalloc's.
    fn pages(&mut self, pages: &Pages<'_>) {
        let walk = match pages.walk {
            Ok(walk) => walk,
            Err(why) => return bounds::pages(self, why),
        };
        for (id, resident) in
            [(LineId::OwnTables, walk.own_tables), (LineId::Scratch, walk.scratch), (LineId::Moved, walk.moved)]
        {
            self.plain(id, resident.figure());
        }
        for id in bounds::places() {
            let found = walk.places.iter().filter(|(place, _)| *place == id);
            self.plain(id, found.map(|(_, resident)| Span::from(*resident)).sum::<Span>().figure());
        }
        self.plain(
            LineId::ZeroPages,
            match walk.zero_bytes {
                Some(bytes) => Figure::exact(bytes),
                None => Figure::unknown(
                    format!("{} does not tell pages of zeroes apart", walk.backend),
                    "use Linux 6.7 or newer, where PAGEMAP_SCAN does",
                ),
            },
        );
    }

    /// What the lines do not explain: from the pages and the kernel's counters, not from the lines.
    fn unexplained(&mut self, readings: &Readings, walk: &Reading<WalkReading>) {
        let walk = match walk {
            Ok(walk) => walk,
            Err(why) => {
                for id in [LineId::Unexplained, LineId::Unattributed, LineId::CounterGap] {
                    self.plain(id, Figure::from(why.clone()));
                }
                return;
            }
        };
        let listed: Span = walk.unattributed.iter().map(|range| Span::from(range.resident)).sum();
        let unattributed = (listed + walk.unlisted.into()).figure();
        let (gap, parts) = counter_gap(readings, walk);
        self.plain(LineId::Unexplained, unattributed.clone() + gap.clone());
        self.plain(LineId::Unattributed, unattributed);
        self.parts(LineId::CounterGap, gap, parts);
    }

    /// Adds the lines of a summary that are not stated yet.
    fn others(&mut self, lines: Vec<(LineId, Figure)>) {
        let stated = |id| self.0.iter().find(|line| line.id == id);
        // Of retained addresses, what is resident has a line in the sum; the rest is not in RSS. A bound of the former
        // says nothing of the latter.
        let resident = stated(LineId::RetainedResident).and_then(|line| line.figure.as_exact());
        let others: Vec<StatedLine> = lines
            .into_iter()
            .filter(|(id, _)| stated(*id).is_none())
            .map(|(id, figure)| match (id, resident) {
                (LineId::Retained, Some(bytes)) => StatedLine::plain(id, figure - Figure::Exact(bytes)),
                _ => StatedLine::plain(id, figure),
            })
            .collect();
        self.0.extend(others);
    }

    fn finish(mut self) -> Vec<StatedLine> {
        self.0.sort_by_key(|line| line.id);
        self.0
    }
}

/// The kernel's counters less the pages found, in sum and for each kind.
fn counter_gap(readings: &Readings, walk: &WalkReading) -> (Figure, Vec<Part>) {
    let status = &readings.status;
    let kinds = [
        ("anon", &status.rss_anon_bytes, walk.anon),
        ("file", &status.rss_file_bytes, walk.file),
        ("shmem", &status.rss_shmem_bytes, walk.shmem),
    ];
    let parts: Vec<Part> = kinds
        .iter()
        .map(|(name, counted, found)| Part::plain(*name, 0, quick::exact(counted) - found.figure()))
        .collect();
    let found = kinds.iter().map(|(_, _, found)| Span::from(*found)).sum::<Span>().figure();
    // In sum from VmRSS, which every kernel states and which is the sum of the three.
    (quick::exact(&status.rss_bytes) - found, parts)
}
