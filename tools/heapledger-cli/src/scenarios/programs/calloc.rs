//! l: zeroed memory over dirty pages.

use heapledger::{Figure, LineId, Region, Statement};

use super::thp;
use crate::scenarios::scene::{
    MIB, Report, Row, STATEMENT, Scene, SceneError, bytes_of_pages, part, resident, rise, rise_without_books,
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
        "With thp:always it writes the zeroes there too, so that huge pages stay whole.",
    ],
    runs: &[
        Run { title: "64 blocks of 1 MiB", settings: "dirty_decay_ms:-1", program: written },
        Run { title: "8 blocks of 16 MiB", settings: "dirty_decay_ms:-1", program: given_back },
        Run {
            title: "8 blocks of 16 MiB, huge pages asked for",
            settings: "dirty_decay_ms:-1,thp:always",
            program: written_huge,
        },
    ],
    at_once: false,
    peak_bytes: 300 * MIB as u64,
};

/// What both processes begin with.
type Begun = (Scene, Vec<Vec<u8>>, usize, [Statement; 2]);

/// The scene so far, B's blocks, the bytes of all pages that A's blocks lay on, and statements with A's blocks freed
/// and with B's allocated.
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
    a.extend((0..blocks).map(|_| A.scope(|| vec![1_u8; bytes])));
    let loaded = scene.take("A loaded")?;
    scene.exactly("A in use", blocks * bytes, resident(&loaded, "A"), "its blocks, written");
    let touched = a.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    a.clear();
    let freed = scene.take("A freed")?;
    scene.exactly(
        "dirty that was A's",
        touched,
        part(&freed, LineId::Dirty, "A"),
        "the pages that the blocks lay on: nothing decays",
    );
    b.extend((0..blocks).map(|_| B.scope(|| vec![0_u8; bytes])));
    let zeroed = scene.take("B zeroed")?;
    scene.exactly(
        "B in use and untouched",
        blocks * bytes,
        resident(&zeroed, "B") + part(&zeroed, LineId::Untouched, "B"),
        "every byte of a block is one or the other",
    );
    Ok((scene, b, touched, [freed, zeroed]))
}

fn written() -> Result<Report, SceneError> {
    let (mut scene, b, _, [freed, zeroed]) = over_dirty(64, MIB)?;
    scene.exactly("B in use", 64 * MIB, resident(&zeroed, "B"), "zeroes were written to every page");
    scene.note(format!("RSS changed by {} B", rise(&freed, &zeroed, LineId::Rss).as_exact().unwrap_or_default()));
    drop(b);
    Ok(scene.finish())
}

fn given_back() -> Result<Report, SceneError> {
    let (mut scene, b, touched, [freed, zeroed]) = over_dirty(8, 16 * MIB)?;
    scene.exactly("B in use", 0, resident(&zeroed, "B"), "its pages were given back to get zeroes");
    let dirty = part(&zeroed, LineId::Dirty, "A");
    let fall = Figure::Exact(0) - rise_without_books(&freed, &zeroed);
    scene.about(
        "fall of RSS without books by asking for memory, and what stays dirty",
        touched,
        STATEMENT,
        fall.clone() + dirty,
        "what was dirty was given back or stays",
    );
    scene.at_least("fall of RSS without books", 7 * 16 * MIB, fall, "all extents but for one that was cut elsewhere");
    drop(b);
    Ok(scene.finish())
}

fn written_huge() -> Result<Report, SceneError> {
    if thp::are_refused() {
        let mut scene = Scene::new(&[]);
        scene.skip("zeroes in huge pages", &thp::system());
        return Ok(scene.finish());
    }
    let (mut scene, b, _, [freed, zeroed]) = over_dirty(8, 16 * MIB)?;
    scene.exactly("B in use", 8 * 16 * MIB, resident(&zeroed, "B"), "zeroes were written to every page");
    scene.note(format!("RSS changed by {} B", rise(&freed, &zeroed, LineId::Rss).as_exact().unwrap_or_default()));
    if thp::huge_bytes() == 0 {
        scene.skip("zeroes in huge pages", &format!("the kernel gave none; {}", thp::system()));
    }
    drop(b);
    Ok(scene.finish())
}
