//! Whether jemalloc's radix tree is what the table of layouts says: nothing is believed that was not shown.
//!
//! All reading here asks the kernel, so a wrong layout gives a refusal and never a fault. The steps, each of which can
//! fail by name:
//! 1. *switched off*: the environment variable `HEAPLEDGER_WALK` is `off`; *settings*: jemalloc's settings make extents
//!    something else.
//! 2. *symbol*: the tree's symbol is linked.
//! 3. *reading*: the kernel lets this process read its own memory by `process_vm_readv`.
//! 4. *known answers*: in at least two arenas, if there are two: small and large blocks are found with their class,
//!    arena, address and size, the slot of a small one is taken in its slab's bitmap and free afterwards, a large one is
//!    free afterwards, and foreign addresses are not found at all. Pointers are aligned, below the last address, and in
//!    readable anonymous memory.
//! 5. *walking*, and 6. *sums*: checked by every walk.

use super::emap::{Emap, Record, readable, state_of};
use super::layouts::{LAYOUTS, Layout};
use super::maps::{Maps, Vma};
use super::memory::{emap_symbol, peek};
use super::samples::Sample;
use super::{Roots, arenas::Arenas};
use crate::ReadError;
use crate::attribute::{Bitmap, Classes, ExtentState};

/// Set to `off` it keeps the walk from looking at jemalloc's extents.
const VARIABLE: &str = "HEAPLEDGER_WALK";

/// Arenas in which known answers are asked for.
const ARENAS: usize = 4;

/// Other threads may take a sample's slot or pages at any moment; they will not do so every time.
const TRIES: usize = 5;

/// Sizes of the samples: a small block, and large ones above what threads cache and below what gets an arena of its own.
const SMALL_BYTES: usize = 64;
const LARGE_BYTES: [usize; 2] = [40 << 10, 300 << 10];

fn refuse(step: &'static str, why: &'static str) -> ReadError {
    ReadError::NotAdmitted { step, why }
}

/// Shows which layout is in force, or says which step failed.
///
/// Makes and frees some blocks, reads maps, and takes some hundred microseconds: before the first reading of a
/// statement, and once in a process.
pub(crate) fn admit(roots: Roots<'_>, maps: &mut Maps, classes: &Classes) -> Result<Emap, ReadError> {
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "off") {
        return Err(refuse("switched off", "HEAPLEDGER_WALK is off"));
    }
    super::arenas::refuse_settings()?;
    admit_layout(roots, maps, classes, LAYOUTS, emap_symbol())
}

/// As [`admit`], with layouts and a symbol that may be wrong.
pub(crate) fn admit_layout(
    roots: Roots<'_>,
    maps: &mut Maps,
    classes: &Classes,
    layouts: &'static [Layout],
    symbol: usize,
) -> Result<Emap, ReadError> {
    if symbol == 0 {
        return Err(refuse("symbol", "this jemalloc has no _rjem_je_arena_emap_global"));
    }
    let word = [0x5eed_u64; 1];
    if peek(word.as_ptr() as usize) != Some(word) {
        return Err(refuse("reading", "process_vm_readv does not answer"));
    }
    let mut refusal = refuse("known answers", "there is no layout to try");
    for layout in layouts {
        let emap = Emap { symbol, layout };
        for _ in 0..TRIES {
            match known_answers(roots, maps, classes, &emap) {
                Ok(()) => return Ok(emap),
                Err(error) => refusal = error,
            }
        }
    }
    Err(refusal)
}

fn known_answers(roots: Roots<'_>, maps: &mut Maps, classes: &Classes, emap: &Emap) -> Result<(), ReadError> {
    let mut seen = 0;
    for arena in (0..Arenas::count()?).filter(|arena| Arenas::exists(*arena)).take(ARENAS) {
        let none = || refuse("known answers", "an arena gives no block");
        let small = Sample::new(SMALL_BYTES, arena).ok_or_else(none)?;
        let neighbour = Sample::new(SMALL_BYTES, arena).ok_or_else(none)?;
        let large = Sample::new(LARGE_BYTES[0], arena).ok_or_else(none)?;
        let larger = Sample::new(LARGE_BYTES[1], arena).ok_or_else(none)?;
        // After the samples, whose records may lie in new memory.
        maps.read(roots)?;
        let view = View { emap, vmas: maps.vmas() };
        view.check_small(&small, classes)?;
        view.check_small(&neighbour, classes)?;
        view.check_large(&large, classes)?;
        view.check_large(&larger, classes)?;
        let (slot, block) = (small.address, larger.address);
        drop(small);
        drop(larger);
        view.check_freed(slot, &neighbour, classes)?;
        view.check_not_active(block)?;
        view.check_foreign()?;
        seen += 1;
    }
    if seen == 0 { Err(refuse("known answers", "there is no arena")) } else { Ok(()) }
}

/// What was found at an address.
struct Found {
    record: Record,
    at: usize,
    szind: u8,
    state: Option<ExtentState>,
    slab: bool,
}

/// The tree through the kernel's eyes.
struct View<'a> {
    emap: &'a Emap,
    vmas: &'a [Vma],
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

    fn check_small(&self, sample: &Sample, classes: &Classes) -> Result<(), ReadError> {
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
    fn check_freed(&self, slot: usize, neighbour: &Sample, classes: &Classes) -> Result<(), ReadError> {
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

    fn check_large(&self, sample: &Sample, classes: &Classes) -> Result<(), ReadError> {
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
    fn check_not_active(&self, address: usize) -> Result<(), ReadError> {
        match self.look_up(address)? {
            Some(found) if found.state == Some(ExtentState::Active) => {
                Err(refuse("known answers", "a freed block is still active"))
            }
            _ => Ok(()),
        }
    }

    /// Addresses that are not jemalloc's: the stack, the tree itself, code.
    fn check_foreign(&self) -> Result<(), ReadError> {
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
mod tests {
    use super::*;
    use crate::read::arenas::classes;

    fn admitted(layouts: &'static [Layout], symbol: usize) -> Result<Emap, ReadError> {
        let mut maps = Maps::new().expect("buffers");
        admit_layout(Roots::system(), &mut maps, &classes().expect("size classes"), layouts, symbol)
    }

    #[test]
    fn the_linked_jemalloc_is_admitted_with_one_layout() {
        let emap = admitted(LAYOUTS, emap_symbol()).expect("the jemalloc of this workspace");
        assert!(LAYOUTS.contains(emap.layout));
    }

    #[test]
    fn without_a_symbol_the_step_is_named() {
        let error = admitted(LAYOUTS, 0).expect_err("no symbol");
        assert!(error.to_string().contains("symbol"), "{error}");
    }

    #[test]
    fn a_tree_that_is_somewhere_else_is_refused() {
        static NOT_A_TREE: [u64; 1 << 16] = [0; 1 << 16];
        for symbol in [NOT_A_TREE.as_ptr() as usize, emap_symbol() + 8, 8, 1 << 46] {
            assert!(admitted(LAYOUTS, symbol).is_err(), "{symbol:x}");
        }
    }
}
