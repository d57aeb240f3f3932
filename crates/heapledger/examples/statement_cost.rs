//! What `statement()` costs by its own account, on heaps of several shapes.
//!
//! ```text
//! cargo run --release -p heapledger --example statement_cost -- SHAPE MIB [ROUNDS]
//! ```
//! `large`: blocks of 1 MiB. `small`: blocks of 256 bytes of one region. `mixed`: blocks of 64 to 512 bytes of four
//! regions at random, so that all four meet on every page. `half`: half of it blocks of 256 bytes, mixed in the same
//! way, half of it blocks of 64 KiB. `zeroes`: addresses that were only read, of which nothing is resident; figures are
//! per GiB of them. `both`: `mixed`, and as many addresses that were only read.

use std::hint::black_box;

use heapledger::{LineId, Region, Statement};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static REGIONS: [Region; 4] = [Region::new("a"), Region::new("b"), Region::new("c"), Region::new("d")];

const PAGE_BYTES: usize = 4096;
const SHAPES: [&str; 6] = ["large", "small", "mixed", "half", "zeroes", "both"];

/// What does not grow with the heap, by the statement's documentation.
const FIXED_MILLIS: f64 = 0.5;

/// Numbers that look random and are the same in every run.
fn next(state: &mut usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Blocks of `sizes` until they have so many bytes, each of a region at random.
fn mixed(blocks: &mut Vec<Vec<u8>>, bytes: usize, sizes: std::ops::RangeInclusive<usize>) {
    let mut state = 88_172_645_463_325_252;
    let mut made = 0;
    while made < bytes {
        let size = sizes.start() + next(&mut state) % (sizes.end() - sizes.start() + 1);
        blocks.push(REGIONS[next(&mut state) % REGIONS.len()].scope(|| vec![1; size]));
        made += size;
    }
}

fn same(blocks: &mut Vec<Vec<u8>>, bytes: usize, size: usize) {
    blocks.extend((0..bytes / size).map(|_| REGIONS[0].scope(|| vec![1; size])));
}

fn zeroes(blocks: &mut Vec<Vec<u8>>, bytes: usize) {
    let zeroes = REGIONS[1].scope(|| vec![0_u8; bytes]);
    black_box(zeroes.iter().step_by(PAGE_BYTES).map(|byte| u64::from(*byte)).sum::<u64>());
    blocks.push(zeroes);
}

fn usage() -> ! {
    eprintln!("statement_cost SHAPE MIB [ROUNDS]; shapes: {}", SHAPES.join(", "));
    std::process::exit(2);
}

fn main() -> Result<(), heapledger::Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shape, numbers @ ..] = arguments.as_slice() else { usage() };
    let numbers: Vec<usize> = numbers.iter().map_while(|word| word.parse().ok()).collect();
    let (bytes, rounds) = match numbers.as_slice() {
        [mib] => (mib << 20, 21),
        [mib, rounds] if *rounds > 0 => (mib << 20, *rounds),
        _ => usage(),
    };
    let mut blocks = Vec::new();
    match shape.as_str() {
        "large" => same(&mut blocks, bytes, 1 << 20),
        "small" => same(&mut blocks, bytes, 256),
        "mixed" => mixed(&mut blocks, bytes, 64..=512),
        "half" => {
            mixed(&mut blocks, bytes / 2, 256..=256);
            same(&mut blocks, bytes / 2, 64 << 10);
        }
        "zeroes" => zeroes(&mut blocks, bytes),
        "both" => {
            mixed(&mut blocks, bytes, 64..=512);
            zeroes(&mut blocks, bytes);
        }
        _ => usage(),
    }
    // The first one reads everything twice.
    let mut last = heapledger::statement()?;
    let mut millis = Vec::new();
    for _ in 0..rounds {
        last = heapledger::statement()?;
        millis.push(last.cost_ns.unwrap_or_default() as f64 / 1e6);
    }
    millis.sort_by(f64::total_cmp);
    print(shape, &last, &millis, bytes);
    drop(black_box(blocks));
    Ok(())
}

fn print(shape: &str, last: &Statement, millis: &[f64], bytes: usize) {
    let exact = |line| last.figure(line).as_exact().unwrap_or_default();
    let counted = if shape == "zeroes" { bytes as f64 } else { exact(LineId::Rss) as f64 };
    let gib = counted / f64::from(1 << 30);
    let (best, median) = (millis[0], millis[millis.len() / 2]);
    println!(
        "{shape}: {gib:.2} GiB, {} statements, best {best:.2} ms, median {median:.2} ms, {:.2} ms per GiB beyond \
         {FIXED_MILLIS}; unattributed {}, counter gap {}, pages by {}",
        millis.len(),
        (median - FIXED_MILLIS) / gib,
        exact(LineId::Unattributed),
        exact(LineId::CounterGap),
        last.backend().unwrap_or("nobody"),
    );
}
