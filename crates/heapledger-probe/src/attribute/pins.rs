//! What blocks keep from going back: slabs that are held for a few slots.

use crate::read::Residency;

/// Slabs with free slots in which one region has allocated slots of one class.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Pins {
    /// Slabs in which all allocated slots are this region's: when its blocks go, the slabs go.
    pub slabs: u32,
    /// Slabs in which others have allocated slots too.
    pub shared_slabs: u32,
    /// This region's slots in the former.
    pub slots: u64,
    /// Resident free slots of the former.
    pub free_resident: Residency,
}

impl Pins {
    /// Slabs with free slots, so many in all, in which this region has so many and nobody else has any.
    #[inline]
    pub(super) fn alone(&mut self, slabs: u64, slots: u64, free_slots: u64, free_resident: Residency) {
        if slots > 0 && free_slots > 0 {
            self.slabs += slabs as u32;
            self.slots += slots;
            self.free_resident += free_resident;
        }
    }

    /// A slab with so many free slots, in which several regions have some.
    #[inline]
    pub(super) fn shared(&mut self, free_slots: u64) {
        self.shared_slabs += u32::from(free_slots > 0);
    }
}
