//! What is asked of memory before it is looked at.

use super::{Extent, Owners, World};

/// Pages whose owners are asked for before they are looked at, at least: rows of owners lie apart in memory, and one is
/// waited for longer than it takes to count what it says.
const AHEAD: usize = 64;

/// So many pages are asked for together.
const TOGETHER: usize = 16;

/// Extents whose bitmaps are asked for before they are looked at.
const BITMAPS_AHEAD: usize = 16;

/// How far was asked.
pub(super) struct Ahead {
    /// Owners of pages below this were asked for, since the last extent that was no slab.
    until: usize,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Self { until: 0 }
    }

    /// Asks for what comes from this slab on, before it is looked at.
    #[inline]
    pub(super) fn keep(&mut self, world: &impl World, owners: &impl Owners, extents: &[Extent], index: usize) {
        let Some(extent) = extents.get(index).filter(|extent| extent.slab) else { return };
        if let Some(next) = extents.get(index + BITMAPS_AHEAD).filter(|next| next.slab) {
            world.fetch_ahead(next);
        }
        let page_bytes = world.classes().page_bytes;
        self.until = self.until.max(extent.start);
        // PERF: by pages, of slabs or not, and many together, so that the processor foresees the branches.
        while self.until - extent.start < AHEAD * page_bytes {
            for page in (self.until..).step_by(page_bytes).take(TOGETHER) {
                owners.fetch_ahead(owners.page(page));
            }
            self.until += TOGETHER * page_bytes;
        }
    }
}
