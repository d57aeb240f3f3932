//! b and r1: small blocks are freed; what can use their pages, and what cannot.

use heapledger::{LineId, Region, Verdict, Went};
use heapledger_scenery::flush_thread_cache;

use super::sizes::{LARGE_PAD, cached_blocks, slab_bytes};
use crate::scenarios::check::{NONE, Tolerance};
use crate::scenarios::flows::Flows;
use crate::scenarios::scene::{
    KIB, MIB, Report, Row, STATEMENT, Scene, SceneError, bytes_of_pages, part, resident, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");
static B: Region = Region::new("B");
static W: Region = Region::new("W");
static K: Region = Region::new("K");

/// Blocks of 1 KiB, four to a slab of a page.
const SMALL: usize = KIB;
const SMALL_BLOCKS: usize = MIB;
const LARGE_BLOCKS: usize = 600;
const K_BLOCKS: usize = 600 * KIB;

/// The first and the last slab may have blocks of others.
const EDGES: Tolerance = Tolerance { at_most: 2 * slab_bytes(SMALL) as i64, why: "slabs that others have blocks in" };

/// Small blocks, then large ones.
pub const B_: Scenario = Scenario {
    name: "b",
    shows: "1 Mi blocks of 1 KiB freed: dirty, and of no use for 1 MiB",
    story: &[
        "A has 1 Mi blocks of 1 KiB and frees them; the thread's cache is emptied: all of their slabs are dirty.",
        "B allocates 600 blocks of 1 MiB. Dirty slabs of a page are not joined, so B takes new pages.",
        "purge() returns everything that was A's.",
    ],
    runs: &[Run::only("dirty_decay_ms:-1", large_after_small)],
    at_once: false,
    peak_bytes: 2100 * MIB as u64,
};

/// Small blocks, then small ones.
pub const R1: Scenario = Scenario {
    name: "r1",
    shows: "reused: 600 Ki blocks of 1 KiB on pages that W freed",
    story: &[
        "W has 1 Mi blocks of 1 KiB and frees them; nothing decays.",
        "K allocates 600 Ki blocks of 1 KiB: all of them on W's pages. RSS does not rise.",
    ],
    runs: &[Run::only("dirty_decay_ms:-1", small_after_small)],
    at_once: false,
    peak_bytes: 1300 * MIB as u64,
};

fn large_after_small() -> Result<Report, SceneError> {
    let mut scene =
        Scene::new(&[Row::Region("A"), Row::DirtyOf("A"), Row::Region("B"), Row::Line(LineId::ThreadCaches)]);
    let mut a = Vec::with_capacity(SMALL_BLOCKS);
    let mut b = Vec::with_capacity(LARGE_BLOCKS);
    scene.take("warm")?;
    a.extend((0..SMALL_BLOCKS).map(|_| A.scope(|| Box::new([1_u8; SMALL]))));
    let loaded = scene.mark("loaded")?;
    scene.exactly("A in use", SMALL * SMALL_BLOCKS, resident(loaded.statement(), "A"), "its blocks, written");
    a.clear();
    flush_thread_cache();
    let freed = scene.mark("freed")?;
    let to_freed = Flows::between(&loaded, &freed)?;
    to_freed.check_sums(&mut scene, "freed");
    let dirty = part(freed.statement(), LineId::Dirty, "A");
    scene.about("dirty that was A's", SMALL * SMALL_BLOCKS, EDGES, dirty, "every slab of its blocks is empty");
    scene.about(
        "A's bytes dirty",
        SMALL * SMALL_BLOCKS,
        EDGES,
        to_freed.of_used("A", &Went::Dirty),
        "nothing was returned",
    );

    b.extend((0..LARGE_BLOCKS).map(|_| B.scope(|| vec![1_u8; MIB])));
    let full = scene.mark("B")?;
    let to_full = Flows::between(&freed, &full)?;
    to_full.check_sums(&mut scene, "B");
    scene.exactly("B in use", LARGE_BLOCKS * MIB, resident(full.statement(), "B"), "600 blocks, written");
    scene.exactly("A's bytes that B reuses", 0, to_full.reused("A", "B"), "extents below 16 KiB are not joined");
    let pages: usize = b.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    scene.about(
        "rise of RSS without books by B",
        pages,
        Tolerance { at_most: (LARGE_BLOCKS * LARGE_PAD) as i64 + STATEMENT.at_most, why: "pads of B's blocks" },
        rise_without_books(freed.statement(), full.statement()),
        "every page that its blocks lie on is new",
    );
    let purge = heapledger::purge().map_err(|source| SceneError::Refused { doing: "purge", source })?;
    scene.keep("purged", &purge.after);
    scene.exactly("dirty that was A's, purged", 0, part(&purge.after, LineId::Dirty, "A"), "all of it is returned");
    scene.at_least(
        "fall of RSS by the purge",
        SMALL * SMALL_BLOCKS - EDGES.at_most as usize,
        purge.returned_bytes(),
        "A's pages, and what else was dirty",
    );
    drop(b);
    Ok(scene.finish())
}

fn small_after_small() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[Row::Region("W"), Row::DirtyOf("W"), Row::Region("K"), Row::Line(LineId::FreeSlots)]);
    let mut w = Vec::with_capacity(SMALL_BLOCKS);
    let mut k = Vec::with_capacity(K_BLOCKS);
    scene.take("warm")?;
    w.extend((0..SMALL_BLOCKS).map(|_| W.scope(|| Box::new([1_u8; SMALL]))));
    let loaded = scene.mark("loaded")?;
    scene.exactly("W in use", SMALL * SMALL_BLOCKS, resident(loaded.statement(), "W"), "its blocks, written");
    w.clear();
    flush_thread_cache();
    let freed = scene.mark("freed")?;
    let dirty = part(freed.statement(), LineId::Dirty, "W");
    scene.about("dirty that was W's", SMALL * SMALL_BLOCKS, EDGES, dirty, "every slab of its blocks is empty");

    k.extend((0..K_BLOCKS).map(|_| K.scope(|| Box::new([1_u8; SMALL]))));
    let full = scene.mark("K")?;
    let flow = Flows::between(&freed, &full)?;
    flow.check_sums(&mut scene, "K");
    scene.exactly("K in use", SMALL * K_BLOCKS, resident(full.statement(), "K"), "its blocks, written");
    scene.about(
        "W's bytes that K reuses",
        SMALL * K_BLOCKS,
        Tolerance {
            at_most: EDGES.at_most + (cached_blocks(SMALL) * SMALL) as i64,
            why: "slabs that others have blocks in",
        },
        flow.reused("W", "K"),
        "jemalloc takes dirty slabs before new ones, and nothing was returned",
    );
    let verdicts = flow.verdicts(&full);
    let cached = Tolerance { at_most: EDGES.at_most + (cached_blocks(SMALL) * SMALL) as i64, why: EDGES.why };
    scene.judged(&verdicts, "W", Verdict::Reused, SMALL * K_BLOCKS, cached, "K lives on it");
    let left = SMALL * (SMALL_BLOCKS - K_BLOCKS);
    scene.judged(&verdicts, "W", Verdict::Held, left, cached, "the rest is dirty, and nothing decays");
    scene.judged(&verdicts, "W", Verdict::Waiting, 0, NONE, "nothing decays");
    scene.about(
        "rise of RSS without books by K",
        size_of_val(&*k),
        STATEMENT,
        rise_without_books(freed.statement(), full.statement()),
        "the list of its blocks; all pages of the blocks were in memory",
    );
    drop(k);
    Ok(scene.finish())
}
