//! k: the C library's own heap, beside jemalloc.

use std::sync::Barrier;

use heapledger::{FindingId, LineId, Statement};
use heapledger_scenery::{CBlock, trim};

use crate::scenarios::check::Tolerance;
use crate::scenarios::scene::{KIB, MIB, PAGE, Report, Row, Scene, SceneError, rise};
use crate::scenarios::{Run, Scenario};

const SMALL: usize = 64 * KIB;
const SMALL_BLOCKS: usize = 800;
const LARGE: usize = 8 * MIB;
const LARGE_BLOCKS: usize = 10;
const THREAD_BLOCKS: usize = 320;

/// The C library's header of a block; its blocks begin at multiples of it.
const HEADER: usize = 16;

/// Where a heap's blocks begin and end need not be where a page does: a page at either end, and the header of what is
/// free behind the last block.
const ENDS: usize = 3 * PAGE;

/// What the heap may have had of free space before: the C library asks for 132 KiB at first.
const FIRST_HEAP: usize = 132 * KIB;

/// Blocks of the C library.
pub const K: Scenario = Scenario {
    name: "k",
    shows: "the C library's heap, large blocks and arenas, line by line",
    story: &[
        "C code allocates 800 blocks of 64 KiB, 10 of 8 MiB, and on a thread 320 of 64 KiB, and writes them.",
        "All but the last of the 800 are freed: the last keeps the whole heap.",
        "malloc_trim(0) gives the free pages below it back.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 256 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Line(LineId::GlibcHeap),
        Row::Line(LineId::GlibcMmapped),
        Row::Line(LineId::GlibcArenas),
        Row::Line(LineId::ThreadStacks),
    ]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let mut small = blocks(SMALL_BLOCKS, SMALL)?;
    let large = blocks(LARGE_BLOCKS, LARGE)?;
    let main = scene.take("main")?;
    let (least, most) = (SMALL_BLOCKS * SMALL, SMALL_BLOCKS * (SMALL + HEADER));
    scene.within(
        "rise of the C library's heap",
        least - FIRST_HEAP,
        most + ENDS,
        rise(&start, &main, LineId::GlibcHeap),
        "800 blocks and their headers, a part in free space that it had",
    );
    scene.exactly(
        "rise of its large blocks",
        LARGE_BLOCKS * (LARGE + PAGE),
        rise(&start, &main, LineId::GlibcMmapped),
        "each a mapping: header and block in whole pages",
    );
    let with_thread = on_thread(&mut scene)?;
    let (least_thread, most_thread) = (THREAD_BLOCKS * SMALL, THREAD_BLOCKS * (SMALL + HEADER));
    scene.within(
        "rise of its thread arenas",
        least_thread,
        most_thread + ENDS,
        rise(&main, &with_thread, LineId::GlibcArenas),
        "320 blocks, their headers, and the arena's own record",
    );

    let last = small.pop();
    small.clear();
    let freed = scene.take("freed")?;
    scene.about(
        "change of its heap, all but the last freed",
        0,
        Tolerance { at_most: PAGE as i64, why: "the header behind the last block" },
        rise(&main, &freed, LineId::GlibcHeap),
        "its heap shrinks only from its end",
    );
    if cfg!(target_env = "gnu") {
        scene.finds(&freed, &[], FindingId::GlibcMemory, None);
    }
    if trim() {
        let trimmed = scene.take("trimmed")?;
        scene.at_most(
            "its heap over the start, trimmed",
            SMALL + HEADER + ENDS + FIRST_HEAP,
            rise(&start, &trimmed, LineId::GlibcHeap),
            "the block that is left, and pages that blocks share with their headers",
        );
        scene.note(format!("its thread arenas keep {}", trimmed.figure(LineId::GlibcArenas)));
    } else {
        scene.note("SKIPPED malloc_trim: this C library has none");
    }
    drop((last, large));
    Ok(scene.finish())
}

/// Allocates on a thread of its own and takes a statement while the blocks are there.
fn on_thread(scene: &mut Scene) -> Result<Statement, SceneError> {
    let step = Barrier::new(2);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let blocks = blocks(THREAD_BLOCKS, SMALL);
            step.wait();
            step.wait();
            blocks.map(drop)
        });
        step.wait();
        let statement = scene.take("thread");
        step.wait();
        thread.join().map_err(|_| SceneError::Thread)??;
        statement
    })
}

fn blocks(count: usize, bytes: usize) -> Result<Vec<CBlock>, SceneError> {
    (0..count).map(|_| CBlock::new(bytes).ok_or(SceneError::Malloc { bytes })).collect()
}
