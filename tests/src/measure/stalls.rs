//! How long others wait: the longest call of another thread while a statement is taken, against the longest while a
//! thread spins for as long and reads nothing.

use std::fmt::Write;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicI64, AtomicU8};
use std::thread;
use std::time::{Duration, Instant};

use heapledger_core::{Region, RegionId};

use super::{Args, quantile, spread};
use crate::os::memory;

/// What is run if nothing else is said.
pub const DEFAULTS: Args = Args { count: 40, mib: 4096, record: None };

static HELD: Region = Region::new("held");

const MIB: usize = 1 << 20;
const SMALL_BYTES: usize = 256;
/// Between two windows, so that a call that one held up does not fall into the other.
const PAUSE: Duration = Duration::from_millis(3);

/// By how much the medians may differ.
const DIFFERENCE_AT_MOST_NS: i64 = 2_000_000;

/// What the other thread does all the time.
#[derive(Clone, Copy, Debug)]
enum Call {
    Malloc,
    Map,
    Fault,
}

/// What the main thread does: nothing, a statement, or spinning.
const NOTHING: u8 = 0;
const STATEMENT: u8 = 1;
const CONTROL: u8 = 2;
const STOP: u8 = 3;

static NOW: AtomicU8 = AtomicU8::new(NOTHING);
/// The longest call that touched a window of each kind, in nanoseconds.
static LONGEST: [AtomicI64; 2] = [const { AtomicI64::new(0) }; 2];

fn note(before: u8, began: Instant) {
    let nanos = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
    for window in [before, NOW.load(SeqCst)] {
        if let STATEMENT | CONTROL = window {
            LONGEST[usize::from(window - STATEMENT)].fetch_max(nanos, SeqCst);
        }
    }
}

/// Measures one call after the other until it is told to stop.
fn other_thread(call: Call) {
    let pages = memory::map(64 * MIB, memory::Sharing::Private, None);
    let mut step = 0_usize;
    loop {
        let before = NOW.load(SeqCst);
        if before == STOP {
            return;
        }
        match call {
            Call::Malloc => {
                // From all of a thread's cache to blocks with pages of their own.
                let size = 1 << (4 + step % 16);
                let began = Instant::now();
                drop(black_box(Vec::<u8>::with_capacity(size)));
                note(before, began);
            }
            Call::Map => {
                let began = Instant::now();
                memory::map_and_unmap(64 << 10);
                note(before, began);
            }
            Call::Fault => {
                let offset = step * memory::PAGE_BYTES % (64 * MIB);
                if offset == 0 {
                    pages.give_back();
                }
                let began = Instant::now();
                pages.write_at(offset);
                note(before, began);
            }
        }
        step += 1;
    }
}

/// Takes a statement, and says how long that took.
fn statement() -> Duration {
    let began = Instant::now();
    NOW.store(STATEMENT, SeqCst);
    let statement = heapledger::statement();
    NOW.store(NOTHING, SeqCst);
    drop(black_box(statement));
    began.elapsed()
}

/// Spins for as long, and reads nothing.
fn control(time: Duration) {
    NOW.store(CONTROL, SeqCst);
    let began = Instant::now();
    while began.elapsed() < time {
        spin_loop();
    }
    NOW.store(NOTHING, SeqCst);
}

/// The longest call during a statement, and during a control, in either order; `time` is what the last statement took.
fn one_run(statement_first: bool, time: &mut Duration) -> (i64, i64) {
    for longest in &LONGEST {
        longest.store(0, SeqCst);
    }
    thread::sleep(PAUSE);
    if !statement_first {
        control(*time);
        thread::sleep(PAUSE);
    }
    *time = statement();
    thread::sleep(PAUSE);
    if statement_first {
        control(*time);
        thread::sleep(PAUSE);
    }
    (LONGEST[0].load(SeqCst), LONGEST[1].load(SeqCst))
}

/// Half of it in blocks of 1 MiB, half in small blocks.
fn fill(mib: usize) -> (Vec<Vec<u8>>, Vec<Box<[u8]>>) {
    HELD.scope(|| {
        let large = (0..mib / 2).map(|_| vec![1_u8; MIB]).collect();
        let small = (0..mib / 2 * (MIB / SMALL_BYTES)).map(|_| vec![1_u8; SMALL_BYTES].into_boxed_slice()).collect();
        (large, small)
    })
}

/// Measures all three.
///
/// # Errors
///
/// Which of them is held up too long.
pub fn run(args: &Args) -> Result<(), String> {
    let held = fill(args.mib);
    let mut report = String::new();
    let mut late = Vec::new();
    let cost = {
        drop(heapledger::statement());
        heapledger::statement().map_err(|error| error.to_string())?.cost_ns.unwrap_or_default()
    };
    let _ = writeln!(report, "runs = {} of each kind, a statement and a control in turn", args.count);
    let _ = writeln!(report, "microseconds of a statement before the runs = {}", cost / 1_000);
    for call in [Call::Malloc, Call::Map, Call::Fault] {
        NOW.store(NOTHING, SeqCst);
        let other = thread::spawn(move || other_thread(call));
        let mut time = Duration::from_nanos(cost);
        let runs = (0..args.count).map(|run| one_run(run % 2 == 0, &mut time));
        let runs: Vec<(i64, i64)> = RegionId::LEDGER.scope(|| runs.collect());
        NOW.store(STOP, SeqCst);
        other.join().map_err(|_| "the other thread panicked".to_owned())?;
        let with: Vec<i64> = runs.iter().map(|run| run.0).collect();
        let without: Vec<i64> = runs.iter().map(|run| run.1).collect();
        let difference = quantile(&mut with.clone(), 50) - quantile(&mut without.clone(), 50);
        let name = format!("{call:?}").to_lowercase();
        let _ = writeln!(report, "{name}: longest call beside a statement, ns = {}", spread(with));
        let _ = writeln!(report, "{name}: longest call beside a control, ns = {}", spread(without));
        let _ = writeln!(report, "{name}: difference of the medians, ns = {difference}");
        let samples: Vec<String> = runs.iter().map(|(with, without)| format!("{with}/{without}")).collect();
        let _ = writeln!(report, "{name}: all runs, ns = {}", samples.join(" "));
        if difference > DIFFERENCE_AT_MOST_NS {
            late.push(format!("{name}: {difference} ns"));
        }
    }
    drop(held);
    args.finish(&format!("measure-statements stalls --runs {} --mib {}", args.count, args.mib), &report)?;
    if late.is_empty() { Ok(()) } else { Err(format!("held up for more than 2 ms: {}", late.join("; "))) }
}
