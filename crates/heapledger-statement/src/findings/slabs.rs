//! Findings about small blocks: slabs that few of them keep, and caches.

use super::{Finding, FindingId, MEASURED_WITHIN};
use crate::text::escaped;
use crate::{Figure, LineId, Pin, RegionFigures, SettingId, SettingValue, Statement};

/// Slots in use in the slabs that a region's blocks pin alone, as a share of all: below it they are few.
const FEW: f64 = 0.5;

/// A thread can flush its own cache only.
const EACH_THREAD: &str = "heapledger::purge() on each thread that is about to idle";

/// What jemalloc allocates for each thread that caches blocks; it stands on the line of thread caches.
const INTERNAL_PER_THREAD_BYTES: i64 = 28_672;

pub(super) fn find(statement: &Statement, found: &mut Vec<Finding>) {
    pinned(statement, found);
    caches(statement, found);
}

fn pinned(statement: &Statement, found: &mut Vec<Finding>) {
    let Ok(fragmentation) = statement.fragmentation() else { return };
    let few: Vec<&Pin> = fragmentation.pins().iter().filter(|pin| pin.slabs > 0 && pin.utilisation() < FEW).collect();
    let mut seen: Vec<(&str, u32)> = Vec::new();
    for pin in &few {
        let region = (&*pin.region, pin.generation);
        if seen.contains(&region) {
            continue;
        }
        seen.push(region);
        let own = few.iter().filter(|other| (&*other.region, other.generation) == region);
        let free: Figure = own.clone().map(|pin| pin.free.clone()).sum();
        let Some((low, high)) = free.ends() else { continue };
        // The ledger's and nobody's blocks cannot be given an arena, and an isolated region has one: what it pins are
        // slots of its own.
        let same = |figures: &&RegionFigures| (&*figures.name, figures.generation) == region;
        let isolated = statement.regions().iter().find(same).is_some_and(|figures| figures.isolated);
        if !statement.is_much(low) || pin.region.starts_with('~') || isolated {
            continue;
        }
        let (slots, slabs) = own.fold((0, 0), |sum, pin| (sum.0 + pin.slots, sum.1 + pin.slabs));
        let name = escaped(&pin.region);
        let says = format!("{slots} blocks of {name} keep {slabs} slabs with {} MiB of free slots", free.mib());
        let proof = vec![(LineId::FreeSlots, statement.figure(LineId::FreeSlots))];
        let remedy = format!("heapledger::Region::isolated({:?}), under heapledger::IsolatingLedger", pin.region);
        let finding = Finding::new(FindingId::SlabsPinned, says, proof, remedy).of_region(pin.region.clone());
        found.push(finding.gaining(low - MEASURED_WITHIN, high + MEASURED_WITHIN));
    }
}

fn caches(statement: &Statement, found: &mut Vec<Finding>) {
    let cached = statement.figure(LineId::ThreadCaches);
    let Some((low, high)) = cached.ends() else { return };
    if !statement.is_much(low) {
        return;
    }
    let threads = match statement.setting(SettingId::Threads) {
        Some(SettingValue::Count(threads)) => *threads,
        _ => 0,
    };
    let says = format!("threads cache {} MiB of freed blocks", cached.mib());
    let id = FindingId::ThreadCaches;
    let mut finding = Finding::new(id, says, vec![(LineId::ThreadCaches, cached)], EACH_THREAD);
    finding.gain_on = LineId::ThreadCaches;
    let internal = INTERNAL_PER_THREAD_BYTES * threads;
    found.push(finding.gaining(low - internal - MEASURED_WITHIN, high + MEASURED_WITHIN / 2));
}
