//! Where each counter lies in a set.
//!
//! A set has two parts, each with as many words per tag. The near part has what nearly every region counts: requested bytes
//! and blocks of up to 1 KiB. The far part has what few count, larger blocks: so thousands of regions of small blocks touch
//! little more than half the memory. A counter of a tag lies as far from the tag's near part whatever the tag is, so that
//! both are reached by one addition from the place that a thread's record has.

use heapledger_core::MAX_REGIONS;
use heapledger_core::thread::COUNTER_STRIDE_BYTES;

/// Tags are indices plus one; the near part of tag 0 of a slot holds its header.
pub(crate) const TAGS: usize = MAX_REGIONS + 1;

/// From the words of one tag to those of the next.
pub(crate) const STRIDE_WORDS: usize = COUNTER_STRIDE_BYTES / WORD_BYTES;
const WORD_BYTES: usize = 8;

/// From a tag's near part to its far one.
const FAR: usize = TAGS * STRIDE_WORDS;
pub(crate) const SET_WORDS: usize = 2 * FAR;
/// No counter of a tag lies so far from its near part.
pub(crate) const END: usize = FAR + STRIDE_WORDS;

/// Numbers of words from the start of a tag's near part. Counters are pairs, first what was allocated, then what was freed.
pub(crate) const REQUESTED_BYTES: usize = 0;
/// Not a pair: set by operations that request no bytes, so that a reader can skip what was never used.
pub(crate) const USED_WITHOUT_BYTES: usize = 2;
/// An even one, so that no pair lies in two cache lines.
const NEAR_BLOCKS: usize = 4;
/// Classes of up to 1 KiB.
pub(crate) const NEAR_CLASSES: usize = 21;
const _: () = assert!(NEAR_BLOCKS + 2 * NEAR_CLASSES == STRIDE_WORDS);
pub(crate) const LARGE_BLOCKS: usize = FAR;
pub(crate) const LARGE_USABLE_BYTES: usize = FAR + 2;
const FAR_BLOCKS: usize = FAR + 4;

/// Which word of a pair.
pub(crate) const ALLOCATED: usize = 0;
pub(crate) const FREED: usize = 1;

/// The pair that counts blocks of a small class.
pub(crate) const fn small_blocks(class: usize) -> usize {
    if class < NEAR_CLASSES { NEAR_BLOCKS + 2 * class } else { FAR_BLOCKS + 2 * (class - NEAR_CLASSES) }
}

/// Where the blocks of a small class are counted, in bytes from the start of a tag's near part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place(usize);

impl Place {
    pub(crate) const fn of(class: usize) -> Place {
        Place(small_blocks(class) * WORD_BYTES)
    }

    #[inline(always)]
    pub(crate) const fn bytes(self) -> usize {
        self.0
    }

    /// In half the memory, for a table that the fast paths read.
    pub(crate) const fn packed(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(crate) const fn unpacked(packed: u32) -> Place {
        Place(packed as usize)
    }
}
const _: () = assert!(SET_WORDS * WORD_BYTES <= u32::MAX as usize);
