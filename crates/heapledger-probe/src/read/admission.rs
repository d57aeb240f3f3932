//! Whether jemalloc's radix tree is what the table of layouts says: nothing is believed that was not shown.
//!
//! All reading here asks the kernel, so a wrong layout gives a refusal and never a fault. The steps, each of which can
//! fail by name:
//! 1. *switched off*: the environment variable `HEAPLEDGER_WALK` is `off`; *settings*: jemalloc's settings make extents
//!    something else.
//! 2. *symbol*: the tree's symbol is linked.
//! 3. *reading*: the kernel lets this process read its own memory by `process_vm_readv`.
//! 4. *known answers*: in at least two arenas, if there are two: small and large blocks are found with their class,
//!    arena, address and size, the slot of a small one is taken in its slab's bitmap and free afterwards, a large one
//!    is free afterwards, and foreign addresses are not found at all. Pointers are aligned, below the last address, and
//!    in readable anonymous memory.
//! 5. *walking*, and 6. *sums*: checked by every walk.

use super::answers::View;
use super::emap::Emap;
use super::layouts::{LAYOUTS, Layout};
use super::maps::Maps;
use super::memory::{emap_symbol, peek};
use super::samples::Sample;
use super::{Roots, arenas::Arenas};
use crate::ReadError;
use crate::attribute::Classes;

/// Set to `off` it keeps the walk from looking at jemalloc's extents.
const VARIABLE: &str = "HEAPLEDGER_WALK";

/// Arenas in which known answers are asked for.
const ARENAS: usize = 4;

/// Other threads may take a sample's slot or pages at any moment; they will not do so every time.
const TRIES: usize = 5;

/// Sizes of the samples: a small block, and large ones above what threads cache and below what gets an arena of its
/// own.
const SMALL_BYTES: usize = 64;
const LARGE_BYTES: [usize; 2] = [40 << 10, 300 << 10];

pub(super) fn refuse(step: &'static str, why: &'static str) -> ReadError {
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
    for arena in (0..Arenas::count()?).filter(|arena| Arenas::exists(*arena) == Ok(true)).take(ARENAS) {
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

    /// Layouts that are nearly right, and such as are not.
    fn changed(random: &mut impl FnMut(usize) -> usize) -> Layout {
        let mut layout = LAYOUTS[random(LAYOUTS.len())];
        for _ in 0..1 + random(4) {
            match random(12) {
                0 => layout.root_offset = 8 * random(1 << 12),
                1 => layout.level_bits = [10 + random(12) as u32, 10 + random(10) as u32, random(12) as u32],
                2 => layout.height = 2 + random(2),
                3 => layout.compact = !layout.compact,
                4 => layout.leaf_bytes = 8 << random(3),
                5 => layout.lg_vaddr = 40 + random(20) as u32,
                6 => layout.leaf_state_shift = random(50) as u32,
                7 => layout.edata_align = 8 << random(8),
                8 => layout.edata_bits_offset = 8 * random(64),
                9 => layout.edata_addr_offset = 8 * random(64),
                10 => layout.edata_size_offset = 8 * random(64),
                _ => layout.edata_slab_offset = 8 * random(64),
            }
        }
        layout
    }

    /// Few enough that jemalloc's samples cost little.
    const LAYOUTS_TRIED: usize = 150;

    #[test]
    fn a_wrong_layout_is_refused_and_nothing_faults() {
        let mut state = 1_u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        let mut refused = 0;
        for _ in 0..LAYOUTS_TRIED {
            let layouts: &'static [Layout] = vec![changed(&mut random)].leak();
            match admitted(layouts, emap_symbol()) {
                Err(ReadError::NotAdmitted { step: "known answers", .. }) => refused += 1,
                Err(error) => panic!("{error}"),
                // The change was none, or one that no answer depends on.
                Ok(emap) => assert!(
                    emap.layout.root_offset == admitted(LAYOUTS, emap_symbol()).expect("one").layout.root_offset
                ),
            }
        }
        assert!(refused > LAYOUTS_TRIED / 2, "{refused} were refused");
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
