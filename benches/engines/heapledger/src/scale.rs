//! What reading the ledger costs in a process of a given shape, and what other threads feel meanwhile.
//!
//! `bench-heapledger-scale SHAPE VALUE` makes the shape, times each kind of reading and prints one line of JSON;
//! `bench-heapledger-scale stalls BYTES` prints how long other threads wait in the worst case.
#![forbid(unsafe_code)]

mod scale {
    pub mod shape;
    pub mod stalls;
}

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use heapledger::{live, mark, quick, statement};
use serde_json::{Value, json};

use scale::{shape, stalls};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

/// How often each is read; fewer where one takes long.
const CHEAP_CALLS: usize = 51;
const DEAR_CALLS: usize = 9;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let told = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name, value] => value.parse().map_err(|_| format!("{value:?} is not a whole number")).and_then(|value| {
            if name == "stalls" { stalls::measure(value) } else { shape::within(name, value, readings) }
        }),
        _ => Err("usage: bench-heapledger-scale (resident|mixed|extents|threads|regions|stalls) VALUE".to_owned()),
    };
    match told {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The time of every call, by kind.
fn readings() -> Result<Value, String> {
    // A reading that fails would be timed for what it does not do.
    quick().map_err(|error| format!("quick: {error}"))?;
    mark().map_err(|error| format!("mark: {error}"))?;
    Ok(json!({
        "live": times(CHEAP_CALLS, || drop(black_box(live()))),
        "quick": times(CHEAP_CALLS, || drop(black_box(quick()))),
        "statement": times(DEAR_CALLS, || drop(black_box(statement()))),
        "mark": times(DEAR_CALLS, || drop(black_box(mark()))),
    }))
}

/// Nanoseconds of each of `calls`, after one that is not counted.
fn times(calls: usize, mut call: impl FnMut()) -> Vec<u64> {
    call();
    let timed = |_| {
        let began = Instant::now();
        call();
        u64::try_from(began.elapsed().as_nanos()).expect("a call ends within 584 years")
    };
    (0..calls).map(timed).collect()
}
