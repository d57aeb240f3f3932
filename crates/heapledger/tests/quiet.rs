//! A process of its own, in which nothing else allocates: there every figure that a busy process states as an interval
//! is exact, and sources that count the same bytes must agree to the byte.

use heapledger::{Figure, LineId, Region, SettingId, SettingValue, Summary};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static SHARDS: Region = Region::new("weights/shards");

const SHARD_BYTES: usize = 3 << 20;

fn exact(summary: &Summary, line: LineId) -> i64 {
    summary.figure(line).as_exact().unwrap_or_else(|| panic!("{} is {}", line.key(), summary.figure(line)))
}

#[test]
fn a_quiet_process_is_stated_to_the_byte() {
    #[cfg(target_os = "linux")]
    heapledger_harness::thread::wait_until_it_sleeps();
    let weights = WEIGHTS.scope(|| vec![7_u8; 1000]);
    let shards: Vec<Vec<u8>> = SHARDS.scope(|| (0..5).map(|shard| vec![shard; SHARD_BYTES]).collect());
    let shards_bytes = (5 * SHARD_BYTES + 5 * size_of::<Vec<u8>>()) as i64;
    // The first look finds what is found once, which allocates.
    let first = heapledger::quick().expect("the ledger is installed");
    let summary = heapledger::quick().expect("the ledger is installed").with_stage("loaded");

    regions_are_exact(&summary, shards_bytes);
    sources_agree(&summary);
    if cfg!(target_os = "linux") {
        the_kernels_figures_are_stated(&summary);
    }
    println!("{summary}");
    drop((first, weights, shards));
    let after = heapledger::quick().expect("the ledger is installed");
    let region = after.region("weights/shards").expect("the region keeps its id");
    assert_eq!((region.self_bytes(), region.blocks.live()), (0, 0));
    assert_eq!(region.requested_bytes.allocated.cast_signed(), shards_bytes);
    assert_eq!(region.blocks.freed, 6);
}

fn regions_are_exact(summary: &Summary, shards_bytes: i64) {
    let weights = summary.region("weights").expect("the region has an id");
    assert_eq!((weights.self_bytes(), weights.subtree_bytes), (1000, 1000 + shards_bytes));
    assert_eq!(weights.usable_bytes.live(), 1024);
    assert_eq!(weights.classes.iter().map(|class| (class.usable_bytes, class.blocks)).collect::<Vec<_>>(), [(1024, 1)]);
    let shards = summary.region("weights/shards").expect("the region has an id");
    assert_eq!((shards.self_bytes(), shards.blocks.live(), shards.large_blocks), (shards_bytes, 6, 5));
    let live: i64 = summary.regions().iter().map(|region| region.self_bytes()).sum();
    assert_eq!(summary.figure(LineId::Live), Figure::Exact(live));
    let ours = summary.region("~ledger").expect("the ledger has a region");
    assert!(ours.self_bytes() > 0, "a summary's buffers are charged to ~ledger while it is taken");
}

/// No thread allocated between the first and the last reading, the readers included; so the counters and jemalloc's
/// statistics, which count the same blocks by different means, must be equal.
fn sources_agree(summary: &Summary) {
    assert!(!summary.doubts().iter().any(|doubt| doubt.key == "traffic"), "taking a summary allocates: {summary}");
    let usable = exact(summary, LineId::Usable);
    assert_eq!(exact(summary, LineId::Rounding), usable - exact(summary, LineId::Live));
    let caches = exact(summary, LineId::ThreadCaches);
    let internal = exact(summary, LineId::Internal);
    assert_eq!(exact(summary, LineId::Allocated), usable + caches + internal, "{summary}");
    assert_eq!(summary.setting(SettingId::ConfigStats), Some(&SettingValue::Flag(true)));
    assert!(!summary.doubts().iter().any(|doubt| doubt.key == "metadata_unverified"));
}

fn the_kernels_figures_are_stated(summary: &Summary) {
    let parts = [LineId::RssAnon, LineId::RssFile, LineId::RssShmem].map(|line| exact(summary, line));
    assert_eq!(parts.iter().sum::<i64>(), exact(summary, LineId::Rss));
    assert!(exact(summary, LineId::PeakRss) >= exact(summary, LineId::Rss));
    let tables = heapledger::own_tables();
    let bound = summary.figure(LineId::OwnTables);
    let (low, high) = tables.ends().expect("pagemap can be read");
    assert!(low > 0, "counters were written");
    assert!(bound.admits(low) && bound.admits(high), "{tables} counted, {bound} stated");
}
