//! r2 to r4: freed memory that was returned, that waits, and that marks in between tell better.

use heapledger::{LineId, Region, Verdict, Went, When};

use super::reuse;
use crate::scenarios::check::{Measured, NONE};
use crate::scenarios::flows::Flows;
use crate::scenarios::scene::{KIB, MIB, Report, Row, Scene, SceneError, bytes_of_pages, part, resident};
use crate::scenarios::{Run, Scenario};

static W: Region = Region::new("W");

const DECAY_SECONDS: usize = 3_600_000;
const BLOCKS: usize = 4096;
const BYTES: usize = 64 * KIB;

/// As a1.
pub const R2: Scenario = Scenario {
    name: "r2",
    shows: "returned: nothing of A is left that B could reuse",
    story: reuse::A1.story,
    runs: reuse::A1.runs,
    at_once: false,
    peak_bytes: reuse::A1.peak_bytes,
};

/// Dirty pages, and background threads that will return them.
pub const R3: Scenario = Scenario {
    name: "r3",
    shows: "waiting: all of W is dirty, until its decay time has passed",
    story: &[
        "W has 4096 blocks of 64 KiB and frees them; the decay time is a thousand hours, and background threads look after it.",
        "All of W is dirty. The forecast has a window for it.",
    ],
    runs: &[Run::only("background_thread:true,dirty_decay_ms:3600000000", waiting)],
    at_once: false,
    peak_bytes: 400 * MIB as u64,
};

/// As a3, whose last check is this scenario's subject.
pub const R4: Scenario = Scenario {
    name: "r4",
    shows: "with a mark between and without: the interval has the figure",
    story: &[
        "A has 1024 blocks of 1 MiB and frees them: some are returned, some stay dirty. B takes 600 blocks of 1 MiB.",
        "From the mark between, what B reuses is told narrowly; without it, as an interval that must contain that.",
    ],
    runs: reuse::A3.runs,
    at_once: false,
    peak_bytes: reuse::A3.peak_bytes,
};

fn waiting() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[Row::Region("W"), Row::DirtyOf("W"), Row::Line(LineId::Dirty)]);
    let mut w = Vec::with_capacity(BLOCKS);
    scene.take("warm")?;
    w.extend((0..BLOCKS).map(|_| W.scope(|| vec![1_u8; BYTES])));
    let loaded = scene.mark("loaded")?;
    scene.exactly("W in use", BLOCKS * BYTES, resident(loaded.statement(), "W"), "its blocks, written");
    let touched = w.iter().map(|block: &Vec<u8>| bytes_of_pages(block)).sum();
    w.clear();
    let freed = scene.mark("freed")?;
    let flow = Flows::between(&loaded, &freed)?;
    flow.check_sums(&mut scene, "freed");
    scene.exactly("W's bytes dirty", BLOCKS * BYTES, flow.of_used("W", &Went::Dirty), "no time has passed");
    let dirty = part(freed.statement(), LineId::Dirty, "W");
    scene.exactly("dirty that was W's", touched, dirty, "the pages that its blocks lay on");
    let verdicts = flow.verdicts(&freed);
    scene.judged(&verdicts, "W", Verdict::Waiting, touched, NONE, "background threads look after it");
    for verdict in [Verdict::Live, Verdict::Held, Verdict::Reused] {
        scene.judged(&verdicts, "W", verdict, 0, NONE, "all of it waits");
    }
    let forecast = freed.statement().forecast();
    let windows = forecast.parts().iter().map(|part| match part.when {
        When::Never => None,
        When::Within { until_ms, .. } => Some(until_ms / 1000),
    });
    let until = windows.collect::<Option<Vec<u64>>>().and_then(|until| until.into_iter().max());
    let until = until.map_or(Measured::Unknown { unknown: "a part never goes".to_owned() }, |seconds| {
        Measured::Exact(i64::try_from(seconds).unwrap_or(i64::MAX))
    });
    let (least, most) = (DECAY_SECONDS, 2 * DECAY_SECONDS + DECAY_SECONDS / 10);
    scene.within(
        "seconds until it has gone, by the forecast",
        least,
        most,
        until,
        "one decay time, and a sleep of one before it",
    );
    scene.note(format!("forecast: {forecast}"));
    Ok(scene.finish())
}
