//! What the counters say in sum: totals per region, of all sets.
//!
//! Readers write nothing. Freed words are summed before allocated words, so that a live figure is never negative.

use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicBool, AtomicU64, fence};

use heapledger_core::{region_count, region_root};

use crate::classes::{CLASS_BYTES, SMALL_CLASSES};
use crate::counters::{
    LARGE_BLOCKS, LARGE_USABLE_BYTES, REQUESTED_BYTES, SMALL_BLOCKS, TAGS, USED_WITHOUT_BYTES, WORDS, for_each_set,
};

/// What was allocated and what was freed since the process started; both only grow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flow {
    /// Allocated.
    pub allocated: u64,
    /// Freed.
    pub freed: u64,
}

impl Flow {
    /// What is live: the difference.
    pub fn live(self) -> u64 {
        self.allocated.wrapping_sub(self.freed)
    }

    fn merge(&mut self, other: Flow) {
        self.allocated = self.allocated.wrapping_add(other.allocated);
        self.freed = self.freed.wrapping_add(other.freed);
    }

    fn side(&mut self, side: usize) -> &mut u64 {
        if side == 0 { &mut self.allocated } else { &mut self.freed }
    }
}

/// Everything that is counted of one region.
///
/// A `realloc` counts as a free of the old size and an allocation of the new one, whether or not the block moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RegionTotals {
    /// Bytes as requested.
    pub requested_bytes: Flow,
    /// Blocks of each small size class; their usable bytes are [`CLASS_BYTES`].
    pub small_blocks: [Flow; SMALL_CLASSES],
    /// Blocks larger than the small classes.
    pub large_blocks: Flow,
    /// Usable bytes of those.
    pub large_usable_bytes: Flow,
}

impl Default for RegionTotals {
    fn default() -> Self {
        RegionTotals {
            requested_bytes: Flow::default(),
            small_blocks: [Flow::default(); SMALL_CLASSES],
            large_blocks: Flow::default(),
            large_usable_bytes: Flow::default(),
        }
    }
}

impl RegionTotals {
    fn subtract_earlier(&mut self, region: usize) {
        let subtract = |flow: &mut Flow, word: usize| {
            let before = earlier(region, word);
            flow.merge(Flow { allocated: before.wrapping_neg(), freed: before.wrapping_neg() });
        };
        subtract(&mut self.requested_bytes, REQUESTED_BYTES);
        subtract(&mut self.large_blocks, LARGE_BLOCKS);
        subtract(&mut self.large_usable_bytes, LARGE_USABLE_BYTES);
        for (class, flow) in self.small_blocks.iter_mut().enumerate() {
            subtract(flow, SMALL_BLOCKS + 2 * class);
        }
    }

    fn merge(&mut self, other: &RegionTotals) {
        self.requested_bytes.merge(other.requested_bytes);
        self.large_blocks.merge(other.large_blocks);
        self.large_usable_bytes.merge(other.large_usable_bytes);
        for (mine, theirs) in self.small_blocks.iter_mut().zip(&other.small_blocks) {
            mine.merge(*theirs);
        }
    }

    /// Blocks, small and large.
    pub fn blocks(&self) -> Flow {
        self.small_blocks.iter().fold(self.large_blocks, |sum, flow| Flow {
            allocated: sum.allocated.wrapping_add(flow.allocated),
            freed: sum.freed.wrapping_add(flow.freed),
        })
    }

    /// Bytes that the blocks can hold: the size classes that the requests were rounded up to.
    pub fn usable_bytes(&self) -> Flow {
        self.small_blocks.iter().zip(&CLASS_BYTES).fold(self.large_usable_bytes, |sum, (flow, &bytes)| Flow {
            allocated: sum.allocated.wrapping_add(flow.allocated.wrapping_mul(u64::from(bytes))),
            freed: sum.freed.wrapping_add(flow.freed.wrapping_mul(u64::from(bytes))),
        })
    }
}

/// By tag: what earlier regions of the index allocated and freed, per pair of words; they are gone, so both are the
/// same.
static EARLIER: [[AtomicU64; WORDS / 2]; TAGS] = [const { [const { AtomicU64::new(0) }; WORDS / 2] }; TAGS];

/// Whether there is any.
static ANY_EARLIER: AtomicBool = AtomicBool::new(false);

fn earlier(region: usize, word: usize) -> u64 {
    if ANY_EARLIER.load(Relaxed) { EARLIER[region + 1][word / 2].load(Relaxed) } else { 0 }
}

/// Every pair of words of a region, summed over all sets.
#[inline(never)]
fn pairs(region: usize) -> [Flow; WORDS / 2] {
    let mut pairs = [Flow::default(); WORDS / 2];
    for side in [1, 0] {
        for_each_set(region..region + 1, |_, words| {
            // As in `read_totals`: most threads have never been in the region.
            if words[REQUESTED_BYTES + side].load(Relaxed) == 0 && words[USED_WITHOUT_BYTES].load(Relaxed) == 0 {
                return;
            }
            for (pair, flow) in pairs.iter_mut().enumerate() {
                let sum = flow.side(side);
                *sum = sum.wrapping_add(words[2 * pair + side].load(Relaxed));
            }
        });
        // Acquire: as in `read_requested`.
        fence(Acquire);
    }
    pairs
}

/// Pairs that are no pair of allocated and freed.
fn is_flow(pair: usize) -> bool {
    pair != USED_WITHOUT_BYTES / 2
}

/// Whether a block of the region lives. As freed words are read first, `false` is certain for the moment of that
/// reading.
#[inline(never)]
pub(crate) fn is_live(region: usize) -> bool {
    pairs(region).iter().enumerate().fold(0, |live, (pair, flow)| live | if is_flow(pair) { flow.live() } else { 0 })
        != 0
}

/// Leaves what was counted of a region that is gone out of what is read from now on.
pub(crate) fn forget(region: usize) {
    ANY_EARLIER.store(true, Relaxed);
    for (pair, (flow, earlier)) in pairs(region).iter().zip(&EARLIER[region + 1]).enumerate() {
        earlier.store(if is_flow(pair) { flow.freed } else { 0 }, Relaxed);
    }
}

/// Adds what was counted under ids that stand for another region to that region's, and empties theirs.
fn join_roots<T: Default>(out: &mut [T], merge: impl Fn(&mut T, &T)) {
    for index in 0..out.len() {
        let root = region_root(index);
        if root != index && root < out.len() {
            let counted = core::mem::take(&mut out[index]);
            merge(&mut out[root], &counted);
        }
    }
}

/// Sums the requested bytes of each region into `out`, which should have at least
/// [`region_count`](heapledger_core::region_count) entries; regions beyond its end are left out.
///
/// Allocates nothing. Each word is right at some moment during the call; all freed words are read before all allocated
/// words, so no live figure is negative. Costs two passes over one cache line per (thread slot, region).
pub fn read_requested(out: &mut [Flow]) {
    let regions = region_count().min(out.len());
    out.fill(Flow::default());
    for (region, flow) in out[..regions].iter_mut().enumerate() {
        let before = earlier(region, REQUESTED_BYTES).wrapping_neg();
        *flow = Flow { allocated: before, freed: before };
    }
    for side in [1, 0] {
        for_each_set(0..regions, |region, words| {
            let sum = out[region].side(side);
            *sum = sum.wrapping_add(words[REQUESTED_BYTES + side].load(Relaxed));
        });
        // Acquire: a free that was seen makes its allocation visible to the second pass (it was counted with Release).
        fence(Acquire);
    }
    join_roots(&mut out[..regions], |flow, other| flow.merge(*other));
}

/// Sums everything that is counted of each region into `out`, as [`read_requested`] does.
///
/// Costs two passes over ten cache lines per (thread slot, region) in use, and over one where it is not.
pub fn read_totals(out: &mut [RegionTotals]) {
    let regions = region_count().min(out.len());
    out.fill(RegionTotals::default());
    for (region, totals) in out[..regions].iter_mut().enumerate() {
        // Bytes are counted with every block of any size, so most regions have no earlier ones at a glance.
        let used = [REQUESTED_BYTES, LARGE_BLOCKS, SMALL_BLOCKS].iter().any(|word| earlier(region, *word) != 0);
        if used {
            totals.subtract_earlier(region);
        }
    }
    for side in [1, 0] {
        for_each_set(0..regions, |region, words| {
            let value = |word: usize| words[word].load(Relaxed);
            let requested = value(REQUESTED_BYTES + side);
            // Bytes are counted after blocks: no bytes, no blocks that a free seen earlier could belong to.
            if requested == 0 && value(USED_WITHOUT_BYTES) == 0 {
                return;
            }
            let totals = &mut out[region];
            let add = |flow: &mut Flow, value: u64| {
                let sum = flow.side(side);
                *sum = sum.wrapping_add(value);
            };
            add(&mut totals.requested_bytes, requested);
            add(&mut totals.large_blocks, value(LARGE_BLOCKS + side));
            add(&mut totals.large_usable_bytes, value(LARGE_USABLE_BYTES + side));
            for (class, flow) in totals.small_blocks.iter_mut().enumerate() {
                add(flow, value(SMALL_BLOCKS + 2 * class + side));
            }
        });
        // Acquire: as in `read_requested`.
        fence(Acquire);
    }
    join_roots(&mut out[..regions], RegionTotals::merge);
}
