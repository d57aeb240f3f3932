//! Free slots, and whose blocks keep them from going back.

use std::borrow::Cow;
use std::fmt;

use crate::{Figure, HeapReading, Reading, RegionReading, WalkReading, Why};

/// Slabs by size class, and what each region's blocks pin.
///
/// A slab goes back when its last block goes. Blocks that threads cache hold their slabs as live ones do, and are
/// counted as the region's that had them last.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fragmentation {
    classes: Vec<ClassSlabs>,
    pins: Vec<Pin>,
}

/// All slabs of one size class.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClassSlabs {
    /// Usable bytes of a slot.
    pub slot_bytes: u32,
    /// Bytes of a slab.
    pub slab_bytes: u32,
    /// How many slabs.
    pub slabs: u64,
    /// Slots in use, cached ones included.
    pub allocated_slots: u64,
    /// Slots that are free.
    pub free_slots: u64,
    /// Resident bytes of the free slots.
    pub free: Figure,
}

/// Slabs with free slots in which one region has blocks of one size class.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pin {
    /// The region.
    pub region: Cow<'static, str>,
    /// How many regions had its id before it.
    pub generation: u32,
    /// Usable bytes of a slot.
    pub slot_bytes: u32,
    /// Bytes of a slab.
    pub slab_bytes: u32,
    /// Slabs in which only this region has blocks.
    pub slabs: u64,
    /// Slabs in which others have blocks too: they go only with those.
    pub shared_slabs: u64,
    /// This region's slots in the former.
    pub slots: u64,
    /// Resident free slots of the former: what its blocks pin alone.
    pub free: Figure,
}

impl ClassSlabs {
    /// Slots in use, as a share of all.
    pub fn utilisation(&self) -> f64 {
        share(self.allocated_slots, self.allocated_slots + self.free_slots)
    }
}

impl Pin {
    /// Resident bytes that could go back if its blocks in these slabs went: the free slots, and what of the blocks is
    /// resident.
    pub fn could_go_back(&self) -> Figure {
        // More than there are addresses is unknown, as a figure.
        let blocks = self.slots.saturating_mul(u64::from(self.slot_bytes));
        self.free.clone() + Figure::up_to(blocks)
    }

    /// Slots in use, as a share of all, in the slabs in which it is alone.
    pub fn utilisation(&self) -> f64 {
        share(self.slots, self.all_slots())
    }

    /// Slots of the slabs in which it is alone, in use or free.
    pub(crate) fn all_slots(&self) -> u64 {
        // More than there are addresses is as good as endless: the share is 0 either way.
        self.slabs.saturating_mul(u64::from(self.slab_bytes / self.slot_bytes.max(1)))
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Fragmentation {
    pub(crate) fn of(walk: &Reading<WalkReading>, regions: &[RegionReading]) -> Reading<Self> {
        let heap = walk.as_ref().and_then(|walk| walk.heap.as_ref()).map_err(Why::clone)?;
        let classes: Vec<ClassSlabs> = heap
            .classes
            .iter()
            .map(|class| ClassSlabs {
                slot_bytes: class.slot_bytes,
                slab_bytes: class.slab_bytes,
                slabs: class.slabs,
                allocated_slots: class.allocated_slots,
                free_slots: class.free_slots,
                free: class.free.figure(),
            })
            .collect();
        let pins = pins(heap, regions, &classes);
        Ok(Self { classes, pins })
    }

    #[cfg(feature = "serde")]
    pub(crate) fn from_parts(classes: Vec<ClassSlabs>, pins: Vec<Pin>) -> Self {
        Self { classes, pins }
    }

    /// Every class that has slabs, the smallest first.
    pub fn classes(&self) -> &[ClassSlabs] {
        &self.classes
    }

    /// What each region pins in each class, most first.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// Resident free slots that this region's blocks pin alone, in all classes.
    pub fn pinned_by(&self, region: &str) -> Figure {
        self.pins.iter().filter(|pin| pin.region == region).map(|pin| pin.free.clone()).sum()
    }
}

fn pins(heap: &HeapReading, regions: &[RegionReading], classes: &[ClassSlabs]) -> Vec<Pin> {
    let mut pins = Vec::new();
    for region in regions {
        let Some(pages) = heap.regions.get(region.index) else { continue };
        for small in pages.small.iter().filter(|small| small.pins.slabs + small.pins.shared_slabs > 0) {
            let class = classes.iter().find(|class| class.slot_bytes == small.slot_bytes);
            pins.push(Pin {
                region: region.name.clone(),
                generation: region.generation,
                slot_bytes: small.slot_bytes,
                slab_bytes: class.map_or(0, |class| class.slab_bytes),
                slabs: small.pins.slabs,
                shared_slabs: small.pins.shared_slabs,
                slots: small.pins.slots,
                free: small.pins.free.figure(),
            });
        }
    }
    pins.sort_by_key(|pin| std::cmp::Reverse(pin.free.high()));
    pins
}

/// `if the 16384 blocks of B (64 bytes each) in these 16384 slabs went, 63.0-64.0 MiB could go back`
impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = crate::text::escaped(&self.region);
        write!(
            out,
            "if the {} blocks of {region} ({} bytes each) in these {} slabs went, {} MiB could go back",
            self.slots,
            self.slot_bytes,
            self.slabs,
            self.could_go_back().mib()
        )
    }
}

/// Classes from the most free bytes on, then pins.
impl fmt::Display for Fragmentation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:>10} {:>10} {:>12} {:>12} {:>6} {:>10}",
            "slot", "slabs", "in use", "free", "used", "free MiB"
        )?;
        let mut classes: Vec<&ClassSlabs> = self.classes.iter().collect();
        classes.sort_by_key(|class| std::cmp::Reverse(class.free.high()));
        for class in classes {
            writeln!(
                out,
                "{:>10} {:>10} {:>12} {:>12} {:>5.0}% {:>10}",
                class.slot_bytes,
                class.slabs,
                class.allocated_slots,
                class.free_slots,
                100.0 * class.utilisation(),
                class.free.mib()
            )?;
        }
        for pin in self.pins.iter().filter(|pin| pin.slabs > 0) {
            writeln!(out, "{pin}")?;
        }
        Ok(())
    }
}
