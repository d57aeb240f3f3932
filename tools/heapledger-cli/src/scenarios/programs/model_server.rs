//! model-server: the demo, with its truths.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::demo::kv_cache::{BLOCK_BYTES, KvCache};
use crate::demo::model_file::shape::transformer;
use crate::scenarios::check::Measured;
use crate::scenarios::scene::{MIB, Report, Scene, SceneError};
use crate::scenarios::{Run, Scenario};

const SIZE: u64 = 64 * MIB as u64;

/// The demo, run as a user would.
pub const MODEL_SERVER: Scenario = Scenario {
    name: "model-server",
    shows: "`heapledger demo` against the sizes of its tensors and cache",
    story: &[
        "`heapledger demo --size 64MiB --json` is run; it writes a model, loads it, hands it to a device, frees it, \
         allocates a KV cache and serves requests.",
        "Each stage's object must say what the sizes of the tensors and of the cache say.",
    ],
    runs: &[Run::only("", run)],
    at_once: false,
    peak_bytes: 400 * MIB as u64,
};

fn run() -> Result<Report, SceneError> {
    let mut scene = Scene::new(&[]);
    let failed = |source| SceneError::System {
        doing: "run the demo",
        source,
        remedy: "run `heapledger demo` by itself to see what is wrong",
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut demo = Command::new(program);
    demo.args(["demo", "--json", "--size", &SIZE.to_string()]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = demo.output().map_err(failed)?;
    let status = i64::from(output.status.code().unwrap_or(-1));
    scene.exactly("exit code of the demo", 0, Measured::Exact(status), "it compares each stage with arithmetic itself");
    let text = String::from_utf8_lossy(&output.stdout);
    let stages: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();

    let tensors: usize = transformer(SIZE).iter().map(|tensor| tensor.bytes()).sum();
    let cache = KvCache::blocks_for(tensors as u64) * BLOCK_BYTES;
    for (stage, region, truth, reason) in [
        ("load_model", "weights", tensors, "the tensors of the file"),
        ("to_device", "weights", tensors, "they are still here while they are sent"),
        ("free_weights", "weights", 0, "they are freed"),
        ("kv_cache", "kv_cache", cache, "a quarter of the weights in whole blocks"),
        ("serve", "kv_cache", cache, "its blocks are only lent"),
        ("done", "weights", 0, "they stay freed"),
        ("done", "staging", 0, "the device has ended"),
    ] {
        let measured = live(&stages, stage, region);
        scene.exactly(&format!("{region} requested after {stage}"), truth, measured, reason);
    }
    for stage in &stages {
        let name = stage["stage"].as_str().unwrap_or_default();
        scene.exactly(
            &format!("count of checks that fail after {name}"),
            0,
            Measured::Exact(failing(stage)),
            "pages against the kernel's counters and jemalloc's statistics",
        );
    }
    Ok(scene.finish())
}

/// Live bytes of a region in one stage; a region without a part has none.
fn live(stages: &[Value], stage: &str, region: &str) -> Measured {
    let unknown = || Measured::Unknown { unknown: format!("the demo printed no stage {stage}") };
    let Some(found) = stages.iter().find(|found| found["stage"] == stage) else { return unknown() };
    let lines = found["lines"].as_array().into_iter().flatten();
    let parts = lines.filter(|line| line["id"] == "live").filter_map(|line| line["parts"].as_array()).flatten();
    let mut of_region = parts.filter(|part| part["id"] == region);
    Measured::Exact(of_region.next().and_then(|part| part["requested_bytes"].as_i64()).unwrap_or(0))
}

fn failing(stage: &Value) -> i64 {
    let checks = stage["checks"].as_array().into_iter().flatten();
    i64::try_from(checks.filter(|check| check["holds"] == false).count()).unwrap_or(i64::MAX)
}
