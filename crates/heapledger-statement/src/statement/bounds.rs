//! What is stated of pages that nobody looked at: bounds by jemalloc's statistics and the kernel's counters, or why
//! there are none.

use super::build::Sheet;
use super::heap;
use super::spans::Span;
use crate::lines::{LINES, Section};
use crate::summary::build::Cap;
use crate::{Figure, JemallocReading, LineId, Readings, RegionReading, ThpMode, Why};

/// The lines of the section *outside*.
pub(super) fn places() -> impl Iterator<Item = LineId> {
    LINES.iter().filter(|line| line.section == Section::Outside).map(|line| line.id)
}

/// The lines of jemalloc's memory as bounds, where it could not be walked; gives a bound for each region. What a
/// summary bounds too (dirty, muzzy, base) is left to it.
pub(super) fn heap(sheet: &mut Sheet, why: &Why, readings: &Readings, regions: &[RegionReading]) -> Vec<Figure> {
    let anonymous = Cap::of(readings);
    // What contradicting counts cannot bound, anonymous memory does.
    let cap = |figure: Figure| if figure.is_unknown() { anonymous.alone(|| figure) } else { anonymous.cap(figure) };
    let stats = |figure: &dyn Fn(&JemallocReading) -> Figure| match &readings.jemalloc {
        Ok(read) => cap(figure(read)),
        Err(why) => Figure::from(why.clone()),
    };
    let live: i128 = regions.iter().map(heap::live_usable).sum();
    sheet.plain(LineId::PastLedger, stats(&|read| up_to(heap::past_bytes(read, live))));
    sheet.plain(LineId::ThreadCaches, stats(&|read| up_to(heap::cached_bytes(read))));
    // Active pages are blocks, free slots and pads (identities A and B), so the latter two have what the blocks leave.
    let beside_blocks = |read: &JemallocReading| {
        i128::from(read.pactive) * i128::from(read.page_bytes) - i128::from(read.allocated_bytes)
    };
    sheet.plain(LineId::FreeSlots, stats(&|read| up_to(beside_blocks(read))));
    sheet.plain(LineId::LargePads, stats(&|read| up_to(beside_blocks(read))));
    let huge = !matches!(readings.system_thp, Ok(ThpMode::Madvise | ThpMode::Never));
    sheet.plain(LineId::RetainedResident, stats(&|read| Figure::up_to(if huge { read.retained_bytes } else { 0 })));
    sheet.plain(LineId::SlabsResident, Figure::from(why.clone()));
    regions.iter().map(|region| cap(up_to(heap::live_usable(region)))).collect()
}

/// A count below zero is of two sources that are moments apart, or of a defect; then nothing bounds what is resident.
fn up_to(bytes: i128) -> Figure {
    if bytes < 0 {
        return Figure::unknown(
            "jemalloc's count and the ledger's contradict each other",
            "read again while fewer threads allocate; if it stays, report it with this statement",
        );
    }
    Span::up_to(bytes).figure()
}

/// The lines beside jemalloc's memory, where no page was looked at.
pub(super) fn pages(sheet: &mut Sheet, why: &Why) {
    for id in places().chain([LineId::Scratch, LineId::Moved, LineId::ZeroPages]) {
        sheet.plain(id, Figure::from(why.clone()));
    }
}
