//! Slabs, and whose blocks keep them, in both directions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FigureReport, is_zero};
use crate::{ClassSlabs, Figure, Fragmentation, Pin, Reading, Why};

/// Free slots, and whose blocks keep them: lists, or why they are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FragmentationReport {
    /// The slabs were counted.
    Known {
        /// Every size class that has slabs, the smallest first.
        classes: Vec<ClassSlabsReport>,
        /// What each region pins in each class, most first.
        pins: Vec<PinReport>,
    },
    /// They were not.
    Unknown {
        /// The reason.
        unknown: Cow<'static, str>,
        /// What would make it known.
        remedy: Cow<'static, str>,
    },
}

/// All slabs of one size class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassSlabsReport {
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
    /// Slots in use, in thousandths of all, rounded down. Made from the two above, and passed over when read.
    pub utilisation_permille: u64,
    /// Resident bytes of the free slots.
    pub free: FigureReport,
}

/// Slabs with free slots in which one region has blocks of one size class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PinReport {
    /// The region.
    pub region: Cow<'static, str>,
    /// How many regions had its id before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Usable bytes of a slot.
    pub slot_bytes: u32,
    /// Bytes of a slab.
    pub slab_bytes: u32,
    /// Slabs in which only this region has blocks.
    pub slabs: u64,
    /// Slabs in which others have blocks too.
    pub shared_slabs: u64,
    /// This region's slots in the former.
    pub allocated_slots: u64,
    /// Slots in use, in thousandths of all, in the slabs in which it is alone, rounded down. Made from the others, and
    /// passed over when read.
    pub utilisation_permille: u64,
    /// Resident free slots of the slabs in which it is alone.
    pub free: FigureReport,
    /// What could go back if its blocks in them went. Made from the others, and passed over when read.
    pub could_go_back: FigureReport,
}

pub(super) fn to_report(fragmentation: &Reading<Fragmentation>) -> FragmentationReport {
    match fragmentation {
        Ok(known) => FragmentationReport::Known {
            classes: known.classes().iter().map(ClassSlabsReport::from).collect(),
            pins: known.pins().iter().map(PinReport::from).collect(),
        },
        Err(why) => FragmentationReport::Unknown { unknown: why.reason.clone(), remedy: why.remedy.clone() },
    }
}

/// Objects of older versions lack it.
pub(super) fn from_report(report: Option<FragmentationReport>) -> Reading<Fragmentation> {
    match report {
        Some(FragmentationReport::Known { classes, pins }) => Ok(Fragmentation::from_parts(
            classes.into_iter().map(ClassSlabs::from).collect(),
            pins.into_iter().map(Pin::from).collect(),
        )),
        Some(FragmentationReport::Unknown { unknown, remedy }) => Err(Why::new(unknown, remedy)),
        None => Err(Why::new("the object does not have it", "write it with this version or a newer one")),
    }
}

/// A share of no slots at all is the whole, as it is in [`ClassSlabs::utilisation`].
fn permille(part: u64, whole: u64) -> u64 {
    // Of two counts that fit in 64 bits the quotient does, whatever the product takes.
    if whole == 0 { 1000 } else { u64::try_from(u128::from(part) * 1000 / u128::from(whole)).unwrap_or(u64::MAX) }
}

impl From<&ClassSlabs> for ClassSlabsReport {
    fn from(class: &ClassSlabs) -> Self {
        Self {
            slot_bytes: class.slot_bytes,
            slab_bytes: class.slab_bytes,
            slabs: class.slabs,
            allocated_slots: class.allocated_slots,
            free_slots: class.free_slots,
            utilisation_permille: permille(class.allocated_slots, class.allocated_slots + class.free_slots),
            free: (&class.free).into(),
        }
    }
}

impl From<ClassSlabsReport> for ClassSlabs {
    fn from(report: ClassSlabsReport) -> Self {
        Self {
            slot_bytes: report.slot_bytes,
            slab_bytes: report.slab_bytes,
            slabs: report.slabs,
            allocated_slots: report.allocated_slots,
            free_slots: report.free_slots,
            free: report.free.into(),
        }
    }
}

impl From<&Pin> for PinReport {
    fn from(pin: &Pin) -> Self {
        Self {
            region: pin.region.clone(),
            generation: pin.generation,
            slot_bytes: pin.slot_bytes,
            slab_bytes: pin.slab_bytes,
            slabs: pin.slabs,
            shared_slabs: pin.shared_slabs,
            allocated_slots: pin.slots,
            utilisation_permille: permille(pin.slots, pin.all_slots()),
            free: (&pin.free).into(),
            could_go_back: (&pin.could_go_back()).into(),
        }
    }
}

impl From<PinReport> for Pin {
    fn from(report: PinReport) -> Self {
        Self {
            region: report.region,
            generation: report.generation,
            slot_bytes: report.slot_bytes,
            slab_bytes: report.slab_bytes,
            slabs: report.slabs,
            shared_slabs: report.shared_slabs,
            slots: report.allocated_slots,
            free: Figure::from(report.free),
        }
    }
}
