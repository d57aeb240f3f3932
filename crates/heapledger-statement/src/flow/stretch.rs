//! What the flow is given: two maps, stretch by stretch.

use super::RegionName;

/// Resident pages side by side at one mark, and who has how much of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stretch {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Not 0: stretches of the same map with the same number are as long and have the same shares. These may be left
    /// out until [`Stretches::fill`] is asked for them, and stretches that are alike in both maps cost the least.
    pub alike: u64,
    /// Shares, which sum to the stretch. One share alone has every byte of it; of several it is not told which bytes
    /// are whose.
    pub shares: Vec<Share>,
}

/// Bytes of a stretch with one holder.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Share {
    /// What they are for.
    pub holder: Holder,
    /// How many.
    pub bytes: u64,
}

/// Whose bytes are.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum PageOwner {
    /// The region with this index in the map's list of names.
    Region(u32),
    /// Several regions' blocks lay there, and no owner is kept.
    Several,
    /// No region was ever charged for them.
    Nobody,
}

/// What bytes are for at one mark.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Holder {
    /// Blocks of this owner; `forced` if jemalloc may have given their pages back and faulted them in again without
    /// counting it: it does to zero blocks of 8 MiB and more.
    Block {
        /// Whose.
        owner: PageOwner,
        /// Whether pages may have left memory uncounted.
        forced: bool,
    },
    /// Free slots.
    Slot {
        /// Whose block was there last.
        last: PageOwner,
        /// Whose blocks keep the slab.
        keeper: PageOwner,
    },
    /// Dirty pages by last owner.
    Dirty(PageOwner),
    /// Muzzy pages by last owner.
    Muzzy(PageOwner),
    /// Resident retained pages by last owner.
    Retained(PageOwner),
    /// Beyond large blocks.
    Pad,
    /// In an extent that changed while it was read.
    Moved,
}

/// A map of one mark, read from low to high addresses.
pub trait Stretches {
    /// What is counted without being taken apart; `()` if nothing is.
    type Counts: Default;

    /// Puts the next stretch, which begins where the last one ended or behind that, into `stretch`; `false` at the end.
    fn next_into(&mut self, stretch: &mut Stretch) -> bool;

    /// Puts the shares of a stretch that was given out before, and is alike others, into a list. Nothing need be done
    /// if they are never left out.
    fn fill(&self, alike: u64, shares: &mut Vec<Share>) {
        let _ = (alike, shares);
    }

    /// What a stretch that is alike others is written as, if that is told: two that are as long and are written alike
    /// have the same shares, in the two maps too. Empty if the number alone is to be trusted.
    fn written(&self, alike: u64) -> &[u8] {
        let _ = alike;
        &[]
    }

    /// Counts a stretch of each map, written like this, if that can be done without taking them apart: every byte stays
    /// with its holder or goes to one that is told. Regions whose index in the lists of names is below `regions` are
    /// the same in both maps; no other is counted.
    fn count(&self, written: (&[u8], &[u8]), regions: usize, counts: &mut Self::Counts) -> bool {
        let _ = (written, regions, counts);
        false
    }

    /// How much of what was counted had which holder, and which it has.
    fn counted(&self, counts: &Self::Counts) -> impl Iterator<Item = (Holder, Holder, u64)> {
        let _ = counts;
        std::iter::empty()
    }

    /// The shares of a stretch that is written like this.
    fn shares_of(&self, written: &[u8]) -> impl Iterator<Item = Share> {
        let _ = written;
        std::iter::empty()
    }
}

impl<I: Iterator<Item = Stretch>> Stretches for I {
    type Counts = ();

    fn next_into(&mut self, stretch: &mut Stretch) -> bool {
        match self.next() {
            Some(next) => {
                *stretch = next;
                true
            }
            None => false,
        }
    }
}

/// What was read of two marks beside their maps.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FlowReadings {
    /// Regions by their index at the first mark; `None` for an index that no region had.
    pub before: Vec<Option<RegionName>>,
    /// The same at the second mark.
    pub after: Vec<Option<RegionName>>,
    /// Bytes that jemalloc gave back in between, resident or not; `None` if it does not tell.
    pub given_back_bytes: Option<u64>,
    /// Bytes that page faults can have brought in meanwhile; `None` if they were not counted.
    pub faulted_bytes: Option<u64>,
    /// What the counters say of regions.
    pub counters: Vec<FlowCounters>,
}

/// What the counters say of one region.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowCounters {
    /// Which.
    pub region: RegionName,
    /// Resident bytes of its live blocks at the second mark.
    pub live_after: crate::Figure,
    /// Usable bytes allocated and freed in between, if that is known.
    pub between: Option<crate::Flow>,
}
