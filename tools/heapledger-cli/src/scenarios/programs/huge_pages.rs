//! j: huge pages bring in more than was touched, and reach over the ends of blocks.

use heapledger::{Figure, LineId, Region};

use super::thp::{self, huge_bytes};
use crate::scenarios::scene::{
    MIB, PAGE, Report, Row, Scene, SceneError, offset_in_page, part, resident, rise, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");

const BLOCKS: usize = 16;
const BYTES: usize = 4 * MIB;

/// Two bytes each of 16 blocks, with huge pages and without.
pub const J: Scenario = Scenario {
    name: "j",
    shows: "huge pages: two bytes written bring in 2 MiB each",
    story: &[
        "16 blocks of 4 MiB are allocated; of each the first byte and the one in the middle are written.",
        "Without huge pages that is a page for each byte.",
        "With thp:always the kernel may give 2 MiB for a byte, over the ends of blocks and extents.",
    ],
    runs: &[
        Run { title: "huge pages refused", settings: "thp:never", program: without },
        Run { title: "huge pages asked for", settings: "thp:always", program: with },
    ],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

/// What both processes begin with.
type Begun = (Scene, Vec<Vec<u8>>, usize, [heapledger::Statement; 2]);

/// The scene so far, the blocks, what came in huge pages while they were written, and statements before and after they are written.
fn written() -> Result<Begun, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("A"),
        Row::UntouchedOf("A"),
        Row::Line(LineId::LargePads),
        Row::Line(LineId::Dirty),
        Row::Line(LineId::RetainedResident),
    ]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let huge_before = huge_bytes();
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    blocks.extend((0..BLOCKS).map(|_| A.scope(|| vec![0; BYTES])));
    for block in &mut blocks {
        block[0] = 1;
        block[BYTES / 2] = 1;
    }
    let huge = huge_bytes().wrapping_sub(huge_before);
    let written = scene.take("written")?;
    scene.exactly(
        "A in use and untouched",
        BLOCKS * BYTES,
        resident(&written, "A") + part(&written, LineId::Untouched, "A"),
        "every byte of a block is one or the other",
    );
    Ok((scene, blocks, huge, [start, written]))
}

fn without() -> Result<Report, SceneError> {
    let (mut scene, blocks, _, [_, written]) = written()?;
    let before: usize = blocks.iter().map(|block| offset_in_page(block)).sum();
    scene.exactly(
        "A in use",
        BLOCKS * 2 * PAGE - before,
        resident(&written, "A"),
        &format!("a page for each byte written, less {before} B of first pages that lie before the blocks"),
    );
    let retained = written.figure(LineId::RetainedResident);
    scene.exactly("retained, yet resident", 0, retained, "only huge pages reach over the ends of extents");
    drop(blocks);
    Ok(scene.finish())
}

fn with() -> Result<Report, SceneError> {
    let (mut scene, blocks, huge, [start, written]) = written()?;
    let lines = [LineId::LargePads, LineId::Dirty, LineId::Muzzy, LineId::RetainedResident];
    let rises = lines.into_iter().map(|line| rise(&start, &written, line)).sum::<Figure>();
    let all = resident(&written, "A") + rises;
    scene.at_least(
        "A in use, pads, dirty and retained",
        BLOCKS * 2 * PAGE,
        all,
        "a page for each byte written at the least",
    );
    scene.at_most("A in use", BLOCKS * BYTES, resident(&written, "A"), "no more than its blocks are");
    if huge == 0 {
        scene.skip("huge pages", &format!("the kernel gave none; {}", thp::system()));
    } else if thp::are_asked_for() {
        let rise = rise_without_books(&start, &written);
        scene.at_least("rise of RSS without books", huge, rise, "only jemalloc's memory is given in huge pages");
    }
    scene.note(format!("the kernel counts {huge} B in huge pages; how many it gives is its own affair"));
    drop(blocks);
    Ok(scene.finish())
}
