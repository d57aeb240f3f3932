//! l: zeroed memory over dirty pages.

use heapledger::{Figure, LineId, Region, Statement};

use crate::scenarios::scene::{
    MIB, Report, Row, STATEMENT, Scene, SceneError, part, resident, rise, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");
static B: Region = Region::new("B");

/// Zeroed blocks where dirty pages are at hand.
pub const L: Scenario = Scenario {
    name: "l",
    shows: "zeroes over dirty pages: small blocks stay, large ones go",
    story: &[
        "Blocks of A are written and freed; their pages stay dirty, for decay is off.",
        "Blocks of the same size are asked for as zeroes, in region B, and not touched.",
        "Of 1 MiB each, jemalloc writes the zeroes: all of B is in RSS.",
        "Of 16 MiB each, it gives the pages back first: asking for memory makes RSS fall.",
    ],
    runs: &[
        Run { title: "64 blocks of 1 MiB", settings: "dirty_decay_ms:-1", program: written },
        Run { title: "8 blocks of 16 MiB", settings: "dirty_decay_ms:-1", program: given_back },
    ],
    peak_bytes: 300 * MIB as u64,
};

/// What both processes begin with.
type Begun = (Scene, Vec<Vec<u8>>, [Statement; 2]);

/// The scene so far, B's blocks, and statements with A's blocks freed and with B's allocated.
fn over_dirty(blocks: usize, bytes: usize) -> Result<Begun, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("A"),
        Row::DirtyOf("A"),
        Row::Region("B"),
        Row::UntouchedOf("B"),
        Row::Line(LineId::LargePads),
    ]);
    let mut a = Vec::with_capacity(blocks);
    let mut b = Vec::with_capacity(blocks);
    scene.take("warm")?;
    let start = scene.take("start")?;
    a.extend((0..blocks).map(|_| A.scope(|| vec![1_u8; bytes])));
    let loaded = scene.take("A loaded")?;
    a.clear();
    let freed = scene.take("A freed")?;
    let pads = rise(&start, &loaded, LineId::LargePads);
    scene.exactly(
        "dirty that was A's, less pads",
        blocks * bytes,
        part(&freed, LineId::Dirty, "A") - pads,
        "all of A's pages: nothing decays",
    );
    b.extend((0..blocks).map(|_| B.scope(|| vec![0_u8; bytes])));
    let zeroed = scene.take("B zeroed")?;
    scene.exactly(
        "B in use and untouched",
        blocks * bytes,
        resident(&zeroed, "B") + part(&zeroed, LineId::Untouched, "B"),
        "every byte of a block is one or the other",
    );
    Ok((scene, b, [freed, zeroed]))
}

fn written() -> Result<Report, SceneError> {
    let (mut scene, b, [freed, zeroed]) = over_dirty(64, MIB)?;
    scene.exactly("B in use", 64 * MIB, resident(&zeroed, "B"), "zeroes were written to every page");
    scene.note(format!("RSS changed by {} B", rise(&freed, &zeroed, LineId::Rss).as_exact().unwrap_or_default()));
    drop(b);
    Ok(scene.finish())
}

fn given_back() -> Result<Report, SceneError> {
    let (mut scene, b, [freed, zeroed]) = over_dirty(8, 16 * MIB)?;
    scene.exactly("B in use", 0, resident(&zeroed, "B"), "its pages were given back to get zeroes");
    let pads = part(&freed, LineId::Dirty, "A") - Figure::Exact((8 * 16 * MIB) as i64);
    let dirty = part(&zeroed, LineId::Dirty, "A");
    let fall = Figure::Exact(0) - rise_without_books(&freed, &zeroed);
    scene.about(
        "fall of RSS without books by asking for memory, and what stays dirty, less pads",
        8 * 16 * MIB,
        STATEMENT,
        fall.clone() + dirty - pads,
        "what was dirty was given back or stays",
    );
    scene.at_least("fall of RSS without books", 7 * 16 * MIB, fall, "all extents but for one that was cut elsewhere");
    drop(b);
    Ok(scene.finish())
}
