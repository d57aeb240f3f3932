//! Whether what a walk found agrees with who counts the same by other means: the tests' own oracle, beside the checks
//! of the statement, which are made from sums only.
#![allow(dead_code, reason = "each test program uses a part of it")]

use heapledger_probe::attribute::{CLASSES, Heap, Walk};
use heapledger_probe::read::Residency;

/// What others say: the kernel, jemalloc's statistics and the ledger's counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// `RssAnon`, `RssFile` and `RssShmem`; a kind that is not known is not compared.
    pub rss_bytes: [Option<u64>; 3],
    /// `stats.allocated`.
    pub allocated_bytes: u64,
    /// Of that, what the ledger did not hand out and threads do not cache: 0 unless something allocates past the
    /// ledger.
    pub past_the_ledger_bytes: u64,
    /// What threads cache, `tcache_bytes` and `tcache_stashed_bytes`, and jemalloc's internal blocks.
    pub cached_bytes: u64,
    /// `stats.mapped` minus the pages of extents.
    pub base_bytes: u64,
    /// Live blocks by region, in the order of `Heap::regions`.
    pub regions: Vec<LiveBlocks>,
    /// Usable bytes of a small block, by class.
    pub slot_bytes: Vec<u32>,
}

/// What one region has by the ledger's counters.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct LiveBlocks {
    /// Small blocks by class.
    pub small_blocks: [u64; CLASSES],
    /// Usable bytes of large blocks.
    pub large_usable_bytes: u64,
}

/// What was compared.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Check {
    /// All pages of a kind (`RssAnon`, `RssFile`, `RssShmem`) and the kernel's counter of it.
    CounterGap(&'static str),
    /// The lines and the pages.
    Lines,
    /// Bytes of an arena's extents in a state (active, dirty, muzzy, retained) and `stats.arenas.<i>`.
    Extents {
        /// Index of the arena.
        arena: u32,
        /// Index of the state.
        state: usize,
    },
    /// Slabs of a class, and how many jemalloc counts; bytes of slots where those in use differ.
    Slabs {
        /// Index of the class.
        class: usize,
    },
    /// Base blocks, and what `stats.mapped` has beyond extents.
    BaseBlocks,
    /// Allocated slots and large blocks, and `stats.allocated`.
    Allocated,
    /// What is allocated and not live, and what jemalloc says that threads cache.
    Cached,
    /// A region has more live blocks by the counters than the walk found on its pages.
    Region(usize),
    /// An extent or a page was being changed at every try.
    Moved,
}

/// Two figures that should be one.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Failed {
    /// What was compared.
    pub check: Check,
    /// What the walk found, bytes; the end of an interval that is nearer.
    pub walked_bytes: u64,
    /// What the other says, bytes.
    pub counted_bytes: u64,
}

impl Failed {
    /// By how much they differ: in a quiet process 0, else no more than what was allocated, freed, faulted and purged
    /// while the readings were taken.
    pub fn difference_bytes(&self) -> u64 {
        self.walked_bytes.abs_diff(self.counted_bytes)
    }
}

/// All lines together; what `Walk` says of how it sums, computed.
pub fn lines(walk: &Walk) -> Residency {
    let mut sum = walk.heap.as_ref().map(heap_lines).unwrap_or_default();
    for part in [walk.own_tables, walk.scratch, walk.outside.total(), walk.unlisted_resident, walk.moved.resident] {
        sum += part;
    }
    sum += walk.unattributed.iter().map(|range| range.resident).sum();
    sum
}

/// Everything that does not agree, each by name.
pub fn check(walk: &Walk, facts: &Facts) -> Vec<Failed> {
    let mut failed = Failures(Vec::new());
    let kinds = [("RssAnon", walk.pages.anon), ("RssFile", walk.pages.file), ("RssShmem", walk.pages.shmem)];
    for ((name, pages), counted) in kinds.into_iter().zip(facts.rss_bytes) {
        if let Some(counted) = counted
            && (walk.pages.unknown_file_bytes == 0 || name == "RssAnon")
        {
            failed.within(Check::CounterGap(name), pages, counted);
        }
    }
    let pages: Residency = kinds.into_iter().map(|(_, pages)| pages).sum();
    failed.equal(Check::Lines, lines(walk).at_least_bytes, pages.at_least_bytes);
    failed.equal(Check::Lines, lines(walk).at_most_bytes, pages.at_most_bytes);
    failed.equal(Check::Moved, walk.moved.extents, 0);
    if let Ok(heap) = &walk.heap {
        check_heap(heap, facts, &mut failed);
    }
    failed.0
}

/// The lines of jemalloc's memory together.
fn heap_lines(heap: &Heap) -> Residency {
    let mut sum = heap.slabs.free_resident;
    for region in &heap.regions {
        sum += region.small.iter().map(|small| small.allocated_resident).sum();
        let large = region.large;
        for part in [large.usable_resident, large.pad_resident, region.dirty, region.muzzy, region.retained] {
            sum += part;
        }
    }
    for free in [heap.dirty, heap.muzzy, heap.retained] {
        sum += free.mixed_resident;
    }
    sum += heap.base_resident;
    sum
}

fn check_heap(heap: &Heap, facts: &Facts, failed: &mut Failures) {
    for sums in &heap.sums {
        for (state, (walked, counted)) in sums.walked_bytes.iter().zip(&sums.counted_bytes).enumerate() {
            failed.equal(Check::Extents { arena: sums.arena, state }, *walked, *counted);
        }
    }
    for ((class, pages), bytes) in heap.classes.iter().enumerate().zip(&facts.slot_bytes) {
        let bytes = u64::from(*bytes);
        failed.equal(Check::Slabs { class }, pages.slabs * bytes, pages.counted_slabs * bytes);
        failed.equal(Check::Slabs { class }, pages.allocated_slots * bytes, pages.counted_slots * bytes);
    }
    failed.equal(Check::BaseBlocks, heap.base_bytes, facts.base_bytes);
    let allocated = allocated_bytes(heap, &facts.slot_bytes);
    failed.equal(Check::Allocated, allocated, facts.allocated_bytes);
    let live: u64 = facts.regions.iter().map(|region| region.usable_bytes(&facts.slot_bytes)).sum();
    failed.equal(Check::Cached, allocated, live + facts.cached_bytes + facts.past_the_ledger_bytes);
    for (index, (pages, live)) in heap.regions.iter().zip(&facts.regions).enumerate() {
        for ((walked, live), bytes) in pages.small.iter().zip(live.small_blocks).zip(&facts.slot_bytes) {
            let bytes = u64::from(*bytes);
            failed.at_least(Check::Region(index), walked.allocated_slots * bytes, live * bytes);
        }
        failed.at_least(Check::Region(index), pages.large.usable_bytes, live.large_usable_bytes);
    }
}

/// Usable bytes of all blocks that jemalloc has handed out, to the program or to a thread's cache.
fn allocated_bytes(heap: &Heap, slot_bytes: &[u32]) -> u64 {
    let small = heap.classes.iter().zip(slot_bytes).map(|(class, bytes)| class.allocated_slots * u64::from(*bytes));
    let large = heap.regions.iter().map(|region| region.large.usable_bytes);
    small.sum::<u64>() + large.sum::<u64>()
}

impl LiveBlocks {
    fn usable_bytes(&self, slot_bytes: &[u32]) -> u64 {
        let small = self.small_blocks.iter().zip(slot_bytes).map(|(blocks, bytes)| blocks * u64::from(*bytes));
        small.sum::<u64>() + self.large_usable_bytes
    }
}

struct Failures(Vec<Failed>);

impl Failures {
    fn equal(&mut self, check: Check, walked_bytes: u64, counted_bytes: u64) {
        if walked_bytes != counted_bytes {
            self.0.push(Failed { check, walked_bytes, counted_bytes });
        }
    }

    fn at_least(&mut self, check: Check, walked_bytes: u64, counted_bytes: u64) {
        if walked_bytes < counted_bytes {
            self.0.push(Failed { check, walked_bytes, counted_bytes });
        }
    }

    fn within(&mut self, check: Check, walked: Residency, counted_bytes: u64) {
        self.at_least(check, walked.at_most_bytes, counted_bytes);
        self.equal(check, walked.at_least_bytes.max(counted_bytes), counted_bytes);
    }
}
