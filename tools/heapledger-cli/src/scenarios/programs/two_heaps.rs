//! two-heaps: C code with its own malloc beside Rust.

use heapledger::{Figure, LineId, Region};
use heapledger_scenery::CBlock;

use crate::scenarios::scene::{KIB, MIB, PAGE, Report, Row, Scene, SceneError, resident, rise};
use crate::scenarios::{Run, Scenario};

static RUST: Region = Region::new("rust");

const C_BLOCKS: usize = 100 * KIB;
const C_BYTES: usize = 1000;
/// 1000 bytes and a header of 8, in steps of 16.
const C_CHUNK: usize = 1008;
const RUST_BLOCKS: usize = 64;

/// What the C heap may have had of free space before.
const FIRST_HEAP: usize = 132 * KIB;

/// The C library's heap and jemalloc's.
pub const TWO_HEAPS: Scenario = Scenario {
    name: "two-heaps",
    shows: "C's malloc beside Rust's: outside, and not unexplained",
    story: &[
        "Rust allocates 64 blocks of 1 MiB in region rust.",
        "C code allocates 100 Ki blocks of 1000 B from the C library's heap, in turn with Rust.",
        "Rust frees its blocks; the C heap stays as it is.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 400 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("rust"),
        Row::Line(LineId::PastLedger),
        Row::Line(LineId::GlibcHeap),
        Row::Line(LineId::GlibcMmapped),
    ]);
    let mut ours = Vec::with_capacity(RUST_BLOCKS);
    let mut theirs = Vec::with_capacity(C_BLOCKS);
    scene.take("warm")?;
    let start = scene.take("start")?;
    for _ in 0..RUST_BLOCKS {
        ours.push(RUST.scope(|| vec![1_u8; MIB]));
        for _ in 0..C_BLOCKS / RUST_BLOCKS {
            theirs.push(CBlock::new(C_BYTES).ok_or(SceneError::Malloc { bytes: C_BYTES })?);
        }
    }
    let both = scene.take("both")?;
    scene.exactly("rust in use", RUST_BLOCKS * MIB, resident(&both, "rust"), "64 blocks, written");
    scene.within(
        "rise of the C library's heap",
        C_BLOCKS * C_CHUNK - FIRST_HEAP,
        C_BLOCKS * C_CHUNK + 3 * PAGE,
        rise(&start, &both, LineId::GlibcHeap),
        "its blocks with their headers, a part in free space that it had",
    );
    scene.exactly("rise of unexplained", 0, rise(&start, &both, LineId::Unexplained), "the C heap has a line");
    scene.exactly("past the ledger", 0, both.figure(LineId::PastAllocated), "the C heap is not jemalloc's");

    drop(ours);
    let freed = scene.take("rust freed")?;
    scene.exactly("rust in use, when freed", 0, resident(&freed, "rust"), "all is freed");
    scene.exactly(
        "change of the C library's heap",
        0,
        rise(&both, &freed, LineId::GlibcHeap) + Figure::Exact(0),
        "nothing of it was freed",
    );
    drop(theirs);
    Ok(scene.finish())
}
