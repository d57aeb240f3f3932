//! What a walk costs: `walk_cost large|small|mixed|zeroes MIB [ROUNDS]` prints the best and the median of some walks.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
use heapledger_probe::Walker;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static REGIONS: [Region; 5] =
    [Region::new("a"), Region::new("b"), Region::new("c"), Region::new("d"), Region::new("e")];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let shape = arguments.get(1).map_or("large", String::as_str);
    let bytes = arguments.get(2).map_or(256, |mib| mib.parse().expect("a number of MiB")) << 20;
    let rounds = arguments.get(3).map_or(9, |rounds| rounds.parse().expect("a number of rounds"));
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    match shape {
        "large" => blocks.extend((0..bytes >> 20).map(|_| REGIONS[0].scope(|| vec![1; 1 << 20]))),
        "small" => blocks.extend((0..bytes >> 8).map(|_| REGIONS[0].scope(|| vec![1; 256]))),
        "mixed" => blocks.extend((0..bytes >> 8).map(|index| REGIONS[index % 5].scope(|| vec![1; 256]))),
        "zeroes" => {
            let zeroes = vec![0_u8; bytes];
            black_box(zeroes.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
            blocks.push(zeroes);
        }
        other => panic!("{other}: no such shape"),
    }
    let mut walker = Walker::new().expect("buffers");
    let mut millis: Vec<f64> = (0..rounds).map(|_| support::take(&mut walker).nanos as f64 / 1e6).collect();
    let last = support::take(&mut walker);
    millis.sort_by(f64::total_cmp);
    let rss = last.after.rss_bytes.expect("status") as f64 / (1 << 30) as f64;
    println!(
        "{shape}: {rss:.2} GiB, {} extents, best {:.2} ms, median {:.2} ms, {:.2} ms per GiB",
        support::heap(&last).extents,
        millis[0],
        millis[millis.len() / 2],
        millis[0] / rss,
    );
    drop(blocks);
}
