//! The record of a slab of several owners, taken apart.

use super::{Holder, Owner, Share};
use crate::attribute::Classes;

/// Records that are told apart; many slabs of a heap are alike.
const SEEN_MAX: usize = 1 << 13;

/// Places that are tried for a record.
const TRIES: usize = 4;

/// Records that came already, each at a place that it keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen<'a>(Vec<&'a [u8]>);

impl<'a> Seen<'a> {
    /// The place of a record; `None` if there is none left for it.
    pub(super) fn place_of(&mut self, record: &'a [u8]) -> Option<u64> {
        if self.0.is_empty() {
            self.0.resize(SEEN_MAX, &[]);
        }
        let first = hash(record);
        for place in (first..first + TRIES).map(|place| place % SEEN_MAX) {
            let known = self.0.get_mut(place)?;
            if known.is_empty() {
                *known = record;
            }
            if *known == record {
                return Some(place as u64);
            }
        }
        None
    }

    pub(super) fn record(&self, place: u64) -> &'a [u8] {
        usize::try_from(place).ok().and_then(|place| self.0.get(place)).copied().unwrap_or_default()
    }
}

fn hash(record: &[u8]) -> usize {
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = record.as_chunks::<8>();
    let sum = words.iter().fold(record.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    (sum >> 40) as usize % SEEN_MAX
}

/// How many bytes the record at the beginning of these has.
pub(super) fn bytes_of(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    byte(&mut rest)?;
    for _ in 0..2 {
        for _ in 0..number(&mut rest)? {
            number(&mut rest)?;
            number(&mut rest)?;
        }
    }
    Some(bytes.len() - rest.len())
}

/// Who has how much of the slab.
pub(super) fn shares(mut record: &[u8], classes: &Classes, mut each: impl FnMut(Share)) -> Option<()> {
    let record = &mut record;
    let class = usize::from(byte(record)?);
    let slot_bytes = u64::from(*classes.slot_bytes.get(class)?);
    let mut left = u64::from(*classes.slab_bytes.get(class)?);
    let mut keeper = Owner::Nobody;
    for place in 0..number(record)? {
        let owner = Owner::of_code(number(record)?);
        let bytes = number(record)?.checked_mul(slot_bytes)?;
        keeper = if place == 0 { owner } else { Owner::Several };
        left = left.checked_sub(bytes)?;
        each(Share { holder: Holder::Block { owner, huge: false }, bytes });
    }
    // What lies behind the slots is as free as a slot that nobody had.
    let mut of_nobody = 0;
    for _ in 0..number(record)? {
        let last = Owner::of_code(number(record)?);
        let bytes = number(record)?.checked_mul(slot_bytes)?;
        left = left.checked_sub(bytes)?;
        match last {
            Owner::Nobody => of_nobody += bytes,
            _ => each(Share { holder: Holder::Slot { last, keeper }, bytes }),
        }
    }
    if left + of_nobody > 0 {
        each(Share { holder: Holder::Slot { last: Owner::Nobody, keeper }, bytes: left + of_nobody });
    }
    Some(())
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
