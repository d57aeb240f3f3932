//! Counting many slots at once, where the owners are few.

use super::slots::NONE;

/// Tags that slots are compared with together.
const GROUP: usize = 4;

/// Groups of tags.
const GROUPS: usize = 2;

/// Tags that slots are compared with at most.
pub(super) const QUICK: usize = GROUP * GROUPS;

/// Of fewer slots each is counted sooner by itself.
pub(super) const WORTHWHILE: usize = 32;

/// After so many slabs in which others had slots, it is no longer tried.
const MISSES_MAX: usize = 64;

/// The tags that slots are compared with: those that came up first.
#[derive(Debug)]
pub(super) struct Quick {
    /// Places that wait for one have [`NONE`], which no allocated slot has.
    tags: [[u16; GROUP]; GROUPS],
    len: usize,
    misses: usize,
}

impl Quick {
    pub(super) const fn new() -> Self {
        Self { tags: [[NONE; GROUP]; GROUPS], len: 0, misses: 0 }
    }

    /// The tags, by place.
    pub(super) fn tags(&self) -> impl Iterator<Item = u16> + use<> {
        self.tags.into_iter().flatten()
    }

    /// Adds how many slots have each tag; `false` if some have other tags, and then nothing is added.
    #[inline]
    pub(super) fn count(&mut self, slots: &[u16], sums: &mut [u64; QUICK]) -> bool {
        if self.misses == MISSES_MAX {
            return false;
        }
        let mut counts = [[0; GROUP]; GROUPS];
        let mut left = slots.len();
        for (group, counts) in self.tags.iter().zip(&mut counts) {
            *counts = count(slots, *group);
            left -= counts.iter().map(|slots| usize::from(*slots)).sum::<usize>();
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            self.learn(slots);
            return false;
        }
        sums.iter_mut().zip(counts.as_flattened()).for_each(|(sum, slots)| *sum += u64::from(*slots));
        true
    }

    #[cold]
    fn learn(&mut self, slots: &[u16]) {
        self.misses += 1;
        for tag in slots {
            let tags = self.tags.as_flattened_mut();
            if self.len < QUICK && !tags[..self.len].contains(tag) {
                tags[self.len] = *tag;
                self.len += 1;
            }
        }
    }

    /// Forgets tags, unless they are all that came up. What was counted for them must be taken before.
    pub(super) fn begin_anew(&mut self) {
        if self.misses > 0 {
            *self = Self::new();
        }
    }
}

/// How many slots, of fewer than 65,536, have each of these tags, which differ or are [`NONE`].
#[inline]
fn count(slots: &[u16], tags: [u16; GROUP]) -> [u16; GROUP] {
    // PERF: in this form, and with sums as wide as tags, compilers compare eight slots at once.
    let [first, second, third, fourth] = tags;
    let (mut of_first, mut of_second, mut of_third, mut of_fourth) = (0_u16, 0_u16, 0_u16, 0_u16);
    for tag in slots {
        of_first = of_first.wrapping_add(u16::from(*tag == first));
        of_second = of_second.wrapping_add(u16::from(*tag == second));
        of_third = of_third.wrapping_add(u16::from(*tag == third));
        of_fourth = of_fourth.wrapping_add(u16::from(*tag == fourth));
    }
    [of_first, of_second, of_third, of_fourth]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_few_owners_are_counted_each_for_its_own_and_others_refuse_the_slab() {
        for owners in [1, 2, GROUP, GROUP + 1, QUICK, QUICK + 1] {
            // Nobody's slots are among them.
            let slots: Vec<u16> = (0..500).map(|slot| (slot * 7 % owners * 11) as u16).collect();
            let (mut quick, mut sums) = (Quick::new(), [0; QUICK]);
            assert!(!quick.count(&slots, &mut sums), "no tag is known at first");
            assert_eq!(sums, [0; QUICK], "a slab that is refused is not counted");
            assert_eq!(quick.count(&slots, &mut sums), owners <= QUICK, "{owners} owners");
            if owners > QUICK {
                assert_eq!(sums, [0; QUICK], "a slab that is refused is not counted");
                continue;
            }
            let by_hand = |tag: u16| slots.iter().filter(|other| **other == tag).count() as u64;
            for (tag, sum) in quick.tags().zip(sums) {
                assert_eq!(sum, by_hand(tag), "{owners} owners, tag {tag}");
            }
        }
    }

    #[test]
    fn after_many_slabs_of_others_it_is_not_tried_until_the_sums_were_taken() {
        let (mut quick, mut sums) = (Quick::new(), [0; QUICK]);
        for tag in 1..=100_u16 {
            quick.count(&[tag; 40], &mut sums);
        }
        assert!(!quick.count(&[1; 40], &mut sums), "it was given up");
        quick.begin_anew();
        assert!(!quick.count(&[1; 40], &mut sums), "it begins anew");
        assert!(quick.count(&[1; 40], &mut sums), "it is tried again");
    }
}
