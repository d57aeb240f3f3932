//! What a thread and a region cost in resident memory when they allocate little.

use std::hint::black_box;
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::Tagger;

/// What is counted, by name.
pub const KINDS: &[(&str, &str)] = &[
    ("threads", "threads that each make sixteen blocks of 16 to 512 B in one region, keep four, and wait"),
    ("regions", "regions made at run time, in each of which one thread makes one block of 64 B and keeps it"),
];

/// Resident memory before and after `count` of `kind` are there; `None` if there is no such kind.
pub fn run<T: Tagger>(kind: &str, tagger: T, count: u64) -> Option<Result<Value, String>> {
    let measured = match kind {
        "threads" => threads(tagger, count as usize),
        "regions" => regions(tagger, count as usize),
        _ => return None,
    };
    Some(
        measured.map(|(before, after)| json!({ "count": count, "rss_before_bytes": before, "rss_after_bytes": after })),
    )
}

fn threads<T: Tagger>(tagger: T, count: usize) -> Result<(u64, u64), String> {
    let work = || {
        let _in = tagger.enter(0);
        let mut blocks: Vec<Vec<u8>> = (0..16_usize).map(|block| black_box(vec![1; 16 << (block % 6)])).collect();
        blocks.truncate(4);
        blocks
    };
    // One thread comes and goes first, so that what the first one costs is not counted.
    std::thread::scope(|scope| scope.spawn(|| drop(work())).join()).map_err(|_| "the first thread panicked")?;
    let before = rss_bytes()?;
    let line = Barrier::new(count + 1);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let blocks = work();
                line.wait();
                line.wait();
                drop(blocks);
            });
        }
        line.wait();
        let after = rss_bytes();
        line.wait();
        Ok((before, after?))
    })
}

fn regions<T: Tagger>(tagger: T, count: usize) -> Result<(u64, u64), String> {
    let mut blocks: Vec<Box<[u8; 64]>> = Vec::with_capacity(count);
    drop(tagger.enter(0));
    let before = rss_bytes()?;
    let made: Vec<T::Made> = (0..count).map(|number| tagger.make(number)).collect();
    for region in &made {
        let _in = T::enter_made(region);
        blocks.push(black_box(Box::new([1; 64])));
    }
    let after = rss_bytes()?;
    black_box(blocks);
    Ok((before, after))
}

/// Resident memory, added up page by page: `VmRSS` is counted per processor and late.
fn rss_bytes() -> Result<u64, String> {
    const FILE: &str = "/proc/self/smaps_rollup";
    let text = std::fs::read_to_string(FILE).map_err(|error| format!("cannot read {FILE}: {error}"))?;
    let kib = text.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.and_then(|kib: u64| kib.checked_mul(1024)).ok_or_else(|| format!("{FILE} has no line Rss"))
}
