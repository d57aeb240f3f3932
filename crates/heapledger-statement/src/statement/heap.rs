//! jemalloc's memory by line: three independent sources, the ledger's counters, jemalloc's statistics and the pages.

use std::collections::HashMap;

use super::spans::{Span, split};
use crate::{Flow, HeapReading, JemallocReading, RegionPagesReading, RegionReading};

/// What becomes of the heap's pages.
#[derive(Debug, Default)]
pub(super) struct HeapLines {
    /// Resident bytes of live blocks, for each region in the order of its reading.
    pub live: Vec<Span>,
    /// Resident bytes of blocks in thread caches, and of jemalloc's internal ones.
    pub caches: Span,
    /// Resident bytes of blocks that the ledger never saw.
    pub past: Span,
    /// Resident bytes of large extents beyond their blocks.
    pub pads: Span,
    /// Usable bytes of all allocated slots and large extents, resident or not.
    pub allocated_bytes: i128,
    /// Usable bytes that the counters call live and that the pages have no room for: of other moments, or a defect.
    pub homeless_bytes: i128,
}

/// Usable bytes of a region's live blocks.
pub(super) fn live_usable(region: &RegionReading) -> i128 {
    let small: i128 = region.classes.iter().map(|(bytes, count)| small_usable(*bytes, *count)).sum();
    small + i128::from(region.large_usable_bytes.live())
}

fn small_usable(class_bytes: u32, count: Flow) -> i128 {
    i128::from(class_bytes) * i128::from(count.live())
}

/// What jemalloc has handed out beyond the ledger's live blocks and its own caches: identity C, signed.
pub(super) fn past_bytes(jemalloc: &JemallocReading, live_usable: i128) -> i128 {
    i128::from(jemalloc.allocated_bytes) - live_usable - cached_bytes(jemalloc)
}

/// Usable bytes in thread caches, and jemalloc's internal blocks.
pub(super) fn cached_bytes(jemalloc: &JemallocReading) -> i128 {
    [jemalloc.tcache_bytes, jemalloc.tcache_stashed_bytes, jemalloc.internal_bytes].into_iter().map(i128::from).sum()
}

/// Splits the heap. Without statistics it is not known which of the blocks that are not live passed the ledger by.
pub(super) fn lines(heap: &HeapReading, regions: &[RegionReading], jemalloc: Option<&JemallocReading>) -> HeapLines {
    let mut lines = HeapLines::default();
    // Resident bytes of blocks that are allocated and not live.
    let mut others = Span::default();
    let mut named = vec![false; heap.regions.len()];
    for region in regions {
        let pages = heap.regions.get(region.index);
        if let Some(seen) = named.get_mut(region.index) {
            *seen = true;
        }
        let live = match pages {
            Some(pages) => one_region(pages, region, &mut lines, &mut others),
            // A region that came into being after the pages were read: its blocks are of another moment.
            None => {
                lines.homeless_bytes += live_usable(region).max(0);
                Span::default()
            }
        };
        lines.live.push(live);
    }
    // Of what no counter belongs to, nothing lives.
    let nobody = RegionReading::default();
    let unread = heap.regions.iter().zip(&named).filter(|(_, named)| !**named).map(|(pages, _)| pages);
    for pages in unread.chain([&heap.unowned]) {
        one_region(pages, &nobody, &mut lines, &mut others);
    }
    let live_bytes: i128 = regions.iter().map(live_usable).sum();
    (lines.caches, lines.past) = match jemalloc {
        Some(jemalloc) => split(others, cached_bytes(jemalloc), past_bytes(jemalloc, live_bytes)),
        None => (Span::up_to(others.high), Span::up_to(others.high)),
    };
    lines
}

/// The resident bytes of a region's live blocks. What else is allocated on its pages goes to `others`.
fn one_region(pages: &RegionPagesReading, counters: &RegionReading, lines: &mut HeapLines, others: &mut Span) -> Span {
    let mut live = Span::default();
    let mut add = |allocated: i128, resident: Span, live_bytes: i128| {
        let (of_live, of_others) = split(resident, live_bytes, allocated - live_bytes);
        live += of_live;
        *others += of_others;
        lines.allocated_bytes += allocated;
        lines.homeless_bytes += (live_bytes - allocated).max(0);
    };
    let mut counted: HashMap<u32, i128> = HashMap::with_capacity(counters.classes.len());
    for (class_bytes, count) in &counters.classes {
        *counted.entry(*class_bytes).or_default() += small_usable(*class_bytes, *count);
    }
    for slots in &pages.small {
        let live_bytes = counted.remove(&slots.slot_bytes).unwrap_or_default();
        add(i128::from(slots.slots) * i128::from(slots.slot_bytes), slots.resident.into(), live_bytes);
    }
    for live_bytes in counted.into_values() {
        add(0, Span::default(), live_bytes);
    }
    let live_bytes = i128::from(counters.large_usable_bytes.live());
    add(i128::from(pages.large_usable_bytes), pages.large.into(), live_bytes);
    lines.pads += pages.large_pads.into();
    live
}
