//! i: blocks of 8 MiB and more have an arena of their own.

use heapledger::{Figure, FindingId, LineId, Region};

use super::sizes::LARGE_PAD;
use crate::scenarios::scene::{
    MIB, Report, Row, STATEMENT, Scene, SceneError, bytes_of_pages, part, resident, rise, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");

const BLOCKS: usize = 8;
const BYTES: usize = 16 * MIB;

/// Eight blocks of 16 MiB are freed, without background threads and with them.
pub const I: Scenario = Scenario {
    name: "i",
    shows: "16 MiB blocks go back at once, but for background threads",
    story: &[
        "8 blocks of 16 MiB are allocated, written and freed.",
        "Without background threads their arena keeps nothing dirty: RSS falls at once.",
        "With background threads, on before the arena began, they stay dirty until the decay time has passed.",
    ],
    runs: &[
        Run { title: "background threads off", settings: "", program: off },
        // The time is long, so that nothing goes while the statement is taken.
        Run {
            title: "background threads on",
            settings: "background_thread:true,dirty_decay_ms:3600000000",
            program: on,
        },
    ],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

/// The scene so far, the bytes of all pages that the blocks lay on, and statements with them in use and freed.
fn freed() -> Result<(Scene, usize, [heapledger::Statement; 2]), SceneError> {
    let mut scene = Scene::new(&[Row::Region("A"), Row::DirtyOf("A"), Row::Line(LineId::LargePads)]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let mut blocks = Vec::with_capacity(BLOCKS);
    blocks.extend((0..BLOCKS).map(|_| A.scope(|| vec![1_u8; BYTES])));
    let loaded = scene.take("loaded")?;
    scene.exactly("A in use", BLOCKS * BYTES, resident(&loaded, "A"), "8 blocks, written");
    scene.within(
        "rise of pads",
        0,
        BLOCKS * LARGE_PAD,
        rise(&start, &loaded, LineId::LargePads),
        "at most a page for each block",
    );
    let touched = blocks.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    drop(blocks);
    let freed = scene.take("freed")?;
    scene.exactly("A in use, when freed", 0, resident(&freed, "A"), "all is freed");
    Ok((scene, touched, [loaded, freed]))
}

fn off() -> Result<Report, SceneError> {
    let (mut scene, touched, [loaded, freed]) = freed()?;
    scene.exactly("dirty that was A's", 0, part(&freed, LineId::Dirty, "A"), "their arena has a decay time of 0");
    scene.about(
        "fall of RSS without books",
        touched,
        STATEMENT,
        Figure::Exact(0) - rise_without_books(&loaded, &freed),
        "the pages that the blocks lay on, at once",
    );
    Ok(scene.finish())
}

fn on() -> Result<Report, SceneError> {
    let (mut scene, touched, [loaded, freed]) = freed()?;
    scene.exactly(
        "dirty that was A's",
        touched,
        part(&freed, LineId::Dirty, "A"),
        "the pages that the blocks lay on wait for the decay time",
    );
    scene.finds(&freed, &[], FindingId::OversizeArena, None);
    scene.about(
        "change of RSS without books by the frees",
        0,
        STATEMENT,
        rise_without_books(&loaded, &freed),
        "nothing goes back",
    );
    Ok(scene.finish())
}
