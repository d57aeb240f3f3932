//! What a mark keeps beside its statement.

use heapledger_probe::PageMap;
use heapledger_statement::{Reading, Readings, RegionName};

/// A map of the pages, and what is needed to compare it with another.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// The pages, or why there is no map of them.
    pub(crate) map: Reading<PageMap>,
    /// Regions by index.
    pub(crate) names: Vec<Option<RegionName>>,
    /// Bytes that jemalloc ever gave back, resident or not, before the walk and after it.
    pub(crate) purged_bytes: [Option<u64>; 2],
    /// Bytes that page faults can have brought in so far, before the walk and after it.
    pub(crate) faulted_bytes: [Option<u64>; 2],
}

/// Regions by index; `None` for an index that no region has.
pub(crate) fn names(readings: &Readings) -> Vec<Option<RegionName>> {
    let count = readings.regions.iter().map(|region| region.index + 1).max().unwrap_or_default();
    let mut names = vec![None; count];
    for region in &readings.regions {
        if let Some(name) = names.get_mut(region.index) {
            *name = Some(RegionName::new(region.name.clone(), region.generation));
        }
    }
    names
}
