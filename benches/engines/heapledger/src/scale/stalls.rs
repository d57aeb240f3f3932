//! What other threads feel while statements are read: how long an allocation, a mapping and a page fault take then.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memmap2::MmapMut;
use serde_json::{Value, json};

use super::shape;

/// How often nothing is read and then statements are: the worst of one window is an accident, the median of several is
/// not.
const WINDOWS: usize = 7;
/// Statements are read for so long in each window, and before that nothing is read for as long.
const PERIOD: Duration = Duration::from_millis(1_500);
const LONGEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;
/// Blocks that are held at a time and then dropped: 250 of each size, where a thread's cache keeps 200 at most, so that
/// jemalloc's arenas are reached, whose locks a statement may hold.
const BLOCKS: usize = 1_000;
/// The sizes of the blocks in turn: slabs of three classes, and one that no thread's cache takes.
const BLOCK_BYTES: [usize; 4] = [64, 512, 4_096, 65_536];
/// What is mapped, and whose pages are touched one by one.
const MAPPED_BYTES: usize = 64 * 4_096;
const PAGE_BYTES: usize = 4_096;

/// Every window, with `bytes` resident.
pub fn measure(bytes: u64) -> Result<Value, String> {
    let bytes = usize::try_from(bytes).map_err(|_| format!("{bytes} is too much for this machine"))?;
    let held = shape::resident(bytes);
    let mut statements = 0_u64;
    let (mut quiet, mut reading) = (Vec::with_capacity(WINDOWS), Vec::with_capacity(WINDOWS));
    for _ in 0..WINDOWS {
        quiet.push(during(|| std::thread::sleep(PERIOD))?);
        reading.push(during(|| {
            let began = Instant::now();
            while began.elapsed() < PERIOD {
                black_box(heapledger::statement().is_ok());
                statements += 1;
            }
        })?);
    }
    drop(held);
    Ok(json!({ "quiet": quiet, "reading": reading, "statements": statements }))
}

/// What a second thread feels while `work` goes on, one kind after the other, over and over.
fn during(work: impl FnOnce()) -> Result<Value, String> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let feeling = scope.spawn(|| feel(&ended));
        work();
        // Relaxed: the flag carries nothing but itself.
        ended.store(true, Ordering::Relaxed);
        feeling.join().map_err(|_| "the thread that measures panicked".to_owned())?
    })
}

fn feel(ended: &AtomicBool) -> Result<Value, String> {
    let histogram = || Histogram::<u64>::new_with_bounds(1, LONGEST_NS, DIGITS).map_err(|error| error.to_string());
    let (mut malloc, mut free, mut map, mut fault) = (histogram()?, histogram()?, histogram()?, histogram()?);
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    while !ended.load(Ordering::Relaxed) {
        for bytes in BLOCK_BYTES.into_iter().cycle().take(BLOCKS) {
            timed(&mut malloc, || held.push(black_box(Vec::with_capacity(black_box(bytes)))));
        }
        for block in held.drain(..) {
            timed(&mut free, || drop(block));
        }
        let mut mapped = None;
        timed(&mut map, || mapped = Some(MmapMut::map_anon(MAPPED_BYTES)));
        let mut pages = mapped.expect("it was just set").map_err(|error| format!("cannot map memory: {error}"))?;
        for byte in pages.iter_mut().step_by(PAGE_BYTES) {
            timed(&mut fault, || *byte = 1);
        }
    }
    Ok(json!({ "malloc": points(&malloc), "free": points(&free), "mmap": points(&map), "page_fault": points(&fault) }))
}

fn timed(histogram: &mut Histogram<u64>, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    histogram.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(LONGEST_NS));
}

fn points(histogram: &Histogram<u64>) -> Value {
    json!({
        "p50_ns": histogram.value_at_quantile(0.5),
        "p999_ns": histogram.value_at_quantile(0.999),
        "max_ns": histogram.max(),
    })
}
