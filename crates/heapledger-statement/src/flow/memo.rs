//! Pairs of slabs of several regions, counted before they are taken apart: those that come often are alike.

/// How two slabs are written, one map's and then the other's, and how often the two came.
#[derive(Copy, Clone, Debug)]
pub(super) struct Pair {
    key: [u8; KEY_BYTES],
    first: u8,
    len: u8,
    pub bytes: u32,
    pub times: u32,
}

/// Longer ones are not counted.
const KEY_BYTES: usize = 48;

/// Pairs that are counted at a time: half a megabyte, which a core's cache holds.
const PAIRS: usize = 1 << 13;

impl Pair {
    const NONE: Self = Self { key: [0; KEY_BYTES], first: 0, len: 0, bytes: 0, times: 0 };

    /// How the two slabs are written; the second is empty if they are written alike.
    pub fn written(&self) -> (&[u8], &[u8]) {
        let (one, rest) = self.key.split_at(usize::from(self.first));
        (one, &rest[..usize::from(self.len - self.first)])
    }

    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        // Behind its length a key is zero.
        self.key == other.key && (self.first, self.len, self.bytes) == (other.first, other.len, other.bytes)
    }

    #[inline]
    fn hash(&self) -> usize {
        let mix = |sum: u64, word: &[u8; 8]| (sum.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(MIX);
        let sum = self.key.as_chunks::<8>().0.iter().fold(u64::from(self.len), mix);
        (sum >> 40) as usize % PAIRS
    }
}

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Pairs that came lately or often.
#[derive(Debug, Default)]
pub(super) struct Memo(Vec<Pair>);

impl Memo {
    /// Counts a pair of slabs of so many bytes, and gives one that made room for it, if one did; `None` if it is too
    /// long to be counted. The second is to be empty if they are written alike.
    #[inline]
    pub fn count(&mut self, one: &[u8], other: &[u8], bytes: u64) -> Option<Option<Pair>> {
        let len = one.len() + other.len();
        let bytes = u32::try_from(bytes).ok().filter(|_| len <= KEY_BYTES)?;
        // 48 at most.
        let mut pair = Pair { first: one.len() as u8, len: len as u8, bytes, times: 1, ..Pair::NONE };
        pair.key[..one.len()].copy_from_slice(one);
        pair.key[one.len()..len].copy_from_slice(other);
        if self.0.is_empty() {
            self.0.resize(PAIRS, Pair::NONE);
        }
        let place = pair.hash();
        for place in [place, place ^ 1] {
            let known = &mut self.0[place];
            if known.is_like(&pair) && known.times < u32::MAX {
                known.times += 1;
                return Some(None);
            }
        }
        let rarer = if self.0[place].times <= self.0[place ^ 1].times { place } else { place ^ 1 };
        let gave_way = std::mem::replace(&mut self.0[rarer], pair);
        Some((gave_way.times > 0).then_some(gave_way))
    }

    /// Those that are counted still.
    pub fn rest(self) -> impl Iterator<Item = Pair> {
        self.0.into_iter().filter(|pair| pair.times > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_pair_comes_out_as_often_as_it_went_in() {
        let (mut memo, mut came, mut random) = (Memo::default(), BTreeMap::new(), 1_u64);
        let (mut wanted, mut add) = (BTreeMap::new(), |pair: Pair| {
            let (one, other) = pair.written();
            *came.entry((one.to_vec(), other.to_vec(), pair.bytes)).or_insert(0_u64) += u64::from(pair.times);
        });
        for _ in 0..200_000 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            // Zeroes at the ends, and the same bytes cut elsewhere.
            let bytes = [0, (random >> 60) as u8, (random >> 52) as u8 & 63, 0, (random >> 44) as u8, 0];
            let (one, other) = bytes.split_at(1 + (random >> 33) as usize % 5);
            *wanted.entry((one.to_vec(), other.to_vec(), 4096)).or_insert(0) += 1;
            memo.count(one, other, 4096).expect("it is short").into_iter().for_each(&mut add);
        }
        memo.rest().for_each(&mut add);
        assert!(wanted.len() > PAIRS && came == wanted);
        assert!(Memo::default().count(&[0; KEY_BYTES], &[1], 4096).is_none());
    }
}
