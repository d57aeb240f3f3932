//! What a statement costs by the shape and the size of the heap, by its own account.

use std::fmt::Write;
use std::hint::black_box;
use std::process::Command;

use heapledger::{LineId, Statement};
use heapledger_core::Region;

use super::{Args, quantile, spread};
use crate::random::Random;

/// What is run if nothing else is said.
pub const DEFAULTS: Args = Args { count: 31, mib: 1024, record: None };

/// What does not grow with the heap, by the statement's documentation.
const FIXED_MICROS: i64 = 500;

/// What a heap is made of, and how that is told.
const SHAPES: [(&str, &str); 6] = [
    ("large", "blocks of 1 MiB"),
    ("small", "blocks of 256 B of one region"),
    ("mixed", "blocks of 64 to 512 B of four regions at random, which meet on every page"),
    ("half", "half of it blocks of 256 B, mixed in the same way, half of it blocks of 64 KiB"),
    ("zeroes", "addresses that were only read, of which nothing is resident; the size is theirs"),
    ("both", "mixed, and beside it as many addresses that were only read"),
];

static REGIONS: [Region; 4] = [Region::new("a"), Region::new("b"), Region::new("c"), Region::new("d")];

const MIB: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// Measures each shape, every one in a process of its own.
///
/// # Errors
///
/// A sentence, if a process fails.
pub fn run(args: &Args) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let mut report = format!("statements of each = {}\n", args.count);
    for (shape, what) in SHAPES {
        let _ = writeln!(report, "{shape} = {what}");
    }
    for (shape, _) in SHAPES {
        let words = ["cost-of", shape, &args.mib.to_string(), &args.count.to_string()].map(str::to_owned);
        let output = Command::new(&program).args(&words).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{shape}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        report.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    args.finish(&format!("measure-statements cost --statements {} --mib {}", args.count, args.mib), &report)
}

/// One shape at one size: what [`run`] starts.
///
/// # Errors
///
/// A sentence, if the words are wrong or no statement can be taken.
pub fn run_one(words: impl Iterator<Item = String>) -> Result<(), String> {
    let words: Vec<String> = words.collect();
    let [shape, mib, count] = words.as_slice() else { return Err("SHAPE MIB STATEMENTS".to_owned()) };
    let (mib, count): (usize, usize) =
        (super::value("MIB", Some(mib.clone()))?, super::value("N", Some(count.clone()))?);
    let blocks = heap(shape, mib * MIB)?;
    let take = || heapledger::statement().map_err(|error| error.to_string());
    // The first one reads everything twice.
    let mut last = take()?;
    let mut micros = Vec::new();
    for _ in 0..count {
        last = take()?;
        let cost_ns = last.cost_ns.ok_or("a statement does not say what it cost")?;
        micros.push(i64::try_from(cost_ns / 1000).map_err(|error| error.to_string())?);
    }
    drop(black_box(blocks));
    let resident = resident_bytes(&last)?;
    let bytes = if shape == "zeroes" { mib * MIB } else { resident };
    let gib = bytes as f64 / f64::from(1 << 30);
    let (best, median) = (quantile(&mut micros, 0), quantile(&mut micros, 50));
    let slope = (median - FIXED_MICROS) as f64 / gib;
    println!(
        "{shape}, {gib:.2} GiB: microseconds = best {best}, {}, {slope:.0} per GiB beyond {FIXED_MICROS}; pages by {}",
        spread(micros),
        last.backend().unwrap_or("nobody"),
    );
    Ok(())
}

/// RSS; everything in it must have been found.
fn resident_bytes(statement: &Statement) -> Result<usize, String> {
    let exact = |line| statement.figure(line).as_exact().ok_or(format!("not exact\n{statement}"));
    if exact(LineId::Unexplained)? != 0 {
        return Err(format!("something is unexplained\n{statement}"));
    }
    usize::try_from(exact(LineId::Rss)?).map_err(|error| error.to_string())
}

fn heap(shape: &str, bytes: usize) -> Result<Vec<Vec<u8>>, String> {
    let mut blocks = Vec::new();
    match shape {
        "large" => same(&mut blocks, bytes, MIB),
        "small" => same(&mut blocks, bytes, 256),
        "mixed" => mixed(&mut blocks, bytes, (64, 512)),
        "half" => {
            mixed(&mut blocks, bytes / 2, (256, 256));
            same(&mut blocks, bytes / 2, 64 << 10);
        }
        "zeroes" => zeroes(&mut blocks, bytes),
        "both" => {
            mixed(&mut blocks, bytes, (64, 512));
            zeroes(&mut blocks, bytes);
        }
        _ => return Err(format!("there is no shape `{shape}`")),
    }
    Ok(blocks)
}

fn same(blocks: &mut Vec<Vec<u8>>, bytes: usize, size: usize) {
    blocks.extend((0..bytes / size).map(|_| REGIONS[0].scope(|| vec![1; size])));
}

/// Blocks between two sizes until all have so many bytes, each of a region at random.
fn mixed(blocks: &mut Vec<Vec<u8>>, bytes: usize, (least, most): (usize, usize)) {
    let mut random = Random::new(1);
    let mut made = 0;
    while made < bytes {
        let size = least + random.below(most - least + 1);
        blocks.push(REGIONS[random.below(REGIONS.len())].scope(|| vec![1; size]));
        made += size;
    }
}

fn zeroes(blocks: &mut Vec<Vec<u8>>, bytes: usize) {
    let zeroes = REGIONS[1].scope(|| vec![0_u8; bytes]);
    black_box(zeroes.iter().step_by(PAGE_BYTES).map(|byte| u64::from(*byte)).sum::<u64>());
    blocks.push(zeroes);
}
