//! The record of a slab of several owners, taken apart.

use super::freed::are_short;
use super::{Holder, Owner, Share};
use crate::attribute::Classes;

/// How many bytes the record at the beginning of these has.
pub(super) fn bytes_of(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    byte(&mut rest)?;
    for _ in 0..2 {
        let numbers = number(&mut rest)?.checked_mul(2)?;
        // PERF: most numbers are of one byte, and then these are as many bytes.
        match usize::try_from(numbers).ok().and_then(|numbers| rest.split_at_checked(numbers)) {
            Some((short, behind)) if are_short(short) => rest = behind,
            _ => {
                for _ in 0..numbers {
                    number(&mut rest)?;
                }
            }
        }
    }
    Some(bytes.len() - rest.len())
}

/// Who has how much of a slab, one by one, from its record. Ends early at what no writer of this version writes.
#[derive(Clone, Debug)]
pub struct Shares<'a> {
    rest: &'a [u8],
    slot_bytes: u64,
    /// Bytes of the slab that were not given out yet.
    left: u64,
    /// Owners that come before the next count, or the end.
    owners: u64,
    part: Part,
    keeper: Owner,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Part {
    /// Allocated slots, the first of them.
    First,
    Allocated,
    Free,
    Over,
}

impl<'a> Shares<'a> {
    pub(super) const NONE: Shares<'static> =
        Shares { rest: &[], slot_bytes: 0, left: 0, owners: 0, part: Part::Over, keeper: Owner::Nobody };

    #[inline]
    pub(super) fn of(record: &'a [u8], classes: &Classes) -> Option<Self> {
        let mut rest = record;
        let class = usize::from(byte(&mut rest)?);
        let slot_bytes = u64::from(*classes.slot_bytes.get(class)?);
        let left = u64::from(*classes.slab_bytes.get(class)?);
        let owners = number(&mut rest)?;
        Some(Self { rest, slot_bytes, left, owners, part: Part::First, keeper: Owner::Nobody })
    }

    #[inline]
    fn owner(&mut self) -> Option<(Owner, u64)> {
        let owner = Owner::of_code(number(&mut self.rest)?);
        let bytes = number(&mut self.rest)?.checked_mul(self.slot_bytes)?;
        self.left = self.left.checked_sub(bytes)?;
        self.owners -= 1;
        Some((owner, bytes))
    }
}

impl Iterator for Shares<'_> {
    type Item = Share;

    #[inline]
    fn next(&mut self) -> Option<Share> {
        loop {
            if self.owners > 0 {
                let (owner, bytes) = self.owner()?;
                let holder = match self.part {
                    Part::Over => return None,
                    Part::Free if owner == Owner::Nobody => {
                        // What lies behind the slots is as free as a slot that nobody had: it comes last.
                        self.left += bytes;
                        continue;
                    }
                    Part::Free => Holder::Slot { last: owner, keeper: self.keeper },
                    Part::First | Part::Allocated => {
                        self.keeper = if self.part == Part::First { owner } else { Owner::Several };
                        self.part = Part::Allocated;
                        Holder::Block { owner, huge: false }
                    }
                };
                return Some(Share { holder, bytes });
            }
            match self.part {
                Part::First | Part::Allocated => {
                    self.part = Part::Free;
                    self.owners = number(&mut self.rest)?;
                }
                Part::Free => {
                    self.part = Part::Over;
                    if self.left > 0 {
                        let holder = Holder::Slot { last: Owner::Nobody, keeper: self.keeper };
                        return Some(Share { holder, bytes: self.left });
                    }
                }
                Part::Over => return None,
            }
        }
    }
}

#[inline]
pub(super) fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte)
}

/// Seven bits in each byte, low ones first.
#[inline]
pub(super) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in (0..u64::BITS).step_by(7) {
        let byte = byte(bytes)?;
        number |= u64::from(byte & 127) << place;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}
