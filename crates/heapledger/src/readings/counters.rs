//! The ledger's counters in the plain numbers of a summary.

use heapledger_alloc::{CLASS_BYTES, RegionTotals, read_requested, read_totals};
use heapledger_core::{Isolation, RegionId, region_count, region_info, region_root};
use heapledger_statement::{Flow, RegionReading, Why};

use crate::Error;

/// Room for regions that are named while the readings are taken.
const SPARE_REGIONS: usize = 8;

/// The ledger's counters, twice.
pub(super) struct Counters {
    /// Whose the indices were before the first reading: an id of a region that is gone can be given to another name.
    ids: Vec<Option<RegionId>>,
    totals: Vec<RegionTotals>,
    later: Vec<heapledger_alloc::Flow>,
}

impl Counters {
    pub(super) fn with_room() -> Result<Self, Error> {
        let regions = region_count() + SPARE_REGIONS;
        Ok(Self { ids: buffer(regions)?, totals: buffer(regions)?, later: buffer(regions)? })
    }

    pub(super) fn read(&mut self) {
        for (index, id) in self.ids.iter_mut().enumerate() {
            *id = id_of(index);
        }
        read_totals(&mut self.totals);
    }

    pub(super) fn read_again(&mut self) {
        read_requested(&mut self.later);
    }

    /// So many regions have a place.
    pub(super) fn room(&self) -> usize {
        self.totals.len()
    }

    /// Bytes requested and freed between the two readings; `None` if a region came for which there was no room, or one
    /// went and its id can be another's by now.
    pub(super) fn traffic(&self) -> Option<Flow> {
        let stays = |(index, id): (usize, &Option<RegionId>)| id.is_none() || *id == id_of(index) || is_alias(index);
        let all = region_count() <= self.totals.len() && self.ids.iter().enumerate().all(stays);
        all.then(|| traffic(&self.totals, &self.later, is_alias)).flatten()
    }

    /// Regions that were there from the first reading on. What an index counted that has come to another region since
    /// is not told of either.
    pub(super) fn regions(&self) -> Vec<RegionReading> {
        let rows = self.ids.iter().zip(&self.totals).enumerate();
        rows.filter_map(|(index, (id, totals))| region(index, *id, totals)).collect()
    }
}

fn id_of(index: usize) -> Option<RegionId> {
    region_info(index).map(|info| info.id)
}

/// Whether the index stands for another region. Such an index keeps its words, and is nobody else's ever.
fn is_alias(index: usize) -> bool {
    region_root(index) != index
}

fn buffer<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { bytes: len * size_of::<T>() })?;
    buffer.resize(len, T::default());
    Ok(buffer)
}

/// Bytes requested and freed between the two readings of the counters; `None` if a word fell, because its region is
/// gone and what it counted was forgotten. Those of an alias fall when its blocks become another region's, whose words
/// rise by the same.
fn traffic(
    totals: &[RegionTotals],
    later: &[heapledger_alloc::Flow],
    is_alias: impl Fn(usize) -> bool,
) -> Option<Flow> {
    totals.iter().zip(later).enumerate().try_fold(Flow::default(), |sum, (index, (before, after))| {
        let before = before.requested_bytes;
        let fell = after.allocated < before.allocated || after.freed < before.freed;
        (!fell || is_alias(index)).then(|| Flow {
            allocated: sum.allocated.wrapping_add(after.allocated.wrapping_sub(before.allocated)),
            freed: sum.freed.wrapping_add(after.freed.wrapping_sub(before.freed)),
        })
    })
}

/// `None` for an index that no region has, or another than had this id when its counters were read. One that came
/// meanwhile has counted nothing before.
fn region(index: usize, counted: Option<RegionId>, totals: &RegionTotals) -> Option<RegionReading> {
    let info = region_info(index).filter(|info| counted.is_none_or(|counted| counted == info.id))?;
    let classes = totals.small_blocks.iter().zip(&CLASS_BYTES).map(|(count, bytes)| (*bytes, flow(*count)));
    Some(RegionReading {
        name: info.name.into(),
        index,
        generation: info.id.generation(),
        retired: info.retired,
        isolated: info.isolation == Isolation::Isolated,
        not_isolated: not_isolated(info.isolation),
        requested_bytes: flow(totals.requested_bytes),
        classes: classes.filter(|(_, count)| *count != Flow::default()).collect(),
        large_blocks: flow(totals.large_blocks),
        large_usable_bytes: flow(totals.large_usable_bytes),
    })
}

/// Why a region that was to have an arena of its own has none.
fn not_isolated(isolation: Isolation) -> Option<Why> {
    let (reason, remedy) = match isolation {
        Isolation::TooMany => ("there are as many isolated regions as there may be", "isolate fewer regions"),
        Isolation::NoArena => {
            ("jemalloc made no arena, or does not keep what it maps", "set retain:true, or allow more memory")
        }
        Isolation::NotInstalled => {
            ("no ledger was installed when it was asked for", "declare heapledger::IsolatingLedger as the allocator")
        }
        Isolation::PlainLedger => {
            ("the program's allocator isolates nothing", "declare heapledger::IsolatingLedger as the allocator")
        }
        _ => return None,
    };
    Some(Why::new(reason, remedy))
}

fn flow(words: heapledger_alloc::Flow) -> Flow {
    Flow::new(words.allocated, words.freed)
}

#[cfg(test)]
mod tests {
    use heapledger_alloc::Flow as Words;

    use super::*;

    fn before(allocated: u64, freed: u64) -> RegionTotals {
        RegionTotals { requested_bytes: Words { allocated, freed }, ..RegionTotals::default() }
    }

    #[test]
    fn where_a_region_was_forgotten_meanwhile_the_traffic_is_unknown() {
        let first = [before(100, 40), before(70, 70)];
        let grown = [Words { allocated: 110, freed: 45 }, Words { allocated: 70, freed: 70 }];
        assert_eq!(traffic(&first, &grown, |_| false), Some(Flow::new(10, 5)));
        let forgotten = [grown[0], Words::default()];
        assert_eq!(traffic(&first, &forgotten, |_| false), None);
        let heirs = [grown[0], Words { allocated: 80, freed: 10 }];
        assert_eq!(traffic(&first, &heirs, |_| false), None);
    }

    #[test]
    fn blocks_that_become_another_regions_are_no_traffic() {
        let first = [before(100, 40), before(70, 20)];
        let joined = [Words { allocated: 170, freed: 60 }, Words::default()];
        assert_eq!(traffic(&first, &joined, |index| index == 1), Some(Flow::default()));
    }

    #[test]
    fn what_was_counted_of_one_region_is_not_told_of_another() {
        let index = RegionId::LEDGER.index();
        let told = |id| region(index, id, &before(100, 40)).map(|row| (row.name, row.requested_bytes));
        let ledger = Some(("~ledger".into(), Flow::new(100, 40)));
        let noted = [Some(RegionId::LEDGER), None, Some(RegionId::UNTAGGED)];
        assert_eq!(noted.map(told), [ledger.clone(), ledger, None]);
    }
}
