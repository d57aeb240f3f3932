//! A process of its own: a model is loaded, handed over and freed, and each stage says what became of it.
#![cfg(target_os = "linux")]

use heapledger::{Error, Expect, Figure, LineId, Region, StageKind, StageOptions, Stages};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");

const MIB: usize = 1 << 20;

/// What a stage may change beside what the test does: the readings' own values and buffers, code that runs first.
const BESIDE: i64 = 4 << 20;

fn near(figure: &Figure, bytes: usize) -> bool {
    let bytes = bytes as i64;
    figure.ends().is_some_and(|(low, high)| bytes - BESIDE <= low && high <= bytes + BESIDE)
}

#[test]
fn each_stage_says_what_it_changed() -> Result<(), Error> {
    let mut stages = Stages::start_with(StageOptions::new().settle(true))?;
    assert_eq!(Stages::start().err(), Some(Error::StagesRunning));

    let weights: Vec<Vec<u8>> = WEIGHTS.scope(|| (1..=256).map(|byte| vec![byte as u8; MIB]).collect());
    let stage = stages.mark("load_model")?;
    let change = stage.change.as_ref().expect("it is not the first");
    assert!(change.diff.sum().admits(change.diff.rss().as_exact().expect("the kernel states it")), "{}", change.diff);
    assert!(near(&change.diff.rss(), 256 * MIB), "{}", change.diff);
    let start = stages.history()[0].statement.figure(LineId::Rss);
    let peak = stages.peak_rss_bytes();
    assert!(peak.as_exact().is_some(), "RSS rose within the stage");
    assert!(near(&(peak.clone() - start), 256 * MIB), "{peak}");
    let stage = stages.last().expect("it ended");
    assert!(stage.line.starts_with("load_model: +25"), "{}", stage.line);
    assert!(stage.line.contains("live +256.0 in weights"), "{}", stage.line);

    stages.release("to_gpu", Expect::bytes(256 << 20), || drop(weights))?;
    let stage = stages.last().expect("it ended");
    assert_eq!(stage.kind, StageKind::Release);
    let settled = stage.settled_bytes.clone().expect("it settled");
    assert!(near(&settled, 256 * MIB), "{}", stage.line);
    assert!(near(&stage.cumulative_bytes, 0), "{}", stage.line);
    assert!(stage.line.starts_with("to_gpu: released "), "{}", stage.line);
    assert_eq!(stages.history().len(), 3);
    for stage in stages.history() {
        println!("{}", stage.line);
    }
    println!("{}", stages.history()[1].change.as_ref().expect("it is not the first").diff);
    Ok(())
}
