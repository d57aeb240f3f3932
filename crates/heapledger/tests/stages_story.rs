//! A process of its own: the three cases that a tracker of RSS cannot tell apart. Nothing is given back here (decay
//! never), so each is settled by arithmetic: freed and waiting, never freed, and reused.
#![cfg(target_os = "linux")]

use heapledger::{Error, Expect, Figure, Region, StageOptions, Stages};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static TOKENIZER: Region = Region::new("tokenizer");
static KV: Region = Region::new("kv_cache");

const MIB: usize = 1 << 20;

/// Blocks of 1 KiB, four to a page.
const BLOCK: usize = 1024;
const WEIGHTS_BLOCKS: usize = 64 << 10;
const KV_BLOCKS: usize = 32 << 10;

/// What there is beside: the lists of blocks, what a thread's cache and the slabs that are open hold, and values of the
/// readings on the heap.
const BESIDE: i64 = 768 << 10;

#[allow(clippy::vec_box, reason = "blocks of their own are the subject")]
fn blocks(region: &'static Region, count: usize) -> Vec<Box<[u8; BLOCK]>> {
    // The list of them is not theirs.
    let mut blocks = Vec::with_capacity(count);
    region.scope(|| blocks.extend((0..count).map(|byte| Box::new([byte as u8 | 1; BLOCK]))));
    blocks
}

fn near(figure: &Figure, bytes: usize) -> bool {
    let bytes = bytes as i64;
    figure.ends().is_some_and(|(low, high)| bytes - BESIDE <= low && high <= bytes + BESIDE)
}

#[test]
fn waiting_never_freed_and_reused_are_told_apart() -> Result<(), Error> {
    heapledger::configure().dirty_decay_ms(-1)?;
    let mut stages = Stages::start_with(StageOptions::new().reset_peaks(true))?;
    let weights = blocks(&WEIGHTS, WEIGHTS_BLOCKS);
    let tokenizer = TOKENIZER.scope(|| vec![1_u8; 4 * MIB]);
    let loaded = stages.mark("load_model")?;
    println!("{}", loaded.line);
    let pattern = |stage: &heapledger::Stage, region: &str| {
        stage.patterns.iter().find(|pattern| pattern.region.name == region).cloned()
    };
    let of_weights = pattern(loaded, "weights").expect("it allocated");
    assert_eq!(of_weights.persistent_bytes, Figure::Exact((WEIGHTS_BLOCKS * BLOCK) as i64));
    assert_eq!(of_weights.temporary_bytes, Figure::Exact(0));

    // Never freed: the closure frees nothing.
    stages.release("forgotten", Expect::bytes((WEIGHTS_BLOCKS * BLOCK) as u64), || {})?;
    let line = &stages.last().expect("it ended").line;
    println!("{line}");
    assert!(line.contains("nothing was freed"), "{line}");

    // Freed, and waiting for nobody to give it back.
    stages.release("to_gpu", Expect::bytes((WEIGHTS_BLOCKS * BLOCK) as u64), || drop(weights))?;
    let released = stages.last().expect("it ended");
    println!("{}", released.line);
    assert!(near(released.released_bytes.as_ref().expect("it is a release"), 0), "{}", released.line);
    assert!(released.line.contains(" dirty, never back ("), "{}", released.line);
    assert!(released.line.contains("heapledger::configure()"), "the remedy: {}", released.line);

    // Reused.
    let kv = blocks(&KV, KV_BLOCKS);
    let served = stages.mark("kv_cache")?;
    println!("{}", served.line);
    let before_rss = served.statement.figure(heapledger::LineId::Rss);
    let live = format!("live +{:.1} in kv_cache, ", (KV_BLOCKS * BLOCK) as f64 / MIB as f64);
    assert!(served.line.contains(&live), "{}", served.line);
    assert!(served.line.contains(" of it on pages that weights freed in to_gpu"), "{}", served.line);
    let flow = served.change.as_ref().and_then(|change| change.flow.as_ref().ok()).expect("there is a flow");
    assert!(near(&flow.reused("weights", "kv_cache"), KV_BLOCKS * BLOCK), "{flow}");
    assert!(near(&pattern(served, "kv_cache").expect("it allocated").reusing_bytes, KV_BLOCKS * BLOCK), "{served:?}");
    assert!(near(&served.change.as_ref().expect("it is not the first").diff.rss(), 0), "{}", served.line);

    // Came and went within the stage, in a region of which nothing lived.
    drop(WEIGHTS.scope(|| std::hint::black_box(vec![1_u8; 32 * MIB])));
    let came = stages.mark("came_and_went")?;
    println!("{}", came.line);
    let of_weights = pattern(came, "weights").expect("it allocated");
    assert_eq!(of_weights.temporary_bytes, Figure::Exact(32 * MIB as i64));
    assert_eq!(of_weights.persistent_bytes, Figure::Exact(0));
    let at_mark = came.statement.figure(heapledger::LineId::Rss);
    assert!(came.peak_rss_bytes.as_exact().is_some(), "the peak was reset: {}", came.peak_rss_bytes);
    assert!(came.peak_rss_bytes.high() >= at_mark.high(), "{} at the mark, {}", at_mark, came.peak_rss_bytes);
    assert!(came.peak_rss_bytes.high() >= before_rss.high().map(|bytes| bytes + 31 * MIB as i64), "{}", came.line);
    drop((kv, tokenizer));
    Ok(())
}
