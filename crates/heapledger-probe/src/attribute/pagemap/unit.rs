//! A slab of one owner, or a page.

use super::{Context, Holder, Owner, Share};
use crate::attribute::{CLASSES, Classes};

/// What repeats in a map.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Unit {
    pub(super) context: Context,
    /// Free slots of a slab.
    pub(super) free: u64,
    pub(super) bytes: usize,
}

impl Unit {
    /// What has more than one share: by its kind, owner and free slots, never 0.
    #[inline]
    pub(super) fn number(&self, classes: &Classes) -> Option<u64> {
        let class = usize::from(self.context.kind);
        let rest = self.bytes != (classes.slots.get(class)? * classes.slot_bytes.get(class)?) as usize;
        let partly = rest || self.free > 0;
        partly.then(|| 1 << 63 | u64::from(self.context.kind) << 50 | self.free << 36 | self.context.owner.code())
    }

    /// The one that has this number.
    pub(super) fn of_number(number: u64, classes: &Classes) -> Option<Self> {
        let kind = (number >> 50 & 0xff) as u8;
        let bytes = *classes.slab_bytes.get(usize::from(kind))? as usize;
        let owner = Owner::of_code(number & ((1 << 36) - 1));
        let unit = Self { context: Context { kind, owner }, free: number >> 36 & 0x3fff, bytes };
        unit.is_sound(classes).then_some(unit)
    }

    /// Whether its slots are as many as a slab of its class has, and fit.
    #[inline]
    pub(super) fn is_sound(&self, classes: &Classes) -> bool {
        if self.context.page().is_some() {
            return true;
        }
        let class = usize::from(self.context.kind) % CLASSES;
        let slots = u64::from(classes.slots[class]);
        self.free <= slots && slots * u64::from(classes.slot_bytes[class]) <= self.bytes as u64
    }

    /// Who has how much of it. Of a unit that is sound.
    #[inline]
    pub(super) fn shares(&self, classes: &Classes, mut each: impl FnMut(Share)) {
        let Self { context, free, bytes } = *self;
        if let Some(holder) = context.page() {
            return each(Share { holder, bytes: bytes as u64 });
        }
        let class = usize::from(context.kind) % CLASSES;
        let slot_bytes = u64::from(classes.slot_bytes[class]);
        let slots = u64::from(classes.slots[class]);
        let allocated = slots - free;
        let owner = context.owner;
        let keeper = if allocated > 0 { owner } else { Owner::Nobody };
        // What a sound unit has beyond its slots.
        let rest = bytes as u64 - slots * slot_bytes;
        for (holder, bytes) in [
            (Holder::Block { owner, huge: false }, allocated * slot_bytes),
            (Holder::Slot { last: owner, keeper }, free * slot_bytes),
            (Holder::Slot { last: Owner::Nobody, keeper }, rest),
        ] {
            if bytes > 0 {
                each(Share { holder, bytes });
            }
        }
    }
}
