//! What becomes of freed memory: held, then reused, by arithmetic. A process of its own, with one test.
#![cfg(target_os = "linux")]

use heapledger::{Figure, LineId, Region, Verdict, Went};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static W: Region = Region::new("W");
static K: Region = Region::new("K");

const BLOCKS: usize = 64 << 10;

/// The blocks, and the vector that points to them.
const W_BYTES: i64 = (BLOCKS * (1024 + size_of::<usize>())) as i64;
const K_BYTES: i64 = W_BYTES / 2;

/// Slabs at the ends, what a thread caches of 1 KiB blocks (20 at most), and the vector of K, which may lie elsewhere.
const OFF_AT_MOST: i64 = 512 << 10;

type Blocks = Vec<Box<[u8; 1024]>>;

#[test]
fn what_one_region_freed_is_held_and_then_reused_by_another() {
    // Freed pages stay, so that nothing but reuse can become of them.
    heapledger::configure().dirty_decay_ms(-1).expect("never is a decay time");
    let blocks: Blocks = W.scope(|| (0..BLOCKS).map(|_| Box::new([1; 1024])).collect());
    let live = heapledger::statement().expect("the ledger is installed").verdicts();
    assert_eq!(live.region("W").and_then(|judged| judged.main()), Some(Verdict::Live), "{live}");

    drop(blocks);
    let freed = heapledger::mark().expect("the ledger is installed");
    let verdicts = freed.statement().verdicts();
    let held = verdicts.region("W").expect("its pages are dirty").of(Verdict::Held);
    assert!(held.as_exact().is_some_and(|bytes| (bytes - W_BYTES).abs() <= OFF_AT_MOST), "{held}\n{verdicts}");
    let rss = freed.statement().figure(LineId::Rss).as_exact().expect("the kernel counts");
    let sum: Figure = verdicts.process.bytes.iter().map(|(_, bytes)| bytes.clone()).sum();
    assert!(sum.admits(rss), "{sum} of {rss}");

    let blocks: Blocks = K.scope(|| (0..BLOCKS / 2).map(|_| Box::new([2; 1024])).collect());
    let mark = heapledger::mark().expect("the ledger is installed");
    let since = mark.since(&freed).expect("they are in order");
    let flow = since.flow.as_ref().expect("there are page maps");
    let verdicts = mark.statement().verdicts().with_flow(flow);
    println!("{verdicts}");
    let reused = verdicts.region("W").expect("its pages are dirty").of(Verdict::Reused);
    let (low, high) = reused.ends().expect("the flow tells");
    assert!(high - low <= OFF_AT_MOST && (high - K_BYTES).abs() <= OFF_AT_MOST, "{reused}\n{verdicts}");
    let rows = flow.rows().iter().filter(|row| row.region.name == "W");
    assert!(rows.flat_map(|row| &row.cells).any(|cell| matches!(&cell.went, Went::Region(of) if of.name == "K")));
    assert_eq!(verdicts.region("K").and_then(|judged| judged.main()), Some(Verdict::Live));
    drop(blocks);
}
