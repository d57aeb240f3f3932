//! Known answers, asked of jemalloc's tree through the kernel.

use super::admission::refuse;
use super::decode::{Record, state_of};
use super::emap::{Emap, readable};
use super::maps::Vma;
use super::memory::peek;
use super::samples::Sample;
use crate::ReadError;
use crate::attribute::{Bitmap, Classes, ExtentState};

/// What was found at an address.
struct Found {
    record: Record,
    at: usize,
    szind: u8,
    state: Option<ExtentState>,
    slab: bool,
}

/// The tree through the kernel's eyes.
pub(super) struct View<'a> {
    pub(super) emap: &'a Emap,
    pub(super) vmas: &'a [Vma],
}

impl View<'_> {
    /// The element of an address, and the record that it points to; `Ok(None)` if there is none.
    fn look_up(&self, address: usize) -> Result<Option<Found>, ReadError> {
        let step = "known answers";
        let layout = self.emap.layout;
        let mut array = self.emap.symbol + layout.root_offset;
        for level in 0..layout.height - 1 {
            let place = array + layout.index(level, address) * layout.node_bytes;
            let [child] = peek(place).ok_or(refuse(step, "a node of the tree is not there"))?;
            let child = child as usize;
            if child == 0 {
                return Ok(None);
            }
            let end = child.checked_add(layout.array_bytes(level + 1));
            let inside = end.and_then(|end| readable(self.vmas, child, end));
            if !child.is_multiple_of(8) || child >> layout.lg_vaddr != 0 || inside.is_none() {
                return Err(refuse(step, "a pointer to a node is none"));
            }
            array = child;
        }
        let place = array + layout.index(layout.height - 1, address) * layout.leaf_bytes;
        let missing = || refuse(step, "an element of the tree is not there");
        let [pointer] = peek(place + layout.leaf_edata_offset).ok_or_else(missing)?;
        let [metadata] = peek(place + layout.leaf_metadata_offset).ok_or_else(missing)?;
        let element = layout.element(pointer, metadata);
        if element.record == 0 {
            return Ok(None);
        }
        let at = element.record;
        let inside = at.checked_add(layout.edata_bytes).and_then(|end| readable(self.vmas, at, end));
        if !at.is_multiple_of(layout.edata_align) || at >> layout.lg_vaddr != 0 || inside.is_none() {
            return Err(refuse(step, "a pointer to a record is none"));
        }
        let field = |offset: usize| peek::<1>(at + offset).ok_or(refuse(step, "a record is not there"));
        let [bits] = field(layout.edata_bits_offset)?;
        let [start] = field(layout.edata_addr_offset)?;
        let [size] = field(layout.edata_size_offset)?;
        let record = layout.record(bits, start, size);
        Ok(Some(Found { record, at, szind: element.szind, state: state_of(element.state), slab: element.slab }))
    }

    fn find(&self, sample: &Sample) -> Result<Found, ReadError> {
        let step = "known answers";
        let found = self.look_up(sample.address)?.ok_or(refuse(step, "a block is not found"))?;
        if found.state != Some(ExtentState::Active) {
            return Err(refuse(step, "a block's extent is not active"));
        }
        if usize::from(found.record.arena) != sample.arena {
            return Err(refuse(step, "a block's arena is another"));
        }
        Ok(found)
    }

    pub(super) fn check_small(&self, sample: &Sample, classes: &Classes) -> Result<(), ReadError> {
        let step = "known answers";
        let found = self.find(sample)?;
        let class = usize::from(found.szind);
        let slot_bytes = classes.slot_bytes.get(class).copied().unwrap_or_default() as usize;
        if !found.slab || slot_bytes != sample.usable_bytes {
            return Err(refuse(step, "a small block's class is another"));
        }
        let start = found.record.address;
        let inside = (start..start.wrapping_add(found.record.bytes)).contains(&sample.address);
        if !inside || found.record.bytes != classes.slab_bytes[class] as usize {
            return Err(refuse(step, "a small block's slab is another"));
        }
        if u32::from(found.record.free_slots) >= classes.slots[class] {
            return Err(refuse(step, "a slab with a block has no slot taken"));
        }
        if self.is_free((sample.address - start) / slot_bytes, &found)? {
            return Err(refuse(step, "a block's slot is free"));
        }
        Ok(())
    }

    fn is_free(&self, slot: usize, found: &Found) -> Result<bool, ReadError> {
        let gone = refuse("known answers", "a slab's bitmap is not there");
        let bitmap: Bitmap = peek(found.at + self.emap.layout.edata_slab_offset).ok_or(gone)?;
        bitmap.get(slot / 64).map(|word| word >> (slot % 64) & 1 != 0).ok_or(gone)
    }

    /// The slot of a block that was freed, if it lies in the slab of a block that was not.
    pub(super) fn check_freed(&self, slot: usize, neighbour: &Sample, classes: &Classes) -> Result<(), ReadError> {
        let found = self.find(neighbour)?;
        let start = found.record.address;
        if !(start..start + found.record.bytes).contains(&slot) {
            return Ok(());
        }
        let bytes = classes.slot_bytes[usize::from(found.szind)] as usize;
        if self.is_free((slot - start) / bytes, &found)? {
            return Ok(());
        }
        Err(refuse("known answers", "a freed block's slot is taken"))
    }

    pub(super) fn check_large(&self, sample: &Sample, classes: &Classes) -> Result<(), ReadError> {
        let step = "known answers";
        let found = self.find(sample)?;
        if found.slab || found.record.address != sample.address {
            return Err(refuse(step, "a large block's address is another"));
        }
        let bytes = found.record.bytes;
        let fits = (sample.usable_bytes..=sample.usable_bytes + classes.page_bytes).contains(&bytes);
        if !fits || classes.large_bytes(found.szind, bytes) != sample.usable_bytes {
            return Err(refuse(step, "a large block's size is another"));
        }
        Ok(())
    }

    /// The page of a large block that was freed: free, or inside a larger free extent, where nothing is told.
    pub(super) fn check_not_active(&self, address: usize) -> Result<(), ReadError> {
        match self.look_up(address)? {
            Some(found) if found.state == Some(ExtentState::Active) => {
                Err(refuse("known answers", "a freed block is still active"))
            }
            _ => Ok(()),
        }
    }

    /// Addresses that are not jemalloc's: the stack, the tree itself, code.
    pub(super) fn check_foreign(&self) -> Result<(), ReadError> {
        let local = 0_u8;
        for foreign in [&raw const local as usize, self.emap.symbol, refuse as *const () as usize] {
            if self.look_up(foreign)?.is_some() {
                return Err(refuse("known answers", "a foreign address is found"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(unsafe_code, reason = "an arena of its own takes jemalloc's own calls")]

    use tikv_jemalloc_ctl::raw;

    use super::*;
    use crate::read::Roots;
    use crate::read::admission::admit_layout;
    use crate::read::arenas::classes;
    use crate::read::layouts::LAYOUTS;
    use crate::read::maps::Maps;
    use crate::read::memory::emap_symbol;

    /// A new arena, in which nothing decays and nobody else is.
    pub(crate) fn arena() -> usize {
        // SAFETY: of type unsigned.
        let index: u32 = unsafe { raw::read(b"arenas.create\0") }.expect("jemalloc makes arenas");
        let key = format!("arena.{index}.dirty_decay_ms\0");
        // SAFETY: of type ssize_t.
        unsafe { raw::write(key.as_bytes(), -1_isize) }.expect("decay can be set");
        index as usize
    }

    fn purge(arena: usize) {
        let key = std::ffi::CString::new(format!("arena.{arena}.purge")).expect("no zero in it");
        let nothing = std::ptr::null_mut::<u8>;
        // SAFETY: the name is a C string; nothing is read or written.
        let result = unsafe {
            tikv_jemalloc_sys::mallctl(key.as_ptr().cast(), nothing().cast(), nothing().cast(), nothing().cast(), 0)
        };
        assert_eq!(result, 0, "{key:?}");
    }

    /// What the tree says of the extent that begins where a block was.
    fn state(emap: &Emap, address: usize, arena: usize) -> Option<ExtentState> {
        let mut maps = Maps::new().expect("buffers");
        maps.read(Roots::system()).expect("maps can be read");
        let view = View { emap, vmas: maps.vmas() };
        let found = view.look_up(address).unwrap_or_else(|error| panic!("{error}"))?;
        assert_eq!((found.record.address / 4096, usize::from(found.record.arena)), (address / 4096, arena));
        found.state
    }

    fn emap() -> Emap {
        let mut maps = Maps::new().expect("buffers");
        let classes = classes().expect("size classes");
        admit_layout(Roots::system(), &mut maps, &classes, LAYOUTS, emap_symbol()).expect("the linked jemalloc")
    }

    #[test]
    fn a_large_block_is_active_then_dirty_then_retained() {
        let (emap, arena) = (emap(), arena());
        // With its pad it is just of a size that extents have: nothing is left over, which would be dirty beside it.
        let [_before, block, _behind] = [(); 3].map(|()| Sample::new(28 << 10, arena).expect("there is memory"));
        let address = block.address;
        assert_eq!(state(&emap, address, arena), Some(ExtentState::Active));
        drop(block);
        assert_eq!(state(&emap, address, arena), Some(ExtentState::Dirty));
        purge(arena);
        assert_eq!(state(&emap, address, arena), Some(ExtentState::Retained));
    }

    #[test]
    fn a_slab_without_blocks_is_dirty_then_retained() {
        let (emap, arena) = (emap(), arena());
        // Of 64 bytes as many as fill three slabs of a page; the one in the middle loses all of its blocks.
        let mut blocks: Vec<Sample> = (0..3 * 64).map(|_| Sample::new(64, arena).expect("there is memory")).collect();
        let mut slabs: Vec<usize> = blocks.iter().map(|block| block.address / 4096).collect();
        slabs.sort_unstable();
        slabs.dedup();
        assert_eq!(slabs.len(), 3);
        assert_eq!(state(&emap, slabs[1] * 4096, arena), Some(ExtentState::Active));
        blocks.retain(|block| block.address / 4096 != slabs[1]);
        assert_eq!(blocks.len(), 2 * 64);
        assert_eq!(state(&emap, slabs[1] * 4096, arena), Some(ExtentState::Dirty));
        purge(arena);
        assert_eq!(state(&emap, slabs[1] * 4096, arena), Some(ExtentState::Retained));
    }
}
