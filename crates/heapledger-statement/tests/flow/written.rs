//! A map as a walk writes it.

use heapledger_statement::{Holder, PageOwner, Share, Stretch, Stretches};

use crate::units::UNIT;

/// A map that leaves out the shares of pages with several, and tells how they are written.
pub struct Written {
    stretches: Vec<Stretch>,
    written: Vec<Vec<u8>>,
    at: usize,
}

impl Written {
    pub fn of(stretches: Vec<Stretch>) -> Self {
        let written = stretches.iter().map(|stretch| stretch.shares.iter().flat_map(Self::write).collect()).collect();
        Self { stretches, written, at: 0 }
    }

    fn write(share: &Share) -> [u8; 3] {
        let (kind, region) = match share.holder {
            Holder::Block { owner: PageOwner::Region(region), .. } => (0, region),
            Holder::Dirty(PageOwner::Region(region)) => (1, region),
            _ => unreachable!("there are no others"),
        };
        [kind, region as u8, (share.bytes / UNIT) as u8]
    }
}

impl Stretches for Written {
    type Counts = ();

    fn next_into(&mut self, stretch: &mut Stretch) -> bool {
        let Some(next) = self.stretches.get(self.at) else { return false };
        self.at += 1;
        *stretch = next.clone();
        if next.shares.len() > 1 {
            stretch.alike = self.at as u64;
            stretch.shares.clear();
        }
        true
    }

    fn fill(&self, alike: u64, shares: &mut Vec<Share>) {
        shares.extend(self.shares_of(self.written(alike)));
    }

    fn written(&self, alike: u64) -> &[u8] {
        &self.written[alike as usize - 1]
    }

    fn shares_of(&self, written: &[u8]) -> impl Iterator<Item = Share> {
        written.as_chunks::<3>().0.iter().map(|[kind, region, units]| {
            let owner = PageOwner::Region(u32::from(*region));
            let holder = if *kind == 0 { Holder::Block { owner, forced: false } } else { Holder::Dirty(owner) };
            Share { holder, bytes: u64::from(*units) * UNIT }
        })
    }
}
