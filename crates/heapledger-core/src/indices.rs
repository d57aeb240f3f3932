//! Sets of indices of regions.

use crate::thread::MAX_REGIONS;

/// So many indices are looked at together.
pub const GROUP: usize = u64::BITS as usize;
const _: () = assert!(MAX_REGIONS.is_multiple_of(GROUP), "the last group has counters for all its bits");

/// A set of indices.
#[derive(Debug)]
#[doc(hidden)]
pub struct Indices([u64; MAX_REGIONS / GROUP]);

impl Indices {
    pub(crate) const fn new() -> Indices {
        Indices([0; MAX_REGIONS / GROUP])
    }

    /// Whether it has an index; none beyond those of regions.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        self.0.get(index / GROUP).is_some_and(|group| group >> (index % GROUP) & 1 != 0)
    }

    pub(crate) fn remove(&mut self, index: usize) {
        if let Some(group) = self.0.get_mut(index / GROUP) {
            *group &= !(1 << (index % GROUP));
        }
    }

    /// The groups, each with its first index: bit 0 is that one.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (usize, u64)> {
        (0..MAX_REGIONS).step_by(GROUP).zip(self.0)
    }

    /// As `groups`, for a change.
    pub(crate) fn groups_mut(&mut self) -> impl Iterator<Item = (usize, &mut u64)> {
        (0..MAX_REGIONS).step_by(GROUP).zip(&mut self.0)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.groups().flat_map(|(first, group)| bits(group).map(move |bit| first + bit))
    }
}

/// The numbers of the bits that are set.
#[inline]
pub(crate) fn bits(mut of: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = (of != 0).then(|| of.trailing_zeros() as usize)?;
        of &= of - 1;
        Some(bit)
    })
}

/// Those bits of `of` that `keep` says yes to.
#[inline]
pub fn only(of: u64, keep: impl Fn(usize) -> bool) -> u64 {
    bits(of).filter(|bit| keep(*bit)).fold(0, |kept, bit| kept | 1 << bit)
}
