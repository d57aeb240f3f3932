//! A process of its own, in which nothing else runs: every resident byte has a line, sources that count the same agree
//! to the byte, and taking the statement changes nothing.
#![cfg(target_os = "linux")]

mod support;

use heapledger::{Figure, Flow, LineId, Region, Statement};
use support::{exact, sum};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static TOKENS: Region = Region::new("tokens");
static ZEROES: Region = Region::new("zeroes");

/// What may be without a name in a quiet process: pieces of the dynamic linker.
const UNATTRIBUTED_AT_MOST: i64 = 64 << 10;

/// Intervals may be so wide together: a hundredth of RSS, and this.
const WIDTH_AT_MOST: i64 = 1 << 20;

const MIB: usize = 1 << 20;

fn take(stage: &str) -> Statement {
    let statement = support::take().with_stage(stage);
    println!("{statement}");
    assert_eq!(statement.traffic_bytes(), Some(Flow::default()), "taking a statement uses the heap\n{statement}");
    assert_eq!(exact(&statement, LineId::CounterGap), 0, "{statement}");
    assert!(exact(&statement, LineId::Unattributed) <= UNATTRIBUTED_AT_MOST, "{statement}");
    for check in statement.checks() {
        assert_eq!(check.holds(), Some(true), "{}: {}\n{statement}", check.id.key(), check.difference);
    }
    let sum = sum(&statement);
    let (low, high) = sum.ends().unwrap_or_else(|| panic!("{sum}\n{statement}"));
    let rss = exact(&statement, LineId::Rss);
    assert!(low <= rss && rss <= high, "{sum}\n{statement}");
    assert!(high - low <= rss / 100 + WIDTH_AT_MOST, "{sum}\n{statement}");
    assert_eq!(exact(&statement, LineId::PastAllocated), 0, "{statement}");
    statement
}

fn resident(statement: &Statement, region: &str) -> i64 {
    let figure = statement.part(LineId::Live, region).unwrap_or_else(|| panic!("{region} has no id\n{statement}"));
    figure.as_exact().unwrap_or_else(|| panic!("{region} is {figure}\n{statement}"))
}

#[test]
fn a_quiet_process_sums_to_the_byte_at_every_stage() {
    heapledger_harness::thread::wait_until_it_sleeps();
    take("first");
    take("second");

    let weights: Vec<Vec<u8>> = WEIGHTS.scope(|| (1..=64).map(|byte| vec![byte; MIB]).collect());
    let statement = take("large blocks");
    assert_eq!(resident(&statement, "weights"), (64 * MIB + 64 * size_of::<Vec<u8>>()) as i64);

    let zeroes = ZEROES.scope(|| vec![0_u8; 256 * MIB]);
    let statement = take("untouched");
    assert_eq!(statement.part(LineId::Untouched, "zeroes"), Some(Figure::Exact((256 * MIB) as i64)), "{statement}");
    drop(zeroes);

    let tokens: Vec<Box<[u8; 100]>> = TOKENS.scope(|| (0..300_000).map(|_| Box::new([1; 100])).collect());
    take("small blocks");
    let kept: Vec<Box<[u8; 100]>> =
        tokens.into_iter().enumerate().filter(|(index, _)| index % 50 == 0).map(|(_, token)| token).collect();
    let statement = take("pinned");
    let pinned = statement.part(LineId::FreeSlots, "tokens").and_then(|figure| figure.high());
    assert!(pinned.is_some_and(|bytes| bytes > 20 * MIB as i64), "{statement}");

    drop(weights);
    let statement = take("freed");
    assert_eq!(resident(&statement, "weights"), 0);
    drop(kept);
}
