//! What other threads feel while statements are read: how long an allocation, a mapping and a page fault take then.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memmap2::MmapMut;
use serde_json::{Value, json};

use super::shape;

/// Statements are read for so long, and before that nothing is read for as long.
const PERIOD: Duration = Duration::from_secs(3);
const LONGEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;
const BLOCK_BYTES: usize = 256;
/// What is mapped, and whose pages are touched one by one.
const MAPPED_BYTES: usize = 64 * 4_096;
const PAGE_BYTES: usize = 4_096;

/// Both periods, with `bytes` resident.
pub fn measure(bytes: u64) -> Result<Value, String> {
    let bytes = usize::try_from(bytes).map_err(|_| format!("{bytes} is too much for this machine"))?;
    let held = shape::resident(bytes);
    let quiet = during(|| std::thread::sleep(PERIOD))?;
    let mut statements = 0_u64;
    let reading = during(|| {
        let began = Instant::now();
        while began.elapsed() < PERIOD {
            black_box(heapledger::statement().is_ok());
            statements += 1;
        }
    })?;
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
    let (mut malloc, mut map, mut fault) = (histogram()?, histogram()?, histogram()?);
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..64 {
            timed(&mut malloc, || drop(black_box(Vec::<u8>::with_capacity(black_box(BLOCK_BYTES)))));
        }
        let mut mapped = None;
        timed(&mut map, || mapped = Some(MmapMut::map_anon(MAPPED_BYTES)));
        let mut pages = mapped.expect("it was just set").map_err(|error| format!("cannot map memory: {error}"))?;
        for byte in pages.iter_mut().step_by(PAGE_BYTES) {
            timed(&mut fault, || *byte = 1);
        }
    }
    Ok(json!({ "malloc": points(&malloc), "mmap": points(&map), "page_fault": points(&fault) }))
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
