//! Findings about pages: free ones that stay, and those that are not jemalloc's.

use super::{Finding, FindingId, MEASURED_WITHIN};
use crate::forecast::END_BOTH_DECAYS;
use crate::{Figure, LineId, SettingId, SettingValue, Statement, When};

/// What `malloc_trim` leaves of a free piece at most: parts of two pages, and its own header.
const KEPT_OF_A_PIECE_BYTES: u64 = 2 * 4096 + 64;

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
        // Of several causes the remedy must end all, or the gain would not be the sum.
        let one = parts.iter().all(|part| part.remedy == first.remedy);
        let remedy = first.remedy.filter(|_| one).unwrap_or(END_BOTH_DECAYS);
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
    // Who forbade them already must look elsewhere: the program can ask for huge pages itself.
    let forbidden = statement.setting(SettingId::Thp) == Some(&SettingValue::Text("never".into()));
    if statement.is_much(low) && !forbidden {
        let says = format!("{} MiB that were given back are resident all the same", retained.mib());
        let id = FindingId::HugePagesKeepRetained;
        let mut finding = Finding::new(id, says, vec![(LineId::RetainedResident, retained)], id.row().remedy);
        finding.gain_on = LineId::RetainedResident;
        found.push(finding.gaining(low - MEASURED_WITHIN, high + MEASURED_WITHIN));
    }
}

/// Free memory that glibc tells, as far as its main heap has it resident.
fn glibc(statement: &Statement, found: &mut Vec<Finding>) {
    let heap = statement.figure(LineId::GlibcHeap);
    let (Some(told), Some((least, most))) = (statement.glibc, heap.ends()) else { return };
    let number = |bytes: u64| i64::try_from(bytes).ok();
    let pieces = told.free_pieces.checked_mul(KEPT_OF_A_PIECE_BYTES).and_then(number);
    let (Some(used), Some(free), Some(kept)) = (number(told.used_bytes), number(told.free_bytes), pieces) else {
        return;
    };
    // What is resident and not in use is free. What threads' heaps have in use, and pages that were given back before,
    // can only make it less than it is.
    let low = least - used - kept;
    if statement.is_much(low) {
        let high = free.min(most);
        let says = format!("glibc keeps {} MiB that C code has freed", Figure::within(low, high).mib());
        let id = FindingId::GlibcMemory;
        let mut finding = Finding::new(id, says, vec![(LineId::GlibcHeap, heap)], id.row().remedy);
        finding.gain_on = LineId::GlibcHeap;
        found.push(finding.gaining(low, high));
    }
}

/// The gain is the largest range: whoever knows it decides what becomes of it.
fn unattributed(statement: &Statement, found: &mut Vec<Finding>) {
    let bytes = statement.figure(LineId::Unattributed);
    let (Some(low), Some(rss)) = (bytes.low(), statement.figure(LineId::Rss).high()) else { return };
    // A heap that was not walked is unattributed too, and that has a doubt of its own.
    if statement.is_much(low) && low >= rss / 10 && statement.clock.arenas.is_ok() {
        let largest = statement.unattributed().iter().max_by_key(|range| range.figure.high());
        let at = largest.map(|range| format!(", the largest at {:x}-{:x}", range.start, range.end)).unwrap_or_default();
        let says = format!("{} MiB are in mappings that nobody names{at}", bytes.mib());
        let id = FindingId::UnattributedMappings;
        let Some((range, (low, high))) = largest.and_then(|range| Some((range, range.figure.ends()?))) else {
            return found.push(Finding::new(id, says, vec![(LineId::Unattributed, bytes)], id.row().remedy));
        };
        let call = format!("libc::munmap({:#x} as *mut _, {:#x})", range.start, range.end - range.start);
        let remedy = format!("once nobody needs it, and whoever mapped it does not unmap it: {call}");
        let mut finding = Finding::new(id, says, vec![(LineId::Unattributed, bytes)], remedy);
        finding.gain_on = LineId::Unattributed;
        found.push(finding.gaining(low, high));
    }
}
