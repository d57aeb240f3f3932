//! Counting many slots at once, where the owners are few.

use super::slots::NONE;

/// Tags that slots are compared with together.
const GROUP: usize = 4;

/// Groups of tags.
const GROUPS: usize = 2;

/// Tags that slots are compared with at most.
pub(super) const QUICK: usize = GROUP * GROUPS;

/// No region has this tag either.
const WAITS: u16 = NONE - 1;

/// Of fewer slots each is counted sooner by itself.
pub(super) const WORTHWHILE: usize = 32;

/// After so many slabs in which others had slots, it is no longer tried.
const MISSES_MAX: usize = 64;

/// The tags that slots are compared with: those that came up first.
#[derive(Debug)]
pub(super) struct Quick {
    /// Places that wait for one have [`WAITS`], which no slot has.
    tags: [[u16; GROUP]; GROUPS],
    /// Places by their tags.
    order: [u8; QUICK],
    len: usize,
    misses: usize,
}

impl Quick {
    pub(super) const fn new() -> Self {
        Self { tags: [[WAITS; GROUP]; GROUPS], order: [0; QUICK], len: 0, misses: 0 }
    }

    /// The tags, by place.
    pub(super) fn tags(&self) -> impl Iterator<Item = u16> + use<> {
        self.tags.into_iter().flatten()
    }

    /// Each tag and its place, from low to high tags.
    #[inline]
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u16, usize)> + Clone + use<> {
        let Self { tags, order, len, .. } = *self;
        order.into_iter().take(len).map(move |place| (tags.as_flattened()[usize::from(place) % QUICK], place.into()))
    }

    /// How many slots have each tag, by place, where so many have [`NONE`]; `None` if some have other tags.
    #[inline(always)]
    pub(super) fn count(&mut self, slots: &[u16], none: usize) -> Option<[u16; QUICK]> {
        if self.misses == MISSES_MAX {
            return None;
        }
        let (counts, left) = self.count_known(slots, none);
        if left == 0 {
            return Some(counts);
        }
        self.learn(slots);
        None
    }

    /// The same, and how many slots have other tags.
    #[inline(always)]
    pub(super) fn count_known(&self, slots: &[u16], none: usize) -> ([u16; QUICK], usize) {
        let mut counts = [[0; GROUP]; GROUPS];
        let mut left = slots.len() - none;
        for (group, counts) in self.tags.iter().zip(&mut counts) {
            *counts = count(slots, *group);
            left -= counts.iter().map(|slots| usize::from(*slots)).sum::<usize>();
            if left == 0 {
                break;
            }
        }
        let [[a, b, c, d], [e, f, g, h]] = counts;
        ([a, b, c, d, e, f, g, h], left)
    }

    #[cold]
    fn learn(&mut self, slots: &[u16]) {
        self.misses += 1;
        for tag in slots {
            let tags = self.tags.as_flattened_mut();
            if *tag != NONE && self.len < QUICK && !tags[..self.len].contains(tag) {
                tags[self.len] = *tag;
                self.order[self.len] = self.len as u8;
                self.len += 1;
            }
        }
        let tags = self.tags;
        self.order[..self.len].sort_unstable_by_key(|place| tags.as_flattened()[usize::from(*place) % QUICK]);
    }

    /// Forgets tags, unless they are all that came up. What was counted for them must be taken before.
    pub(super) fn begin_anew(&mut self) {
        if self.misses > 0 {
            *self = Self::new();
        }
    }
}

/// How many slots, of fewer than 65,536, have each of these tags, which differ or are [`WAITS`].
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
            let mut quick = Quick::new();
            assert_eq!(quick.count(&slots, 0), None, "no tag is known at first");
            let counts = quick.count(&slots, 0);
            assert_eq!(counts.is_some(), owners <= QUICK, "{owners} owners");
            let Some(counts) = counts else { continue };
            let by_hand = |tag: u16| slots.iter().filter(|other| **other == tag).count();
            assert_eq!(quick.in_order().count(), owners);
            assert!(quick.in_order().is_sorted());
            for (tag, place) in quick.in_order() {
                assert_eq!(usize::from(counts[place]), by_hand(tag), "{owners} owners, tag {tag}");
            }
            // Some are taken out.
            let rest: Vec<u16> =
                slots.iter().enumerate().map(|(at, tag)| if at % 3 == 0 { NONE } else { *tag }).collect();
            let none = rest.iter().filter(|tag| **tag == NONE).count();
            let counts = quick.count(&rest, none).expect("the tags are known");
            let by_hand = |tag: u16| rest.iter().filter(|other| **other == tag).count();
            for (tag, place) in quick.in_order() {
                assert_eq!(usize::from(counts[place]), by_hand(tag), "{owners} owners, tag {tag}, some free");
            }
        }
    }

    #[test]
    fn after_many_slabs_of_others_it_is_not_tried_until_the_sums_were_taken() {
        let mut quick = Quick::new();
        for tag in 1..=100_u16 {
            quick.count(&[tag; 40], 0);
        }
        assert_eq!(quick.count(&[1; 40], 0), None, "it was given up");
        quick.begin_anew();
        assert_eq!(quick.count(&[1; 40], 0), None, "it begins anew");
        assert!(quick.count(&[1; 40], 0).is_some(), "it is tried again");
    }
}
