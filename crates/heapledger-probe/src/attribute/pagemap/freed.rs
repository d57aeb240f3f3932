//! Slabs of several owners at the same place at two moments, of which blocks were freed in between or none: counted
//! without being taken apart one by one.
//!
//! In such a slab each owner has no more allocated slots than before, and was the last in no fewer free ones. So what is
//! left stays where it was, and what was allocated and is not any more is free: sums over all slabs say as much.

use super::{Holder, Owner};
use crate::attribute::Classes;

/// Numbers that are written in one byte.
const SHORT: usize = 128;

/// What such slabs had and have, in bytes by code of the owner.
#[derive(Clone, Debug)]
pub struct Freed {
    /// Blocks that are there still, or the like.
    blocks: [u64; SHORT],
    /// Blocks that were there.
    freed: [u64; SHORT],
    /// Slots that were free before, and what lies behind the slots.
    slots: [u64; SHORT],
}

impl Default for Freed {
    fn default() -> Self {
        Self { blocks: [0; SHORT], freed: [0; SHORT], slots: [0; SHORT] }
    }
}

/// A record, if all of its numbers are short.
#[derive(Copy, Clone)]
struct Slab<'a> {
    class: u8,
    allocated: &'a [[u8; 2]],
    free: &'a [[u8; 2]],
}

impl<'a> Slab<'a> {
    #[inline]
    fn of(record: &'a [u8]) -> Option<Self> {
        let (class, rest) = record.split_first()?;
        let (owners, rest) = rest.split_first()?;
        let (allocated, rest) = rest.split_at_checked(2 * usize::from(*owners))?;
        let (owners, free) = rest.split_first()?;
        let whole = free.len() == 2 * usize::from(*owners) && are_short(record);
        whole.then_some(Self { class: *class, allocated: allocated.as_chunks().0, free: free.as_chunks().0 })
    }

    #[inline]
    fn slots(&self) -> u64 {
        self.allocated.iter().chain(self.free).map(|[_, slots]| u64::from(*slots)).sum()
    }

    /// Whether all owners have a lower code than this. They are in order.
    #[inline]
    fn is_below(&self, code: usize) -> bool {
        let below = |owners: &[[u8; 2]]| owners.last().is_none_or(|[last, _]| usize::from(*last) < code);
        below(self.allocated) && below(self.free)
    }
}

/// Whether each is a number by itself.
#[inline]
pub(super) fn are_short(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 128
}

/// Whether each owner of `few` has as many in `many`, or more. Both are in order.
#[inline]
fn has_all(many: &[[u8; 2]], few: &[[u8; 2]]) -> bool {
    let mut many = many.iter();
    few.iter().all(|[owner, slots]| {
        many.find(|[other, _]| other >= owner).is_some_and(|[other, most]| other == owner && most >= slots)
    })
}

impl Freed {
    /// Counts a slab by its [records](super::Pieces::record) at both moments. `false`, and nothing is counted, if it is
    /// not such a slab, or an owner is a region whose index is not below `regions`.
    #[inline]
    pub fn count(&mut self, (before, after): (&[u8], &[u8]), regions: usize, classes: &Classes) -> bool {
        let Some(now) = Slab::of(after) else { return false };
        let class = usize::from(now.class);
        let (Some(slot_bytes), Some(slab_bytes)) = (classes.slot_bytes.get(class), classes.slab_bytes.get(class))
        else {
            return false;
        };
        // One owner alone is told as the keeper of free slots.
        let limit = regions.saturating_add(Owner::Region(0).code() as usize);
        if now.allocated.len() < 2 || !now.is_below(limit) {
            return false;
        }
        let slot_bytes = u64::from(*slot_bytes);
        let then = if before == after { Some(now) } else { Slab::of(before) };
        let Some(then) = then.filter(|then| then.class == now.class && then.is_below(limit)) else { return false };
        // What lies behind the slots is as free as a slot that nobody had.
        let Some(rest) = u64::from(*slab_bytes).checked_sub(then.slots() * slot_bytes) else { return false };
        if before == after {
            add(&mut self.blocks, now.allocated, slot_bytes);
        } else {
            if then.slots() != now.slots() || !has_all(then.allocated, now.allocated) || !has_all(now.free, then.free) {
                return false;
            }
            add(&mut self.freed, then.allocated, slot_bytes);
            add(&mut self.blocks, now.allocated, slot_bytes);
            for [owner, slots] in now.allocated {
                // All that the owner had was added above.
                self.freed[usize::from(*owner) % SHORT] -= u64::from(*slots) * slot_bytes;
            }
        }
        add(&mut self.slots, then.free, slot_bytes);
        self.slots[0] += rest;
        true
    }

    /// How many bytes had which holder before and have which now.
    pub fn sums(&self) -> impl Iterator<Item = (Holder, Holder, u64)> {
        let owners = (0..SHORT).map(|code| (code, Owner::of_code(code as u64)));
        let sums = owners.flat_map(|(code, owner)| {
            let block = Holder::Block { owner, huge: false };
            let slot = Holder::Slot { last: owner, keeper: Owner::Several };
            [(block, block, self.blocks[code]), (block, slot, self.freed[code]), (slot, slot, self.slots[code])]
        });
        sums.filter(|(.., bytes)| *bytes > 0)
    }
}

/// Adds slots to the sums of their owners.
#[inline]
fn add(sums: &mut [u64; SHORT], owners: &[[u8; 2]], slot_bytes: u64) {
    for [owner, slots] in owners {
        sums[usize::from(*owner) % SHORT] += u64::from(*slots) * slot_bytes;
    }
}
