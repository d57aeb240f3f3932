//! A walk of a process whose global allocator is the ledger, and what must hold of every one.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Once;

use heapledger_alloc::{PageWord, RegionTotals, page_word, read_totals, table_ranges};
use heapledger_core::region_count;
use heapledger_harness::thread;
use heapledger_probe::Walker;
use heapledger_probe::attribute::{CLASSES, Heap, Owners, PageOwner, Place, Starts, Walk};
use heapledger_probe::read::{self, Backend, Jemalloc, JemallocStats, Residency, Roots, Status};

#[path = "../checks/mod.rs"]
pub mod checks;
pub mod maps;

use checks::{Facts, LiveBlocks};

/// The owner map of this process.
#[derive(Debug)]
pub struct Map;

impl Owners for Map {
    type Page = PageWord;

    #[inline]
    fn page(&self, address: usize) -> PageWord {
        page_word(address)
    }

    #[inline]
    fn start_owner(&self, page: PageWord) -> PageOwner {
        if page.is_mixed() { PageOwner::Mixed } else { page.start_owner().map_or(PageOwner::Nobody, PageOwner::Region) }
    }

    fn last_owner(&self, page: PageWord) -> PageOwner {
        match page.owner() {
            heapledger_alloc::PageOwner::Unknown => PageOwner::Nobody,
            heapledger_alloc::PageOwner::Region(region) => PageOwner::Region(region),
            heapledger_alloc::PageOwner::Mixed => PageOwner::Mixed,
        }
    }

    fn slot_owner(&self, page: PageWord, class: usize, offset: usize) -> Option<usize> {
        page.slot_owner(class, offset)
    }

    #[inline]
    fn slot_owners(&self, address: usize, starts: Starts, out: &mut [u16]) -> bool {
        page_word(address).write_tags(starts.class, out)
    }

    #[inline]
    fn fetch_ahead(&self, page: PageWord) {
        page.fetch_ahead();
    }
}

/// Everything read for one statement.
#[derive(Debug)]
pub struct Taken {
    pub before: Status,
    pub totals: Vec<RegionTotals>,
    pub stats: JemallocStats,
    pub after: Status,
    pub walk: Walk,
    pub nanos: u128,
}

/// Takes readings in the order of a statement.
pub fn take(walker: &mut Walker) -> Taken {
    static ALONE: Once = Once::new();
    ALONE.call_once(thread::wait_until_it_sleeps);
    let mut totals = vec![RegionTotals::default(); region_count() + 8];
    let mut tables = vec![(0, 0); table_ranges(&mut []) + 64];
    walker.prepare(totals.len(), tables.len()).expect("buffers");
    let count = table_ranges(&mut tables);
    let before = read::status(Roots::system());
    let began = std::time::Instant::now();
    read_totals(&mut totals);
    let stats = read::stats(&Jemalloc).expect("statistics");
    walker.walk(&Map, &tables[..count]).expect("a walk");
    let nanos = began.elapsed().as_nanos();
    let after = read::status(Roots::system());
    Taken { before, totals, stats, after, walk: walker.result(), nanos }
}

pub fn heap(taken: &Taken) -> &Heap {
    taken.walk.heap.as_ref().expect("jemalloc's tree is admitted")
}

/// Bytes of a line that must be known exactly here.
pub fn exact(resident: Residency) -> u64 {
    assert!(resident.is_exact(), "{resident:?}");
    resident.at_least_bytes
}

/// All lines of a walk together.
pub fn lines(walk: &Walk) -> Residency {
    checks::lines(walk)
}

/// What must hold of a statement of a quiet process: the lines sum to what was scanned, that to what the kernel counts,
/// jemalloc's own sums are met, and what is allocated and not live is what threads cache.
pub fn assert_quiet(taken: &Taken) {
    let after = &taken.after;
    let rss = [after.rss_anon_bytes.ok(), after.rss_file_bytes.ok(), after.rss_shmem_bytes.ok()];
    assert!(rss.iter().all(Option::is_some), "the kernel counts each kind");
    assert!(taken.walk.pages.anon.is_exact(), "{}", describe(taken));
    assert_facts(taken, rss);
}

/// The same without the kernel's counters.
pub fn assert_sums(taken: &Taken) {
    assert_facts(taken, [None; 3]);
}

fn assert_facts(taken: &Taken, rss_bytes: [Option<u64>; 3]) {
    let failed = checks::check(&taken.walk, &facts(taken, rss_bytes));
    assert!(failed.is_empty(), "{failed:?}\n{}", describe(taken));
}

/// What others say of the same process.
pub fn facts(taken: &Taken, rss_bytes: [Option<u64>; 3]) -> Facts {
    let stats = &taken.stats;
    Facts {
        rss_bytes,
        allocated_bytes: stats.allocated_bytes,
        past_the_ledger_bytes: 0,
        cached_bytes: stats.tcache_bytes + stats.tcache_stashed_bytes + stats.internal_bytes,
        // With opt.hpa mapped is less than the pages of extents; then there is no heap to compare with.
        base_bytes: stats.mapped_bytes.wrapping_sub((stats.pactive + stats.pdirty + stats.pmuzzy) * stats.page_bytes),
        regions: taken
            .totals
            .iter()
            .map(|totals| LiveBlocks {
                small_blocks: totals.small_blocks.map(|blocks| blocks.live()),
                large_usable_bytes: totals.large_usable_bytes.live(),
            })
            .collect(),
        slot_bytes: heapledger_alloc::CLASS_BYTES.to_vec(),
    }
}

/// Live usable bytes of a region by the counters.
pub fn live(taken: &Taken, region: usize) -> u64 {
    taken.totals[region].usable_bytes().live()
}

/// Resident bytes of a region's allocated blocks by the walk.
pub fn resident(taken: &Taken, region: usize) -> u64 {
    let region = &heap(taken).regions[region];
    exact(region.small.iter().map(|small| small.allocated_resident).sum()) + exact(region.large.usable_resident)
}

pub fn unattributed(walk: &Walk) -> u64 {
    exact(walk.unattributed.iter().map(|range| range.resident).sum()) + exact(walk.unlisted_resident)
}

/// A table for a failed assertion, and for who runs the tests to see.
pub fn describe(taken: &Taken) -> String {
    use std::fmt::Write;
    let walk = &taken.walk;
    let mut text = String::new();
    let mut line = |name: &str, resident: Residency| {
        let _ = writeln!(text, "  {name:<24} {:>14} {:>14}", resident.at_least_bytes, resident.at_most_bytes);
    };
    line("anon", walk.pages.anon);
    line("file", walk.pages.file);
    line("shmem", walk.pages.shmem);
    line("lines", lines(walk));
    if let Ok(heap) = &walk.heap {
        for (index, region) in heap.regions.iter().enumerate() {
            let small: Residency = (0..CLASSES).map(|class| region.small[class].allocated_resident).sum();
            if small != Residency::default() || region.large.blocks > 0 || region.dirty != Residency::default() {
                line(&format!("{index} small"), small);
                line(&format!("{index} large"), region.large.usable_resident);
                line(&format!("{index} pad"), region.large.pad_resident);
                line(&format!("{index} dirty"), region.dirty);
                line(&format!("{index} pinned"), region.free_pinned_alone);
            }
        }
        line("free slots", heap.slabs.free_resident);
        line("dirty", heap.dirty.resident);
        line("muzzy", heap.muzzy.resident);
        line("retained", heap.retained.resident);
        line("base", heap.base_resident);
    }
    line("own tables", walk.own_tables);
    line("scratch", walk.scratch);
    line("moved", walk.moved.resident);
    for place in Place::ALL {
        line(&format!("{place:?}"), walk.outside.get(place));
    }
    for range in &walk.unattributed {
        line(&format!("{:x}-{:x}", range.start, range.end), range.resident);
    }
    let _ = writeln!(
        text,
        "  status {:?} {:?} {:?}",
        taken.after.rss_anon_bytes, taken.after.rss_file_bytes, taken.after.rss_shmem_bytes
    );
    let _ = writeln!(
        text,
        "  {:?} {} ns, {} extents",
        walk.backend,
        taken.nanos,
        walk.heap.as_ref().map_or(0, |heap| heap.extents)
    );
    text
}

/// Forces every backend that this kernel has.
pub const BACKENDS: [Backend; 3] = [Backend::Scan, Backend::Pagemap, Backend::Mincore];
