//! Whether jemalloc's radix tree is what the table of layouts says: nothing is believed that was not shown.
//!
//! All reading here asks the kernel, so a wrong layout gives a refusal and never a fault. The steps, each of which can
//! fail by name:
//! 1. *switched off*: the environment variable `HEAPLEDGER_WALK` is `off`; *settings*: jemalloc's settings make extents
//!    something else.
//! 2. *symbol*: the tree's symbol is linked.
//! 3. *reading*: the kernel lets this process read its own memory by `process_vm_readv`.
//! 4. *known answers*: in four arenas, or as many as there are. None is made for it: it would stay, with its records in
//!    memory, in a program that asks what it has. Small and large blocks are found with their class,
//!    arena, address and size, the slot of a small one is taken in its slab's bitmap and free afterwards, a large one
//!    is free afterwards, and foreign addresses are not found at all. That it is dirty then is not asked: decay time 0 or
//!    another thread may have taken it; a test asks in an arena where nothing decays. Pointers are aligned, below the last address, and
//!    in readable anonymous memory.
//! 5. *walking*, and 6. *sums*: checked by every walk.

use super::answers::View;
use super::emap::Emap;
use super::layouts::{LAYOUTS, Layout};
use super::maps::Maps;
use super::memory::{emap_symbol, peek};
use super::samples::Sample;
use super::{Ctl, Jemalloc, Roots, arenas::Arenas};
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
    super::arenas::refuse_settings(&Jemalloc)?;
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
    // Which arenas there are jemalloc tells as of its last refresh.
    Jemalloc.refresh()?;
    let mut refusal = refuse("known answers", "there is no layout to try");
    for layout in layouts {
        let emap = Emap { symbol, layout };
        for _ in 0..TRIES {
            match known_answers(roots, maps, classes, &emap) {
                Ok(_) => return Ok(emap),
                Err(error) => refusal = error,
            }
        }
    }
    Err(refusal)
}

/// In how many arenas the answers were right.
fn known_answers(roots: Roots<'_>, maps: &mut Maps, classes: &Classes, emap: &Emap) -> Result<usize, ReadError> {
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
    if seen == 0 { Err(refuse("known answers", "there is no arena")) } else { Ok(seen) }
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
    fn each_of_several_arenas_is_asked() {
        let created: Vec<usize> = (0..ARENAS).map(|_| crate::read::answers::tests::arena()).collect();
        let mut maps = Maps::new().expect("buffers");
        let emap = admitted(LAYOUTS, emap_symbol()).expect("one");
        let asked = (0..TRIES)
            .find_map(|_| known_answers(Roots::system(), &mut maps, &classes().expect("size classes"), &emap).ok());
        assert_eq!(asked, Some(ARENAS), "{created:?}");
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
