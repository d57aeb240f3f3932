//! leak: a request loop that keeps something of each request.

use heapledger::{Figure, FindingId, LineId, Region, Stages, Statement};

use crate::scenarios::scene::{KIB, MIB, Report, Row, Scene, SceneError, requested};
use crate::scenarios::{Run, Scenario};

static KEPT: Region = Region::new("audit_log");
static BUFFERS: Region = Region::new("buffers");

const MARKS: usize = 5;
const REQUESTS: usize = 4096;
const KEPT_BYTES: usize = KIB;
const BUFFER_BYTES: usize = 64 * KIB;

/// 1 KiB of each request stays.
pub const LEAK: Scenario = Scenario {
    name: "leak",
    shows: "1 KiB of each request stays: growth per mark, in one region",
    story: &[
        "5 times 4096 requests are served, with a mark after each 4096.",
        "Each request has 64 KiB in region buffers, which it frees, and keeps 1 KiB in region audit_log.",
        "audit_log grows by 4 MiB per mark; buffers does not grow.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 128 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[Row::Region("audit_log"), Row::Region("buffers"), Row::Line(LineId::Dirty)]);
    let refused = |source| SceneError::Refused { doing: "take a mark", source };
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(MARKS * REQUESTS);
    let mut stages = Stages::start().map_err(refused)?;
    for mark in 1..=MARKS {
        for _ in 0..REQUESTS {
            let buffer = BUFFERS.scope(|| vec![1_u8; BUFFER_BYTES]);
            kept.push(KEPT.scope(|| vec![buffer[0]; KEPT_BYTES]));
        }
        let name = format!("mark {mark}");
        let stage = stages.mark(&*name).map_err(refused)?;
        scene.keep(&name, &stage.statement);
        let change = stage.change.as_ref();
        let grown = |region: &str| {
            let change = change.and_then(|change| change.diff.region(region));
            Figure::Exact(change.map_or(0, |region| region.live_bytes))
        };
        scene.exactly(
            &format!("growth of audit_log to {name}"),
            REQUESTS * KEPT_BYTES,
            grown("audit_log"),
            "1 KiB a request",
        );
        scene.exactly(&format!("growth of buffers to {name}"), 0, grown("buffers"), "each request frees what it had");
    }
    if let Some((last, earlier)) = stages.history().split_last() {
        let earlier: Vec<&Statement> = earlier.iter().map(|stage| &stage.statement).collect();
        scene.finds(&last.statement, &earlier, FindingId::LeakSuspect, Some("audit_log"));
        let grown =
            last.statement.findings_since(&earlier).into_iter().find(|finding| finding.id == FindingId::LeakSuspect);
        let per_mark = grown.map_or(Figure::Exact(0), |finding| finding.gain);
        scene.exactly("growth per mark, by the finding", REQUESTS * KEPT_BYTES, per_mark, "1 KiB a request");
        let all = requested(&last.statement, "audit_log");
        scene.exactly("audit_log requested at the end", MARKS * REQUESTS * KEPT_BYTES, all, "1 KiB of every request");
        scene.note(last.line.clone());
    }
    Ok(scene.finish())
}
