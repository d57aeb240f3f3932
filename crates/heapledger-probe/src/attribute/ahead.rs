//! What is asked of memory before it is looked at.

use super::{Extent, Owners, World};

/// Pages of slabs whose owners are fetched before they are looked at: rows of owners lie apart in memory, and one is
/// waited for longer than it takes to count what it says.
const AHEAD: usize = 32;

/// The extents that come, of which what is needed was asked for.
pub(super) struct Ahead<'a> {
    extents: &'a [Extent],
    /// How many of them are behind, or were asked for.
    known: usize,
    /// Pages of slabs among the latter.
    pages: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(extents: &'a [Extent]) -> Self {
        Self { extents, known: 0, pages: 0 }
    }

    /// Asks for what comes from this extent on, before it is looked at.
    #[inline]
    pub(super) fn keep(&mut self, world: &impl World, owners: &impl Owners, index: usize) {
        let page_bytes = world.classes().page_bytes;
        // PERF: a shift; pages are powers of two, and a division for each slab takes a tenth of the whole.
        let shift = page_bytes.trailing_zeros();
        let pages = |extent: &Extent| if extent.slab { (extent.end - extent.start) >> shift } else { 0 };
        if self.known < index {
            (self.known, self.pages) = (index, 0);
        }
        while self.pages < AHEAD
            && let Some(next) = self.extents.get(self.known)
        {
            self.known += 1;
            self.pages += pages(next);
            if next.slab {
                world.fetch_ahead(next);
                let mut page = next.start;
                while page < next.end {
                    owners.fetch_ahead(owners.page(page));
                    page += page_bytes;
                }
            }
        }
        // All that was asked for is counted, and this one is the first of it. Where some were passed over, fewer are
        // counted than there are.
        self.pages -= self.extents.get(index).map_or(0, pages).min(self.pages);
    }
}
