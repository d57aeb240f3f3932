//! What `live()` and `quick()` cost in this process: medians over many calls.
//!
//! ```text
//! cargo run --release -p heapledger --example reading_cost -- THREADS REGIONS
//! ```
//! Each thread allocates in each region and stays alive, idle. A thread more is an arena more, up to jemalloc's limit
//! of four per CPU and one; `_RJEM_MALLOC_CONF=narenas:256` raises it.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use heapledger::{OwnedRegion, Summary};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

/// Calls of each function; the median is printed.
const CALLS: usize = 201;

fn median(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[CALLS / 2]
}

fn arenas(summary: &Summary) -> String {
    let text = summary.to_string();
    let found = text.split("arenas ").nth(1).and_then(|rest| rest.split([';', '\n']).next());
    found.unwrap_or("?").to_owned()
}

fn main() -> Result<(), heapledger::Error> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let (Some(Ok(threads)), Some(Ok(regions))) = (numbers.next(), numbers.next()) else {
        eprintln!("reading_cost THREADS REGIONS: two numbers, such as 32 64");
        std::process::exit(2);
    };
    let names: Vec<OwnedRegion> = (0..regions).map(|n| OwnedRegion::new(format!("region/{n}"))).collect();
    let (ready, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let held: Vec<Vec<u8>> = names.iter().map(|name| name.scope(|| vec![1; 100])).collect();
                ready.wait();
                done.wait();
                drop(held);
            });
        }
        ready.wait();
        let live = median(|| drop(std::hint::black_box(heapledger::live())));
        let quick = median(|| drop(std::hint::black_box(heapledger::quick())));
        let refresh = median(|| {
            let _ = std::hint::black_box(tikv_jemalloc_ctl::epoch::advance());
        });
        let summary = heapledger::quick();
        done.wait();
        println!(
            "{threads} threads, {regions} regions, {} arenas: live {:.1} us, quick {:.1} us, \
             of it jemalloc's refresh {:.1} us (medians of {CALLS})",
            arenas(&summary?),
            live.as_nanos() as f64 / 1e3,
            quick.as_nanos() as f64 / 1e3,
            refresh.as_nanos() as f64 / 1e3,
        );
        Ok(())
    })
}
