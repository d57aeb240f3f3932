//! What the counters say in sum: totals per region, of all sets.
//!
//! Readers write nothing. Freed words are summed before allocated words, so that a live figure is never negative.

use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicBool, AtomicU64, fence};

use heapledger_core::hooks::{GROUP, only};
use heapledger_core::{region_count, region_root};

use crate::classes::{CLASS_BYTES, SMALL_CLASSES};
use crate::counters::{Words, for_each_near, for_each_set};
use crate::places::{ALLOCATED, FREED, LARGE_BLOCKS, LARGE_USABLE_BYTES, REQUESTED_BYTES, TAGS, USED_WITHOUT_BYTES};

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

    fn add(&mut self, side: usize, n: u64) {
        let sum = if side == ALLOCATED { &mut self.allocated } else { &mut self.freed };
        *sum = sum.wrapping_add(n);
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

/// The first pairs of those that are counted of a region; those of the small classes follow.
const OTHERS: [usize; 3] = [REQUESTED_BYTES, LARGE_BLOCKS, LARGE_USABLE_BYTES];
/// How many flows are counted of a region.
const FLOWS: usize = OTHERS.len() + SMALL_CLASSES;
/// The number of the flow of requested bytes.
const BYTES: usize = 0;

impl RegionTotals {
    /// All of them; their numbers are their places here, first as in `OTHERS`.
    fn flows(&mut self) -> impl Iterator<Item = &mut Flow> {
        [&mut self.requested_bytes, &mut self.large_blocks, &mut self.large_usable_bytes]
            .into_iter()
            .chain(&mut self.small_blocks)
    }

    /// Adds what one set has of a region.
    #[inline]
    fn add(&mut self, words: Words<'_>, side: usize) {
        let requested = words.read(REQUESTED_BYTES + side);
        // Bytes are counted after blocks: no bytes, no blocks that a free seen earlier could belong to. Most threads have
        // never been in the region.
        if requested == 0 && words.read(USED_WITHOUT_BYTES) == 0 {
            return;
        }
        self.requested_bytes.add(side, requested);
        self.large_blocks.add(side, words.read(LARGE_BLOCKS + side));
        self.large_usable_bytes.add(side, words.read(LARGE_USABLE_BYTES + side));
        // PERF: slices, so that the loops have no bounds to check; most of a summary's own time with many regions.
        let [near, far] = words.small_blocks();
        let (near_flows, far_flows) = self.small_blocks.split_at_mut(near.len());
        for (flows, pairs) in [(near_flows, near), (far_flows, far)] {
            for (flow, pair) in flows.iter_mut().zip(pairs) {
                flow.add(side, pair[side].load(Relaxed));
            }
        }
    }

    fn merge(&mut self, other: &RegionTotals) {
        let mut other = *other;
        for (mine, theirs) in self.flows().zip(other.flows()) {
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
/// same. By number of the flow.
static EARLIER: [[AtomicU64; FLOWS]; TAGS] = [const { [const { AtomicU64::new(0) }; FLOWS] }; TAGS];

/// By tag: whether there was any.
static ANY_EARLIER: [AtomicBool; TAGS] = [const { AtomicBool::new(false) }; TAGS];

fn any_earlier(region: usize) -> bool {
    ANY_EARLIER[region + 1].load(Relaxed)
}

/// Less than nothing, by what earlier regions of the index have in the flow with this number.
fn before(region: usize, number: usize) -> Flow {
    let earlier = if any_earlier(region) { EARLIER[region + 1][number].load(Relaxed) } else { 0 };
    Flow { allocated: earlier.wrapping_neg(), freed: earlier.wrapping_neg() }
}

/// Those regions among 64 of which a block lives: bit 0 stands for `first`, and only those whose bits are set are asked
/// for. As freed words are read first, that none does is certain for the moment between, but for blocks that some
/// thread is just being given.
///
/// PERF: asked of every id when one is missed, so by bytes alone, which are counted with each block that has any; where
/// one of the 64 may have blocks without, by all pairs.
#[inline(never)]
pub(crate) fn live(first: usize, among: u64) -> u64 {
    if among == 0 {
        return 0;
    }
    let mut bytes = [0_u64; GROUP];
    let mut without_bytes = 0;
    for side in [FREED, ALLOCATED] {
        for_each_near(first..first + GROUP, |near| {
            for (sum, words) in bytes.iter_mut().zip(near) {
                let requested = words[REQUESTED_BYTES + side].load(Relaxed);
                *sum = if side == FREED { sum.wrapping_sub(requested) } else { sum.wrapping_add(requested) };
                // Set before such a block is counted, so to be read when allocated words are.
                if side == ALLOCATED {
                    without_bytes |= words[USED_WITHOUT_BYTES].load(Relaxed);
                }
            }
        });
        // Acquire: as in `read_requested`.
        fence(Acquire);
    }
    only(among, |bit| bytes[bit] != 0 || without_bytes != 0 && is_any_live(first + bit))
}

#[cold]
#[inline(never)]
fn is_any_live(region: usize) -> bool {
    let mut totals = RegionTotals::default();
    for side in [FREED, ALLOCATED] {
        for_each_set(region..region + 1, |_, words| totals.add(words, side));
        // Acquire: as in `read_requested`.
        fence(Acquire);
    }
    totals.flows().any(|flow| flow.live() != 0)
}

/// Leaves what was counted of a region that is gone out of what is read from now on.
pub(crate) fn forget(region: usize) {
    // What was allocated is the same. Who reads meanwhile leaves the same out of both sides, whatever it is.
    let earlier = &EARLIER[region + 1];
    earlier.iter().for_each(|earlier| earlier.store(0, Relaxed));
    for_each_set(region..region + 1, |_, words| {
        // Both may be 0 in a set that has been used, but then nothing was freed there.
        if words.read(REQUESTED_BYTES + FREED) == 0 && words.read(USED_WITHOUT_BYTES) == 0 {
            return;
        }
        let (others, small) = earlier.split_at(OTHERS.len());
        for (earlier, pair) in others.iter().zip(OTHERS) {
            add_to(earlier, words.read(pair + FREED));
        }
        let [near, far] = words.small_blocks();
        let (near_earlier, far_earlier) = small.split_at(near.len());
        add_freed(near_earlier, near);
        add_freed(far_earlier, far);
    });
    ANY_EARLIER[region + 1].store(true, Relaxed);
}

// PERF: out of line, so that it is not unrolled for either length.
#[inline(never)]
fn add_freed(earlier: &[AtomicU64], pairs: &[[AtomicU64; 2]]) {
    earlier.iter().zip(pairs).for_each(|(earlier, pair)| add_to(earlier, pair[FREED].load(Relaxed)));
}

fn add_to(earlier: &AtomicU64, freed: u64) {
    // Relaxed, and no addition in one step: only one thread at a time has regions forgotten.
    earlier.store(earlier.load(Relaxed).wrapping_add(freed), Relaxed);
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
        *flow = before(region, BYTES);
    }
    for side in [FREED, ALLOCATED] {
        for_each_set(0..regions, |region, words| {
            out[region].add(side, words.read(REQUESTED_BYTES + side));
        });
        // Acquire: a free that was seen makes its allocation visible to the second pass (it was counted with Release).
        fence(Acquire);
    }
    join_roots(&mut out[..regions], |flow, other| flow.merge(*other));
}

/// Sums everything that is counted of each region into `out`, as [`read_requested`] does.
///
/// Costs two passes over eleven cache lines per (thread slot, region) in use, and over one where it is not.
pub fn read_totals(out: &mut [RegionTotals]) {
    let regions = region_count().min(out.len());
    out.fill(RegionTotals::default());
    for (region, totals) in out[..regions].iter_mut().enumerate() {
        if any_earlier(region) {
            totals.flows().enumerate().for_each(|(number, flow)| *flow = before(region, number));
        }
    }
    for side in [FREED, ALLOCATED] {
        for_each_set(0..regions, |region, words| out[region].add(words, side));
        // Acquire: as in `read_requested`.
        fence(Acquire);
    }
    join_roots(&mut out[..regions], RegionTotals::merge);
}
