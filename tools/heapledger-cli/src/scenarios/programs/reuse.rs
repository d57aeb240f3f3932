//! a1 to a5: large blocks are freed, and others of 1 MiB follow. Where do these lie?

use heapledger::{Figure, FindingId, LineId, Mark, Region, Verdict, Went};

use super::sizes::LARGE_PAD;
use crate::scenarios::check::{NONE, Tolerance};
use crate::scenarios::flows::{Flows, region};
use crate::scenarios::scene::{
    KIB, MIB, PAGE, Report, Row, STATEMENT, Scene, SceneError, bytes_of_pages, part, resident, rise_without_books,
};
use crate::scenarios::{Run, Scenario};

static A: Region = Region::new("A");
static B: Region = Region::new("B");

/// What A has in every one of them.
const A_BYTES: usize = 1024 * MIB;

/// What B has: blocks of 1 MiB.
const B_BLOCKS: usize = 600;

/// Pages at the two ends of B's blocks, which the blocks share with pads: whole pages for the kernel, parts for the
/// flow.
const ENDS: Tolerance = Tolerance {
    at_most: (B_BLOCKS * 2 * PAGE) as i64,
    why: "the kernel counts pages, of which B has parts at its blocks' ends",
};

/// A thousand hours: nothing goes back because time passes while the scenario runs. Never (-1) would be another thing,
/// for then nothing is returned at once either.
const LONG: &str = "dirty_decay_ms:3600000000";
const LONG_AND_THREADS: &str = "background_thread:true,dirty_decay_ms:3600000000";

/// What A's blocks are, and what comes of them when they are freed.
struct Case {
    block_bytes: usize,
    freed: Freed,
    reuse: Reuse,
}

/// What is known of A's pages when they are freed.
enum Freed {
    /// All are given back at once.
    Returned,
    /// All stay, dirty.
    Dirty,
    /// Some of each: which, the neighbourhood of each block decides.
    Both,
}

/// What is known of B's use of A's pages.
enum Reuse {
    /// B's arena is another one.
    None,
    /// As much as fits; the kernel's count of B's new pages tells how much.
    Some,
}

macro_rules! scenario {
    ($constant:ident, $name:literal, $shows:literal, $story:expr, $settings:expr, $case:expr) => {
        #[doc = $shows]
        pub const $constant: Scenario = Scenario {
            name: $name,
            shows: $shows,
            story: &$story,
            runs: &[Run::only($settings, || run(&$case))],
            at_once: false,
            peak_bytes: 1900 * MIB as u64,
        };
    };
}

scenario!(
    A1,
    "a1",
    "64 blocks of 16 MiB freed: returned at once, B reuses none",
    [
        "A has 64 blocks of 16 MiB, written, and frees them: blocks of 8 MiB and more have an arena of their own, which \
         keeps nothing dirty.",
        "B allocates 600 blocks of 1 MiB in another arena.",
    ],
    "",
    Case { block_bytes: 16 * MIB, freed: Freed::Returned, reuse: Reuse::None }
);
scenario!(
    A2,
    "a2",
    "with background threads: dirty, where B cannot use it",
    [
        "A has 64 blocks of 16 MiB, written, and frees them: with background threads their arena keeps them dirty.",
        "B allocates 600 blocks of 1 MiB in another arena, from new pages: RSS is A's and B's together.",
    ],
    LONG_AND_THREADS,
    Case { block_bytes: 16 * MIB, freed: Freed::Dirty, reuse: Reuse::None }
);
scenario!(
    A3,
    "a3",
    "1024 blocks of 1 MiB freed: what joins to 8 MiB is returned",
    [
        "A has 1024 blocks of 1 MiB, written, and frees them: free neighbours are joined, and what reaches 8 MiB is \
         returned at once; the rest stays dirty.",
        "B allocates 600 blocks of 1 MiB and uses some of it.",
    ],
    LONG,
    Case { block_bytes: MIB, freed: Freed::Both, reuse: Reuse::Some }
);
scenario!(
    A4,
    "a4",
    "with background threads: all dirty, B reuses a part",
    [
        "A has 1024 blocks of 1 MiB, written, and frees them: with background threads all stay dirty.",
        "B allocates 600 blocks of 1 MiB; some fit into what A left, some do not.",
    ],
    LONG_AND_THREADS,
    Case { block_bytes: MIB, freed: Freed::Dirty, reuse: Reuse::Some }
);
scenario!(
    A5,
    "a5",
    "16384 blocks of 64 KiB freed: all dirty, B reuses a part",
    [
        "A has 16384 blocks of 64 KiB, written, and frees them: 64 of them joined are 4 MiB, and more are not joined, so \
         that nothing reaches 8 MiB.",
        "B allocates 600 blocks of 1 MiB; some fit into what A left, some do not.",
    ],
    LONG,
    Case { block_bytes: 64 * KIB, freed: Freed::Dirty, reuse: Reuse::Some }
);

fn run(case: &Case) -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[
        Row::Region("A"),
        Row::DirtyOf("A"),
        Row::Region("B"),
        Row::Line(LineId::Dirty),
        Row::Line(LineId::LargePads),
    ]);
    let mut b = Vec::with_capacity(B_BLOCKS);
    scene.take("warm")?;
    let (loaded, freed, touched) = a_comes_and_goes(&mut scene, case.block_bytes)?;
    let to_freed = Flows::between(&loaded, &freed)?;
    to_freed.check_sums(&mut scene, "freed");
    a_is_gone(&mut scene, case, &to_freed, &freed, touched);

    b.extend((0..B_BLOCKS).map(|_| B.scope(|| vec![1_u8; MIB])));
    let full = scene.mark("B")?;
    let to_full = Flows::between(&freed, &full)?;
    to_full.check_sums(&mut scene, "B");
    let b_pages: usize = b.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    b_has_come(&mut scene, case, &to_full, [&freed, &full], b_pages);
    // The same without the mark between: what B may have taken over contains what it did.
    let over_all = Flows::between(&loaded, &full)?;
    over_all.check_sums(&mut scene, "B, from loaded");
    let pads = Tolerance {
        at_most: (A_BYTES / case.block_bytes * LARGE_PAD) as i64,
        why: "pads of A's blocks: at the mark between they are pages that A used last, before it no block's bytes",
    };
    contains(&mut scene, &over_all.reused("A", "B"), &to_full.reused("A", "B"), pads);
    let verdicts = to_full.verdicts(&full);
    for verdict in [Verdict::Reused, Verdict::Held, Verdict::Waiting] {
        if matches!(case.freed, Freed::Returned) {
            scene.judged(&verdicts, "A", verdict, 0, NONE, "it was returned, and nothing of it is left");
        }
    }
    if matches!((&case.freed, &case.reuse), (Freed::Dirty, Reuse::None)) {
        scene.finds(full.statement(), &[], FindingId::OversizeArena, None);
    }
    drop(b);
    Ok(scene.finish())
}

/// Marks with A's blocks in use and freed, and the bytes of all pages that they lay on.
fn a_comes_and_goes(scene: &mut Scene, block_bytes: usize) -> Result<(Mark, Mark, usize), SceneError> {
    let count = A_BYTES / block_bytes;
    let mut a = Vec::with_capacity(count);
    a.extend((0..count).map(|_| A.scope(|| vec![1_u8; block_bytes])));
    let loaded = scene.mark("loaded")?;
    scene.exactly("A in use", A_BYTES, resident(loaded.statement(), "A"), "its blocks, written");
    let touched = a.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    a.clear();
    let freed = scene.mark("freed")?;
    Ok((loaded, freed, touched))
}

fn a_is_gone(scene: &mut Scene, case: &Case, flow: &Flows, freed: &Mark, touched: usize) {
    let dirty = part(freed.statement(), LineId::Dirty, "A");
    let (went_dirty, returned) = (flow.of_used("A", &Went::Dirty), flow.of_used("A", &Went::Returned));
    scene.exactly("A's bytes in the flow", A_BYTES, flow.in_use("A"), "what it had in use");
    scene.exactly(
        "A's bytes dirty and returned",
        A_BYTES,
        went_dirty.clone() + returned.clone(),
        "all is freed, and nobody allocated since",
    );
    match case.freed {
        Freed::Returned => {
            scene.exactly("dirty that was A's", 0, dirty, "its arena keeps nothing");
            scene.exactly("A's bytes returned", A_BYTES, returned, "its arena keeps nothing");
        }
        Freed::Dirty => {
            scene.exactly("dirty that was A's", touched, dirty, "the pages that its blocks lay on");
            scene.exactly("A's bytes dirty", A_BYTES, went_dirty, "none of them was returned");
        }
        Freed::Both => {
            scene.within("dirty that was A's", 0, touched, dirty, "what did not reach 8 MiB");
            scene.note(format!("of A {} dirty, {} returned; its neighbours decide", went_dirty.mib(), returned.mib()));
        }
    }
}

fn b_has_come(scene: &mut Scene, case: &Case, flow: &Flows, [freed, full]: [&Mark; 2], b_pages: usize) {
    scene.exactly("B in use", B_BLOCKS * MIB, resident(full.statement(), "B"), "600 blocks, written");
    let reused = flow.reused("A", "B");
    let dirty_before = part(freed.statement(), LineId::Dirty, "A");
    let new_pages = rise_without_books(freed.statement(), full.statement());
    match case.reuse {
        Reuse::None => {
            scene.exactly("A's bytes that B reuses", 0, reused, "blocks of 8 MiB and more have an arena of their own");
            scene.about(
                "rise of RSS without books by B",
                b_pages,
                PADS,
                new_pages,
                "every page that its blocks lie on is new",
            );
        }
        Reuse::Some => {
            let most = dirty_before.high().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
            scene.within("A's bytes that B reuses", 0, most, reused.clone(), "no more than A left dirty");
            scene.about(
                "A's bytes that B reuses, and the rise of RSS without books",
                b_pages,
                ENDS,
                reused + new_pages,
                "a page of B's blocks was A's or is new",
            );
            let back = flow.of_freed("A", &region("B")) + flow.of_freed("A", &Went::Dirty);
            scene.note(format!("of what A left, {} is in B or still dirty", back.mib()));
        }
    }
}

/// Pads that B's blocks have beyond their last page.
const PADS: Tolerance =
    Tolerance { at_most: (B_BLOCKS * LARGE_PAD) as i64 + STATEMENT.at_most, why: "pads of B's blocks" };

/// The reuse between two marks that are far apart is an interval around what marks in between found.
fn contains(scene: &mut Scene, wide: &Figure, narrow: &Figure, pads: Tolerance) {
    let (Some((low, high)), Some((least, most))) = (wide.ends(), narrow.ends()) else {
        return scene.note(format!("reuse over all is not known: {wide}; with the mark between: {narrow}"));
    };
    let outside = Figure::Exact((low - least).max(0) + (most - high).max(0));
    scene.about(
        "A's bytes that B reuses, outside of what the marks before and after it allow",
        0,
        pads,
        outside,
        &format!("without the mark between: {}, with it: {}", wide.mib(), narrow.mib()),
    );
}
