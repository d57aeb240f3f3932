//! c1 and c2: slabs that few small blocks keep.

use heapledger::{Figure, FindingId, LineId, Pin, Region, Statement};
use heapledger_scenery::flush_thread_cache;

use super::sizes::{cached_blocks, slab_bytes};
use crate::scenarios::check::{NONE, Tolerance};
use crate::scenarios::scene::{
    KIB, MIB, PAGE, Report, Row, Scene, SceneError, part, pinned_by, requested, resident, rise,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");
static B: Region = Region::new("B");

/// Of so many blocks in a row the last is B's.
const EVERY: usize = 64;

/// 1 Mi blocks of 64 B: a slab has one of B.
pub const C1: Scenario = Scenario {
    name: "c1",
    shows: "small blocks of B keep every slab of A's freed ones",
    story: &[
        "1 Mi blocks of 64 B are allocated; every 64th is B's, the others are A's.",
        "All blocks of A are freed. Each slab of 64 slots still has one block of B.",
        "The thread's cache is emptied: what B pins is 63 MiB.",
    ],
    runs: &[Run::only(DECAY, || run(1 << 20, &mut || Box::new([1_u8; 64])))],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

/// 64 Ki blocks of 1 KiB: of sixteen slabs one has a block of B.
pub const C2: Scenario = Scenario {
    name: "c2",
    shows: "blocks of B keep one slab in 16; the others are dirty",
    story: &[
        "64 Ki blocks of 1 KiB are allocated; every 64th is B's, the others are A's.",
        "All blocks of A are freed. Of 16 slabs of 4 slots one still has a block of B.",
        "The thread's cache is emptied: 60 MiB are dirty, B pins 3 MiB.",
    ],
    runs: &[Run::only(DECAY, || run(64 * KIB, &mut || Box::new([1_u8; 1024])))],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

/// What less keeps is no finding.
const FOUND_AT_LEAST: usize = 16 * MIB;

/// One filling of a cache, half of what it may hold.
const SINCE: &str = "free slots that went into the main thread's cache since it was emptied";

/// The first slab of A's may have been begun by others.
const EDGE: &str = "a slab that others have blocks in";

/// One filling of the thread's cache, were each of its blocks in a slab of its own: they are others' slabs.
const SHARED_SLABS: i64 = 64;

/// Nothing is given back meanwhile, so that dirty pages can be counted.
const DECAY: &str = "dirty_decay_ms:-1";

fn run<const BYTES: usize>(count: usize, block: &mut dyn FnMut() -> Box<[u8; BYTES]>) -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("A"),
        Row::Region("B"),
        Row::PinnedBy("B"),
        Row::Line(LineId::FreeSlots),
        Row::Line(LineId::ThreadCaches),
        Row::Line(LineId::Dirty),
    ]);
    let slab = slab_bytes(BYTES);
    let slots = slab / BYTES;
    let of_b = count / EVERY;
    let of_a = count - of_b;
    // The lists are as long as they will be, so that nothing but the blocks comes and goes.
    let mut a = Vec::with_capacity(of_a);
    let mut b = Vec::with_capacity(of_b);
    flush_thread_cache();
    for index in 0..count {
        if index % EVERY == EVERY - 1 {
            b.push(B.scope(&mut *block));
        } else {
            a.push(A.scope(&mut *block));
        }
    }
    let loaded = scene.take("loaded")?;
    scene.exactly("A requested", of_a * BYTES, requested(&loaded, "A"), "its blocks");
    scene.exactly("A in use", of_a * BYTES, resident(&loaded, "A"), "its blocks, all of them written");
    scene.exactly("B in use", of_b * BYTES, resident(&loaded, "B"), "its blocks, all of them written");

    a.clear();
    let freed = scene.take("A freed")?;
    // A slab with a block of B has so many other slots; where slabs are shorter than the distance of two blocks of B,
    // the slabs between have none.
    let pinned = of_b * (slab - BYTES);
    let empty = (count / slots - of_b.min(count / slots)) * slab;
    let cached = cached_blocks(BYTES) * BYTES;
    scene.exactly("A in use, when freed", 0, resident(&freed, "A"), "all its blocks are freed");
    scene.within(
        "pinned by B, before the thread's cache is emptied",
        pinned - cached - cached / 2,
        pinned,
        pinned_by(&freed, "B"),
        "the cache may hold blocks of A in slabs with a block of B; half as many were free and are the main thread's",
    );

    flush_thread_cache();
    let flushed = scene.take("flushed")?;
    scene.about(
        "pinned by B",
        pinned,
        Tolerance { at_most: (cached_blocks(BYTES) / 2 * BYTES) as i64, why: SINCE },
        pinned_by(&flushed, "B"),
        &format!("{of_b} slabs of {slots} slots, one of them B's"),
    );
    scene.exactly("B in use, at the end", of_b * BYTES, resident(&flushed, "B"), "nothing of B was freed");
    scene.about(
        "dirty that was A's",
        empty,
        if empty == 0 { NONE } else { Tolerance { at_most: slab as i64, why: EDGE } },
        part(&flushed, LineId::Dirty, "A"),
        &format!("slabs without a block of B: {} of {slab} B", empty / slab),
    );
    pins(&mut scene, &flushed, of_b, BYTES);
    if pinned >= FOUND_AT_LEAST {
        scene.finds(&flushed, &[], FindingId::SlabsPinned, Some("B"));
    }
    scene.note(format!(
        "RSS changed by {} B between A's first and last block freed; {} pages of {PAGE} B hold a block of B",
        rise(&loaded, &flushed, LineId::Rss).as_exact().unwrap_or_default(),
        of_b,
    ));
    drop(b);
    Ok(scene.finish())
}

/// By number: each of B's blocks keeps a slab in which nobody else has any.
fn pins(scene: &mut Scene, statement: &Statement, of_b: usize, block_bytes: usize) {
    let pin = |of: fn(&Pin) -> u64| {
        let pins = statement.fragmentation().map(heapledger::Fragmentation::pins);
        let count = |pins: &[Pin]| {
            let of_b = pins.iter().filter(|pin| pin.region == "B" && pin.slot_bytes as usize == block_bytes);
            of_b.map(of).sum::<u64>()
        };
        pins.map_or_else(|why| Figure::from(why.clone()), |pins| Figure::exact(count(pins)))
    };
    let shared =
        Tolerance { at_most: SHARED_SLABS, why: "slabs in which blocks of the program itself lie, or cached ones" };
    let reason = "each of its blocks is alone in a slab";
    scene.about("count of slabs that B keeps alone", of_b, shared, pin(|pin| pin.slabs), reason);
    scene.about("count of slots that B has in them", of_b, shared, pin(|pin| pin.slots), reason);
}
