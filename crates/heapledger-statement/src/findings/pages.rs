//! Findings about pages: free ones that stay, and those that are not jemalloc's.

use super::{Finding, FindingId, MEASURED_WITHIN};
use crate::{Figure, LineId, SettingId, Statement, When};

pub(super) fn find(statement: &Statement, found: &mut Vec<Finding>) {
    never_back(statement, found);
    oversize(statement, found);
    huge_pages(statement, found);
    glibc(statement, found);
    unattributed(statement, found);
}

/// Free pages that stay whatever the time, by the setting that keeps them.
fn never_back(statement: &Statement, found: &mut Vec<Finding>) {
    let forecast = statement.forecast();
    for id in [FindingId::BackgroundThreadsOff, FindingId::DecayNever] {
        let parts = forecast.parts().iter().filter(|part| {
            let of_threads = part.decided_by == SettingId::BackgroundThread;
            part.when == When::Never && of_threads == (id == FindingId::BackgroundThreadsOff)
        });
        let parts: Vec<_> = parts.collect();
        let bytes: Figure = parts.iter().map(|part| part.bytes.clone()).sum();
        let (Some((low, high)), Some(first)) = (bytes.ends(), parts.first()) else { continue };
        if !statement.is_much(low) {
            continue;
        }
        let proof = parts.iter().map(|part| (part.line, statement.figure(part.line))).collect();
        let remedy = first.remedy.unwrap_or(id.row().remedy);
        let says = format!("{} MiB of freed pages stay for ever: {}", bytes.mib(), first.because);
        let finding = Finding::new(id, says, proof, remedy);
        found.push(finding.gaining(low - MEASURED_WITHIN, high + MEASURED_WITHIN));
    }
}

fn oversize(statement: &Statement, found: &mut Vec<Finding>) {
    let Ok(arenas) = &statement.clock.arenas else { return };
    let in_it: u64 = arenas.iter().filter(|arena| arena.oversize).map(|arena| arena.dirty_bytes).sum();
    let others: u64 = arenas.iter().filter(|arena| !arena.oversize).map(|arena| arena.dirty_bytes).sum();
    let dirty = statement.figure(LineId::Dirty);
    let all = dirty.clone() + statement.figure(LineId::Muzzy);
    let (Some(least), Some((low, high))) = (dirty.low(), all.ends()) else { return };
    // What of it must be resident even if all that is dirty elsewhere is.
    let resident = least - i64::try_from(others).unwrap_or(i64::MAX).min(least);
    if !statement.is_much(resident) || !statement.is_much(i64::try_from(in_it).unwrap_or(i64::MAX)) {
        return;
    }
    let says =
        format!("{} MiB at least are dirty where only blocks of oversize can use them", Figure::Exact(resident).mib());
    let finding = Finding::new(FindingId::OversizeArena, says, vec![(LineId::Dirty, dirty)], "heapledger::purge()");
    found.push(finding.gaining(low - MEASURED_WITHIN, high + MEASURED_WITHIN));
}

fn huge_pages(statement: &Statement, found: &mut Vec<Finding>) {
    let retained = statement.figure(LineId::RetainedResident);
    let Some((low, high)) = retained.ends() else { return };
    if statement.is_much(low) {
        let says = format!("{} MiB that were given back are resident all the same", retained.mib());
        let id = FindingId::HugePagesKeepRetained;
        let mut finding = Finding::new(id, says, vec![(LineId::RetainedResident, retained)], id.row().remedy);
        finding.gain_on = LineId::RetainedResident;
        found.push(finding.gaining(low - MEASURED_WITHIN, high + MEASURED_WITHIN));
    }
}

/// Free bytes that glibc tells, as far as its main heap has so many resident.
fn glibc(statement: &Statement, found: &mut Vec<Finding>) {
    let heap = statement.figure(LineId::GlibcHeap);
    let of_threads = statement.figure(LineId::GlibcArenas).high().unwrap_or_default();
    let free = statement.glibc_free_bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let (Some(free), Some((_, resident))) = (free, heap.ends()) else { return };
    let high = free.min(resident);
    // Free bytes of threads' heaps are counted too, and stay; of the rest, parts of pages stay.
    let low = (free - of_threads).min(resident) * 9 / 10;
    if statement.is_much(low) {
        let says = format!("glibc keeps {} MiB that C code has freed", Figure::within(low, high).mib());
        let id = FindingId::GlibcMemory;
        found.push(Finding::new(id, says, vec![(LineId::GlibcHeap, heap)], id.row().remedy).gaining(low, high));
    }
}

fn unattributed(statement: &Statement, found: &mut Vec<Finding>) {
    let bytes = statement.figure(LineId::Unattributed);
    let (Some(low), Some(rss)) = (bytes.low(), statement.figure(LineId::Rss).high()) else { return };
    // A heap that was not walked is unattributed too, and that has a doubt of its own.
    if statement.is_much(low) && low >= rss / 10 && statement.clock.arenas.is_ok() {
        let largest = statement.unattributed().iter().max_by_key(|range| range.figure.high());
        let at = largest.map(|range| format!(", the largest at {:x}-{:x}", range.start, range.end)).unwrap_or_default();
        let says = format!("{} MiB are in mappings that nobody names{at}", bytes.mib());
        let id = FindingId::UnattributedMappings;
        found.push(Finding::new(id, says, vec![(LineId::Unattributed, bytes)], id.row().remedy));
    }
}
