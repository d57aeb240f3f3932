//! What the ledger itself takes: bounded without looking, or counted page by page.

use heapledger_alloc::{table_ranges, table_use};
use heapledger_core::thread::COUNTER_STRIDE_BYTES;
use heapledger_core::{RegionId, is_installed, region_count};
use heapledger_probe::read::{Residency, Roots, held_ranges, resident_bytes};
use heapledger_statement::{Figure, OwnTablesReading};

use crate::readings::reading;

/// Bounds round up to pages of this size: the largest that the kernel can have on this architecture.
const PAGE_BYTES_AT_MOST: u64 = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };

/// The words of one GiB of heap.
const LEAF_BYTES: u64 = 2 << 20;

/// Room for mappings that are made between counting and listing them.
const SPARE_RANGES: usize = 16;

/// The resident bytes of the ledger's own tables: counters of each thread, words for pages, rows, and their static
/// roots.
///
/// Unlike the interval in a [`Summary`](crate::Summary), the kernel is asked for each page: exact from Linux 6.7; on
/// older kernels an interval, and the upper end counts pages of zeroes. It costs more than [`quick`](crate::quick):
/// some microseconds for each mapping, of which there is one per GiB of heap and per thread; on older kernels about a
/// millisecond for each GiB of address space that the tables span, touched or not. It is NOT what the ledger's values
/// on the heap take: those are live bytes of region `~ledger`.
///
/// Unknown if no [`Ledger`](crate::Ledger) is installed, or `/proc/self/pagemap` cannot be read.
///
/// ```
/// # #[global_allocator]
/// # static LEDGER: heapledger::Ledger = heapledger::Ledger::new();
/// println!("the ledger itself takes {}", heapledger::own_tables());
/// ```
pub fn own_tables() -> Figure {
    if !is_installed() {
        return Figure::unknown("no heapledger::Ledger is installed", "declare one as the #[global_allocator]");
    }
    let _ours = RegionId::LEDGER.enter();
    match reading(resident_bytes(Roots::system(), ranges())) {
        Ok(Residency { at_least_bytes, at_most_bytes }) => Figure::between(at_least_bytes, at_most_bytes),
        Err(why) => why.into(),
    }
}

/// Address and length of each table.
fn ranges() -> Vec<(usize, usize)> {
    let mut ranges = vec![(0, 0); table_ranges(&mut []) + SPARE_RANGES];
    let listed = table_ranges(&mut ranges);
    ranges.truncate(listed);
    ranges.extend(held_ranges());
    ranges
}

/// The account of the tables, for the interval in a summary: a few loads for each mapping.
///
/// What may have been written, and so be resident, is bounded part by part:
/// * a thread's counters: its header and those of regions that have an id; the rest of its set is never touched;
/// * words for pages and rows of mixed pages: all that is mapped, since rows that were given back stay resident;
/// * the shared counters: as one thread's;
/// * the root of the words: a page for each GiB that has words, or was refused them;
/// * the list of mappings: two words for each;
/// * page maps that marks keep: all of them.
pub(crate) fn account() -> OwnTablesReading {
    let tables = table_use();
    let set_bytes = whole_pages(((region_count() + 1) * COUNTER_STRIDE_BYTES) as u64);
    let sets = tables.thread_slots as u64 + 1;
    let root_pages = tables.page_words_bytes / LEAF_BYTES + tables.refused_maps + 1;
    let ranges = ranges();
    let list_bytes = 2 * whole_pages(size_of_val(&ranges[..]) as u64 / 2);
    OwnTablesReading {
        mapped_bytes: ranges.iter().map(|(_, bytes)| *bytes as u64).sum(),
        written_bytes: sets * set_bytes
            + tables.page_words_bytes
            + tables.rows_bytes
            + root_pages * PAGE_BYTES_AT_MOST
            + list_bytes
            + held_ranges().map(|(_, bytes)| bytes as u64).sum::<u64>(),
        refused_maps: tables.refused_maps,
    }
}

/// The pages that `bytes` can touch wherever they begin.
fn whole_pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES_AT_MOST) + PAGE_BYTES_AT_MOST
}
