//! How long single allocations and frees take: the whole distribution, not its mean.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Barrier;

use hdrhistogram::Histogram;
use quanta::Clock;
use serde_json::{Value, json};

use crate::{REGIONS, Random, Tagger};

/// What is timed, by name: how many threads, and whether four regions are switched.
pub const PATTERNS: &[(&str, &str)] = &[
    ("ring", "100k objects of 16-512 B replaced at random, each allocation and each free timed"),
    ("ring2", "the same on two threads at a time, a ring each"),
    ("ring_mixed", "ring, four regions switched every 100 allocations"),
];

const OBJECTS: u32 = 100_000;
const SMALLEST_BYTES: u32 = 16;
const LARGEST_BYTES: u32 = 512;
const SWITCH_EVERY: u64 = 100;
/// Replaced on each thread unless the caller says otherwise.
const OPERATIONS: u64 = 1_000_000;
/// Longer ones count as so long: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Three significant digits.
const DIGITS: u8 = 3;

/// Runs the pattern called `name`, or returns `None` if there is none.
pub fn run<T: Tagger>(name: &str, tagger: T, operations: Option<u64>) -> Option<Value> {
    let (threads, mixed) = match name {
        "ring" => (1, false),
        "ring2" => (2, false),
        "ring_mixed" => (1, true),
        _ => return None,
    };
    let operations = operations.unwrap_or(OPERATIONS);
    let clock = Clock::new();
    let line = Barrier::new(threads);
    let timed: Vec<Timed> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let (line, clock) = (&line, &clock);
                scope.spawn(move || ring(tagger, mixed, thread, operations, clock, line))
            })
            .collect();
        started.into_iter().map(|thread| thread.join().expect("the ring does nothing that can fail")).collect()
    });
    let mut timed = timed.into_iter();
    let mut all = timed.next().expect("there is a thread");
    for one in timed {
        all.allocations.add(&one.allocations).expect("they have the same bounds");
        all.frees.add(&one.frees).expect("they have the same bounds");
    }
    Some(json!({
        "alloc": points(&all.allocations),
        "free": points(&all.frees),
        "timer_ns": timer_ns(&clock),
        "operations": operations * threads as u64,
    }))
}

struct Timed {
    allocations: Histogram<u64>,
    frees: Histogram<u64>,
}

/// One thread: what it replaces is timed from the second time round, when the heap is as disordered as it stays.
fn ring<T: Tagger>(tagger: T, mixed: bool, thread: usize, operations: u64, clock: &Clock, line: &Barrier) -> Timed {
    let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are valid");
    let mut timed = Timed { allocations: histogram(), frees: histogram() };
    let mut random = Random::new(thread as u64);
    let mut slots: Vec<Box<[MaybeUninit<u8>]>> = (0..OBJECTS).map(|_| Box::new_uninit_slice(0)).collect();
    let mut region = 0;
    let mut replace = |operations: u64, mut timed: Option<&mut Timed>| {
        for _ in 0..operations / SWITCH_EVERY {
            let _in = tagger.enter(region);
            for _ in 0..SWITCH_EVERY {
                let slot = random.below(OBJECTS);
                let bytes = random.between(SMALLEST_BYTES, LARGEST_BYTES);
                let began = clock.raw();
                let mut object = black_box(Box::new_uninit_slice(black_box(bytes)));
                let allocated = clock.raw();
                object.fill(MaybeUninit::new(1));
                let old = std::mem::replace(&mut slots[slot], object);
                let freeing = clock.raw();
                drop(black_box(old));
                let freed = clock.raw();
                if let Some(timed) = timed.as_deref_mut() {
                    timed.allocations.saturating_record(clock.delta_as_nanos(began, allocated));
                    timed.frees.saturating_record(clock.delta_as_nanos(freeing, freed));
                }
            }
            region = if mixed { (region + 1) % REGIONS } else { region };
        }
    };
    replace(4 * u64::from(OBJECTS), None);
    line.wait();
    replace(operations, Some(&mut timed));
    line.wait();
    timed
}

fn points(histogram: &Histogram<u64>) -> Value {
    json!({
        "p50_ns": histogram.value_at_quantile(0.5),
        "p99_ns": histogram.value_at_quantile(0.99),
        "p999_ns": histogram.value_at_quantile(0.999),
        "max_ns": histogram.max(),
    })
}

/// What two readings of the clock take with nothing in between: part of every latency above.
fn timer_ns(clock: &Clock) -> u64 {
    let mut histogram: Histogram<u64> =
        Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are valid");
    for _ in 0..100_000 {
        let began = clock.raw();
        histogram.saturating_record(clock.delta_as_nanos(began, clock.raw()));
    }
    histogram.value_at_quantile(0.5)
}

#[cfg(test)]
mod tests {
    use super::{PATTERNS, run};
    use crate::Untagged;

    #[test]
    fn every_pattern_runs_and_its_quantiles_rise() {
        for (name, _) in PATTERNS {
            let told = run(name, Untagged, Some(1_000)).expect("it is in the list");
            for of in ["alloc", "free"] {
                let point = |name: &str| told[of][name].as_u64().expect("a number");
                assert!(point("p50_ns") <= point("p99_ns") && point("p99_ns") <= point("p999_ns"), "{told}");
                assert!(point("p999_ns") <= point("max_ns"), "{told}");
            }
        }
        assert!(run("no_such_pattern", Untagged, None).is_none());
    }
}
