//! burst: many threads that come, use memory and go.

use std::sync::Barrier;

use heapledger::{Figure, LineId, Region, Statement};

use crate::scenarios::check::Tolerance;
use crate::scenarios::scene::{KIB, MIB, Report, Row, Scene, SceneError, requested, resident, rise};
use crate::scenarios::{Run, Scenario};

static BURST_REGION: Region = Region::new("burst");

const THREADS: usize = 32;
const BLOCKS: usize = 64;

/// The main thread takes statements meanwhile and has a cache too.
const MAIN_CACHE: Tolerance =
    Tolerance { at_most: 64 * KIB as i64, why: "the cache of the main thread, which takes the statements" };

/// 32 threads of 64 MiB.
pub const BURST: Scenario = Scenario {
    name: "burst",
    shows: "32 threads of 64 MiB, and what is left when they have ended",
    story: &[
        "32 threads allocate and write 64 blocks of 1 MiB each; all hold them at once.",
        "They free them and end.",
        "No block and no thread cache is left. What stays of RSS is named: dirty pages, stacks that the C library keeps, \
         records of jemalloc and of the ledger.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 2300 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("burst"),
        Row::Line(LineId::ThreadCaches),
        Row::Line(LineId::FreeSlots),
        Row::DirtyOf("burst"),
        Row::Line(LineId::ThreadStacks),
        Row::Line(LineId::Base),
        Row::Line(LineId::OwnTables),
        Row::Line(LineId::Scratch),
    ]);
    scene.take("warm")?;
    let start = scene.take("start")?;
    let held = while_held(&mut scene)?;
    let ended = scene.take("ended")?;

    let list = BLOCKS * size_of::<Vec<u8>>();
    let all = THREADS * (BLOCKS * MIB + list);
    scene.exactly("in use by the threads", all, resident(&held, "burst"), "their blocks, and of each the list of them");
    scene.exactly("requested by the threads, ended", 0, requested(&ended, "burst"), "all is freed");
    scene.exactly("in use by the threads, ended", 0, resident(&ended, "burst"), "all is freed");
    scene.about(
        "rise of thread caches over it all",
        0,
        MAIN_CACHE,
        rise(&start, &ended, LineId::ThreadCaches),
        "a thread that ends gives its cache back",
    );
    scene.exactly("rise of unexplained", 0, rise(&start, &ended, LineId::Unexplained), "what is left has names");
    let left = [
        LineId::Live,
        LineId::ThreadCaches,
        LineId::FreeSlots,
        LineId::Dirty,
        LineId::Muzzy,
        LineId::LargePads,
        LineId::Base,
        LineId::OwnTables,
        LineId::Scratch,
        LineId::ThreadStacks,
    ];
    let named = left.into_iter().map(|line| rise(&start, &ended, line)).sum::<Figure>();
    scene.about(
        "rise of RSS less that of the lines that a thread leaves behind",
        0,
        Tolerance {
            at_most: 512 * KIB as i64,
            why: "code and data of the program that were touched for the first time",
        },
        rise(&start, &ended, LineId::Rss) - named,
        "caches, free slots, dirty pages, records, tables, stacks",
    );
    Ok(scene.finish())
}

/// A statement taken while every thread holds its blocks; the threads have ended when it returns.
fn while_held(scene: &mut Scene) -> Result<Statement, SceneError> {
    let step = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let _in = BURST_REGION.enter();
                    let mut blocks = Vec::with_capacity(BLOCKS);
                    blocks.extend((0..BLOCKS).map(|_| vec![1_u8; MIB]));
                    step.wait();
                    step.wait();
                    drop(blocks);
                })
            })
            .collect();
        step.wait();
        let statement = scene.take("held");
        step.wait();
        // The end of the scope would wait for the work and not for the threads, whose caches go after it.
        for thread in threads {
            thread.join().map_err(|_| SceneError::Thread)?;
        }
        statement
    })
}
