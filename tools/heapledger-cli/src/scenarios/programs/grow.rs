//! g and rust-grow: a vector that grows by doubling.

use std::hint::black_box;

use heapledger::{LineId, Region};

use crate::scenarios::scene::{
    MIB, PAGE, Report, Row, STATEMENT, Scene, SceneError, part, requested, resident, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static GROWING: Region = Region::new("growing");

/// What is pushed.
const BYTES: usize = 384 * MIB;

/// Capacities double from 4 elements, whatever those are: the first power of two that holds it.
const CAPACITY: usize = 512 * MIB;

/// Between two statements a growing vector leaves dirty pages of its smaller selves: those below 8 MiB, whose sum is
/// less. The ledger's tables take 8 bytes for each page touched.
const TRAIL: usize = 8 * MIB + 8 * MIB;

/// Elements of 8 bytes.
pub const G: Scenario = Scenario {
    name: "g",
    shows: "a vector of u64 pushed to 384 MiB, and the copy meanwhile",
    story: STORY,
    runs: &[Run::only("", run::<u64>)],
    at_once: false,
    peak_bytes: 700 * MIB as u64,
};

/// Single bytes.
pub const RUST_GROW: Scenario = Scenario {
    name: "rust-grow",
    shows: "a vector pushed to 384 MiB, then shrink_to_fit",
    story: STORY,
    runs: &[Run::only("", run::<[u8; 32]>)],
    at_once: false,
    peak_bytes: 700 * MIB as u64,
};

const STORY: &[&str] = &[
    "Elements are pushed to a vector until they are 384 MiB; its capacity is then 512 MiB.",
    "What was never written is not in RSS. At its last move the old and the new block were both there.",
    "shrink_to_fit gives back addresses, and no memory.",
];

/// An element of the vector.
trait Element: Copy {
    const ONE: Self;
}

impl Element for u64 {
    const ONE: Self = 1;
}

impl Element for [u8; 32] {
    const ONE: Self = [1; 32];
}

fn run<T: Element>() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("growing"),
        Row::UntouchedOf("growing"),
        Row::Line(LineId::Dirty),
        Row::Line(LineId::LargePads),
        Row::Line(LineId::Base),
        Row::Line(LineId::OwnTables),
        Row::Line(LineId::Scratch),
        Row::Line(LineId::PageTables),
        Row::Line(LineId::FilePages),
        Row::Line(LineId::PeakRss),
    ]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let mut vector: Vec<T> = Vec::new();
    let inside = GROWING.enter();
    let (mut moves, mut growths, mut last_copy) = (0, 0, 0);
    for _ in 0..BYTES / size_of::<T>() {
        let (before, capacity) = (vector.as_ptr(), vector.capacity());
        vector.push(T::ONE);
        if vector.capacity() != capacity {
            growths += 1;
            if vector.as_ptr() != before {
                moves += 1;
                last_copy = capacity * size_of::<T>();
            }
        }
    }
    drop(inside);
    black_box(&vector);
    let pushed = scene.take("pushed")?;
    scene.exactly("requested", CAPACITY, requested(&pushed, "growing"), "the capacity: the next doubling");
    scene.within(
        "in use",
        BYTES,
        BYTES + PAGE - 1,
        resident(&pushed, "growing"),
        "what was pushed, to the end of the last page",
    );
    scene.exactly(
        "in use and untouched",
        CAPACITY,
        resident(&pushed, "growing") + part(&pushed, LineId::Untouched, "growing"),
        "every byte of the block is one or the other",
    );
    let peak = last_copy.saturating_mul(2).max(BYTES);
    scene.within(
        "peak RSS over the start",
        peak,
        peak + TRAIL,
        pushed.figure(LineId::PeakRss) - start.figure(LineId::Rss),
        "the old block and as much of the new one at the last copy, and dirty pages of smaller selves",
    );
    scene.note(format!("it grew {growths} times and moved {moves} times; the last move copied {last_copy} B"));

    GROWING.scope(|| vector.shrink_to_fit());
    let shrunk = scene.take("shrunk")?;
    scene.exactly("requested, shrunk", BYTES, requested(&shrunk, "growing"), "384 MiB is a size class");
    scene.exactly("in use, shrunk", BYTES, resident(&shrunk, "growing"), "all of it is written");
    scene.exactly("untouched, shrunk", 0, part(&shrunk, LineId::Untouched, "growing"), "nothing else is left");
    scene.about(
        "change of RSS without books by shrink_to_fit",
        0,
        STATEMENT,
        rise_without_books(&pushed, &shrunk),
        "the part that went was never touched",
    );
    drop(vector);
    Ok(scene.finish())
}
