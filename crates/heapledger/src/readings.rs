//! Joins what the other crates read into the plain numbers that a summary is made from.

use heapledger_alloc::{CLASS_BYTES, RegionTotals, read_totals};
use heapledger_core::{region_count, region_info};
use heapledger_statement::{Flow, Readings, RegionReading, Why};

use crate::Error;

pub(crate) fn take() -> Result<Readings, Error> {
    let mut totals = buffer(region_count())?;
    read_totals(&mut totals);
    let mut readings = Readings::unread(Why::new("not read yet", "wait for the next version"));
    readings.pid = Some(std::process::id());
    readings.regions = totals.iter().enumerate().filter_map(|(index, totals)| region(index, totals)).collect();
    Ok(readings)
}

fn buffer<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) })?;
    buffer.resize(len, T::default());
    Ok(buffer)
}

fn region(index: usize, totals: &RegionTotals) -> Option<RegionReading> {
    let info = region_info(index)?;
    let classes = totals.small_blocks.iter().zip(&CLASS_BYTES).map(|(count, bytes)| (*bytes, flow(*count)));
    Some(RegionReading {
        name: info.name.into(),
        index,
        generation: info.id.generation(),
        retired: info.retired,
        requested_bytes: flow(totals.requested_bytes),
        classes: classes.filter(|(_, count)| *count != Flow::default()).collect(),
        large_blocks: flow(totals.large_blocks),
        large_usable_bytes: flow(totals.large_usable_bytes),
    })
}

fn flow(words: heapledger_alloc::Flow) -> Flow {
    Flow::new(words.allocated, words.freed)
}
