//! From cells to the rows of a flow.

use std::collections::{BTreeMap, HashMap};

use super::cells::Cell;
use super::merge::{Numbers, merge};
use super::stretch::{FlowCounters, FlowReadings, Stretches};
use super::transport::Place;
use super::{FlowCell, FlowRow, Held, PageFlow, RegionName, Went};
use crate::{Figure, Why};

/// The flow between two maps.
pub(super) fn flow(before: &mut impl Stretches, after: &mut impl Stretches, readings: &FlowReadings) -> PageFlow {
    let names = Names::of(readings);
    let cells = merge(before, after, (names.numbers(&names.before), names.numbers(&names.after)));
    let mut rows: BTreeMap<(u32, Held), Row> = BTreeMap::new();
    for (source, bytes) in cells.had() {
        rows.entry(names.row_of(source)).or_default().bytes += bytes;
    }
    for (source, target, cell) in cells.iter() {
        rows.entry(names.row_of(source)).or_default().add(target, cell, matches!(source, Place::Muzzy(_)));
    }
    let mut blocks: HashMap<u32, u64> = HashMap::new();
    for (target, bytes) in cells.has() {
        if let Place::Block(region) = target {
            *blocks.entry(region).or_default() += bytes;
        }
    }
    let counters: HashMap<&RegionName, &FlowCounters> =
        readings.counters.iter().map(|counters| (&counters.region, counters)).collect();
    let mut made: Vec<FlowRow> = rows
        .into_iter()
        .map(|((region, held), row)| {
            let of = Of {
                number: region,
                held,
                allocated_after: blocks.get(&region).copied().unwrap_or_default(),
                counters: counters.get(names.name(region)).copied(),
            };
            row.finish(&of, &names, readings)
        })
        .collect();
    made.sort_by(|left, right| {
        right
            .bytes
            .high()
            .cmp(&left.bytes.high())
            .then_with(|| left.region.cmp(&right.region))
            .then(left.held.cmp(&right.held))
    });
    PageFlow { rows: made, given_back: readings.given_back_bytes }
}

/// Regions of both marks in one list.
struct Names {
    list: Vec<RegionName>,
    before: Vec<u32>,
    after: Vec<u32>,
    several: u32,
    nobody: u32,
}

impl Names {
    fn of(readings: &FlowReadings) -> Self {
        let mut list = vec![RegionName::NOBODY, RegionName::MIXED];
        let mut known: HashMap<RegionName, u32> = HashMap::new();
        let mut numbers = |names: &[Option<RegionName>]| -> Vec<u32> {
            let number = |name: &Option<RegionName>| match name {
                None => 0,
                Some(name) => *known.entry(name.clone()).or_insert_with(|| {
                    list.push(name.clone());
                    // There are some thousands of regions at most.
                    (list.len() - 1) as u32
                }),
            };
            names.iter().map(number).collect()
        };
        let (before, after) = (numbers(&readings.before), numbers(&readings.after));
        Self { list, before, after, several: 1, nobody: 0 }
    }

    fn numbers<'a>(&self, regions: &'a [u32]) -> Numbers<'a> {
        Numbers { regions, several: self.several, nobody: self.nobody }
    }

    fn name(&self, number: u32) -> &RegionName {
        self.list.get(number as usize).unwrap_or(&RegionName::NOBODY)
    }

    fn row_of(&self, source: Place) -> (u32, Held) {
        match source {
            Place::Block(region) => (region, Held::InUse),
            Place::Slot { last, .. } | Place::Dirty(last) | Place::Muzzy(last) | Place::Retained(last) => {
                (last, Held::Freed)
            }
            Place::Pad | Place::Moved => (self.nobody, Held::Other),
            Place::Absent => (self.nobody, Held::Absent),
        }
    }
}

/// A row as it grows.
#[derive(Default)]
struct Row {
    bytes: u64,
    cells: BTreeMap<Place, Cell>,
}

/// What a row is of.
struct Of<'a> {
    number: u32,
    held: Held,
    /// Resident bytes of what is allocated on pages of the region at the second mark.
    allocated_after: u64,
    counters: Option<&'a FlowCounters>,
}

impl Row {
    fn add(&mut self, target: Place, cell: Cell, was_muzzy: bool) {
        let sum = self.cells.entry(target).or_default();
        sum.least += cell.least;
        sum.most += cell.most;
        // The kernel takes muzzy pages without telling anybody.
        sum.forced += if was_muzzy { cell.most } else { cell.forced };
    }

    fn finish(self, of: &Of<'_>, names: &Names, readings: &FlowReadings) -> FlowRow {
        let mut cells = Vec::with_capacity(self.cells.len());
        let mut allocated_again = Figure::Exact(0);
        for (target, cell) in self.cells {
            let bytes = Figure::between(cell.least, cell.most);
            let is_own = matches!(target, Place::Block(region) if region == of.number);
            let went = match target {
                Place::Block(_) if is_own && matches!(of.held, Held::InUse | Held::Freed) => Went::Own,
                Place::Block(region) => Went::Region(names.name(region).clone()),
                Place::Slot { keeper, .. } => Went::FreeSlots(names.name(keeper).clone()),
                Place::Dirty(_) => Went::Dirty,
                Place::Muzzy(_) => Went::Muzzy,
                Place::Retained(_) => Went::Retained,
                Place::Pad => Went::Pads,
                Place::Moved => Went::Moved,
                Place::Absent => Went::Returned,
            };
            let of_others = matches!(went, Went::Region(_)) && of.held != Held::Absent;
            let reused = if of_others || went == Went::Own && of.held == Held::Freed {
                reused(cell, readings)
            } else {
                Figure::Exact(0)
            };
            if went == Went::Own && of.held == Held::InUse {
                allocated_again = again(of, cell.most);
                let (own, cached) = split(cell, of, names.several);
                for (went, bytes) in [(Went::Own, own), (Went::Cached, cached)] {
                    if bytes != Figure::Exact(0) {
                        cells.push(FlowCell { went, bytes, reused: Figure::Exact(0) });
                    }
                }
            } else {
                cells.push(FlowCell { went, bytes, reused });
            }
        }
        cells
            .sort_by(|left, right| right.bytes.high().cmp(&left.bytes.high()).then_with(|| left.went.cmp(&right.went)));
        FlowRow {
            region: names.name(of.number).clone(),
            held: of.held,
            bytes: Figure::exact(self.bytes),
            cells,
            allocated_again,
        }
    }
}

/// Of bytes that another holder has now, those that did not leave memory: all but what was given back, as far as that
/// can be bounded. What was given back was faulted in again, so that the faults bound it too.
fn reused(cell: Cell, readings: &FlowReadings) -> Figure {
    let counted = match (readings.given_back_bytes, readings.faulted_bytes) {
        (Some(given), Some(faulted)) => Some(given.min(faulted)),
        (given, faulted) => given.or(faulted),
    };
    // Bytes that may have gone uncounted are taken to be among the fewest that came.
    let plain = cell.least.saturating_sub(cell.forced);
    let forced = cell.least - plain;
    let stayed = |bytes: u64, gone: Option<u64>| gone.map_or(0, |gone| bytes.saturating_sub(gone));
    Figure::between(stayed(plain, counted) + stayed(forced, readings.faulted_bytes), cell.most)
}

/// Of what is still its own: what lives, and what threads cache. On a region's pages more is allocated than lives, by
/// what is cached; on these pages that can be any part of it.
fn split(cell: Cell, of: &Of<'_>, several: u32) -> (Figure, Figure) {
    let nothing = Figure::Exact(0);
    if of.number == several {
        return (Figure::between(cell.least, cell.most), nothing);
    }
    let live = of.counters.map_or(&nothing, |counters| &counters.live_after);
    let Some((live_least, live_most)) = live.ends() else {
        return (Figure::up_to(cell.most), Figure::up_to(cell.most));
    };
    // A count below zero is of another moment, and then nothing lives.
    let end = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    let (live_least, live_most) = (end(live_least), end(live_most));
    let cached_most = of.allocated_after.saturating_sub(live_least).min(cell.most);
    let cached_least = cell.least.saturating_sub(live_most).min(cached_most);
    let own = Figure::between(cell.least.saturating_sub(cached_most), cell.most - cached_least);
    (own, Figure::between(cached_least, cached_most))
}

/// Of what is still its own, what was freed and allocated again: not more than was freed, nor than was allocated.
fn again(of: &Of<'_>, own_bytes: u64) -> Figure {
    match of.counters.and_then(|counters| counters.between) {
        Some(between) => Figure::up_to(between.freed.min(between.allocated).min(own_bytes)),
        None => Figure::from(Why::new(
            "the counters of the region at both marks are not known",
            "keep the region's owner until the second mark",
        )),
    }
}
