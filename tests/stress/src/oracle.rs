//! What the ledger must say: sums that each thread keeps of its own operations, in memory made before the run.
//!
//! The oracle knows nothing of pages, tags or counters. It learns from the caller which region a block was charged to
//! when it was allocated, and keeps that with the block until it is freed.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use heapledger_alloc::{CLASS_BYTES, RegionTotals};

use crate::random::mix;

/// More regions than any run names.
pub const REGIONS_MAX: usize = 512;

/// Which side of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// A block came to be.
    Allocated,
    /// A block ceased to be.
    Freed,
}

/// Names of what is summed, in the order of [`Sums`].
const WORDS: [&str; 5] = ["requested bytes", "blocks", "usable bytes", "size classes", "large usable bytes"];

/// What is known of one region and one side. The fourth word is a sum of scrambled size classes: it is right only if
/// the count of every class is.
pub type Sums = [u64; WORDS.len()];

/// Blocks up to this many usable bytes have a class.
const SMALL_MAX_BYTES: u64 = 14_336;

/// What one block adds.
#[inline]
pub fn of_block(size: usize, usable: usize) -> Sums {
    let usable = usable as u64;
    let small = usable <= SMALL_MAX_BYTES;
    [size as u64, 1, usable, if small { mix(usable) } else { 0 }, if small { 0 } else { usable }]
}

/// The sums of one thread. Indexed by region and side.
pub struct Tally(Box<[[Sums; 2]]>);

impl Tally {
    /// Nothing counted yet. Allocates, so it is made outside the regions under test.
    pub fn new() -> Tally {
        Tally(vec![[[0; WORDS.len()]; 2]; REGIONS_MAX].into_boxed_slice())
    }
}

#[inline]
fn add(to: &mut Sums, from: &Sums) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = to.wrapping_add(*from);
    }
}

/// Where an operation is counted.
pub trait Count {
    /// Counts one block of `region`.
    fn count(&mut self, region: usize, side: Side, size: usize, usable: usize);
}

impl Count for Tally {
    #[inline]
    fn count(&mut self, region: usize, side: Side, size: usize, usable: usize) {
        add(&mut self.0[region][side as usize], &of_block(size, usable));
    }
}

/// The sums of everybody who has no tally: tasks, short threads, destructors.
static SHARED: [[[AtomicU64; WORDS.len()]; 2]; REGIONS_MAX] =
    [const { [const { [const { AtomicU64::new(0) }; WORDS.len()] }; 2] }; REGIONS_MAX];

/// Counts in the common sums.
#[derive(Clone, Copy, Debug)]
pub struct Shared;

impl Count for Shared {
    fn count(&mut self, region: usize, side: Side, size: usize, usable: usize) {
        // Relaxed: compared only after the counting thread was joined or met at a barrier.
        for (word, n) in SHARED[region][side as usize].iter().zip(of_block(size, usable)) {
            word.fetch_add(n, Relaxed);
        }
    }
}

/// Compares, region by region, what the ledger says with the sum of all tallies. Regions before `first` are not under
/// test: the harness itself lives there.
pub fn compare(first: usize, count: usize, tallies: &[&Tally], actual: &[RegionTotals]) -> Result<(), String> {
    let mut wrong = String::new();
    for region in first..count {
        for side in [Side::Allocated, Side::Freed] {
            let mut expected = SHARED[region][side as usize].each_ref().map(|word| word.load(Relaxed));
            for tally in tallies {
                add(&mut expected, &tally.0[region][side as usize]);
            }
            let found = found(&actual[region], side);
            for ((name, expected), found) in WORDS.iter().zip(expected).zip(found) {
                if expected != found {
                    let off = found.wrapping_sub(expected).cast_signed();
                    wrong += &format!(
                        "region {region}, {side:?}, {name}: oracle {expected}, ledger {found}, {off} too many\n"
                    );
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn found(totals: &RegionTotals, side: Side) -> Sums {
    let of = |flow: heapledger_alloc::Flow| match side {
        Side::Allocated => flow.allocated,
        Side::Freed => flow.freed,
    };
    let classes = totals.small_blocks.iter().zip(&CLASS_BYTES);
    let scrambled =
        classes.fold(0_u64, |sum, (&flow, &bytes)| sum.wrapping_add(of(flow).wrapping_mul(mix(u64::from(bytes)))));
    [
        of(totals.requested_bytes),
        of(totals.blocks()),
        of(totals.usable_bytes()),
        scrambled,
        of(totals.large_usable_bytes),
    ]
}
