//! d: what a thread keeps of what it freed.

use std::sync::Barrier;
use std::time::Duration;

use heapledger::{LineId, Region};

use super::sizes::{LARGE_PAD, SMALL_MAX, cached_blocks, class_bytes};
use crate::scenarios::check::Tolerance;
use crate::scenarios::scene::{KIB, MIB, PAGE, Report, Row, Scene, SceneError, part, resident, rise};
use crate::scenarios::{Run, Scenario};

static WORKER: Region = Region::new("worker");

/// Blocks of each size.
const BLOCKS: usize = 1000;
const SIZES: [usize; 4] = [64, 1024, 8192, 20000];

/// How long the thread idles.
const IDLE: Duration = Duration::from_millis(1500);

/// The main thread takes statements meanwhile and has a cache too.
const MAIN_CACHE: Tolerance =
    Tolerance { at_most: 64 * KIB as i64, why: "the cache of the main thread, which takes the statements" };

/// A thread frees and idles.
pub const D: Scenario = Scenario {
    name: "d",
    shows: "what a thread caches stays until it ends, its dirty pages too",
    story: &[
        "A thread allocates 1000 blocks each of 64, 1024, 8192 and 20000 B.",
        "It frees them all and idles for 1.5 s: its cache keeps some of each size.",
        "It ends: the cache is empty, and the dirty pages of its arena are given back.",
    ],
    runs: &[Run::only("dirty_decay_ms:-1", run)],
    at_once: false,
    peak_bytes: 128 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("worker"),
        Row::Line(LineId::ThreadCaches),
        Row::Line(LineId::FreeSlots),
        Row::DirtyOf("worker"),
        Row::Line(LineId::ThreadStacks),
    ]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let step = Barrier::new(2);
    let (loaded, freed, later) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _in = WORKER.enter();
            let mut blocks: Vec<Box<[u8]>> = Vec::with_capacity(BLOCKS * SIZES.len());
            for bytes in SIZES {
                blocks.extend((0..BLOCKS).map(|_| vec![1_u8; bytes].into_boxed_slice()));
            }
            step.wait();
            step.wait();
            drop(blocks);
            step.wait();
            step.wait();
        });
        // The thread waits between two steps, so the statement finds it idle.
        let mut between = |stage| {
            step.wait();
            let statement = scene.take(stage);
            step.wait();
            statement
        };
        let loaded = between("loaded");
        step.wait();
        let freed = scene.take("freed");
        std::thread::sleep(IDLE);
        let later = scene.take("later");
        step.wait();
        worker.join().map_err(|_| SceneError::Thread)?;
        Ok((loaded?, freed?, later?))
    })?;
    let ended = scene.take("ended")?;

    let list = BLOCKS * SIZES.len() * size_of::<Box<[u8]>>();
    let usable: usize = SIZES.iter().map(|&bytes| BLOCKS * class_bytes(bytes)).sum();
    let touched: usize = SIZES.iter().map(|&bytes| BLOCKS * bytes).sum();
    scene.within(
        "in use by the thread",
        touched + list,
        usable + class_bytes(list),
        resident(&loaded, "worker"),
        "its blocks and the list of them: the bytes written to those of their size classes",
    );
    scene.exactly("in use by the thread, when freed", 0, resident(&freed, "worker"), "everything is freed");
    let classes = SIZES.map(class_bytes);
    let most: usize = classes.iter().map(|&class| cached_blocks(class) * class).sum();
    let one_each: usize = classes.iter().sum();
    scene.within(
        "rise of thread caches by the frees",
        one_each,
        most + MAIN_CACHE.at_most as usize,
        rise(&loaded, &freed, LineId::ThreadCaches),
        "one block of each class, the last, to 128 x 64 B and 20 each of 1024, 8192 and 20480 B, and what the main \
         thread's cache rose by",
    );
    scene.about(
        "rise of thread caches in 1.5 s without work",
        0,
        MAIN_CACHE,
        rise(&freed, &later, LineId::ThreadCaches),
        "a cache that is not used is not looked through",
    );
    scene.about(
        "rise of thread caches over the thread's whole life",
        0,
        MAIN_CACHE,
        rise(&start, &ended, LineId::ThreadCaches),
        "a thread that ends gives its cache back",
    );
    let pages: usize = classes
        .iter()
        .map(
            |&class| {
                if class > SMALL_MAX { BLOCKS * (class + LARGE_PAD) } else { (BLOCKS * class).next_multiple_of(PAGE) }
            },
        )
        .sum();
    scene.within(
        "dirty that was the thread's, while it idles",
        touched - most,
        pages + class_bytes(list) + LARGE_PAD,
        part(&later, LineId::Dirty, "worker"),
        "what it wrote less what may be cached, to all pages of its blocks",
    );
    scene.exactly(
        "dirty that was the thread's, when it ended",
        0,
        part(&ended, LineId::Dirty, "worker"),
        "the last thread of an arena to end purges the arena",
    );
    Ok(scene.finish())
}
