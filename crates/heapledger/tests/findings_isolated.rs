//! The remedy against pinned slabs, applied literally: under a ledger that isolates, in a process of its own.
#![cfg(target_os = "linux")]

use heapledger::{Finding, FindingId, LineId, Region, Statement};

#[global_allocator]
static LEDGER: heapledger::IsolatingLedger = heapledger::IsolatingLedger::new();

static A: Region = Region::new("A");
static B: Region = Region::new("B");
/// Does the same work as B.
static ISOLATED: Region = Region::isolated("isolated");

const BLOCKS: usize = 1 << 20;

type Blocks = Vec<Box<[u8; 64]>>;

/// Every 64th block of 64 bytes is of `few`, which makes one in each slab of a page. A's go.
fn scatter(few: &Region) -> Blocks {
    let (mut of_a, mut of_few) = (Blocks::with_capacity(BLOCKS), Blocks::with_capacity(BLOCKS / 64));
    for block in 0..BLOCKS {
        match block % 64 {
            0 => of_few.push(few.scope(|| Box::new([1_u8; 64]))),
            _ => of_a.push(A.scope(|| Box::new([1_u8; 64]))),
        }
    }
    drop(of_a);
    of_few
}

fn purged() -> Statement {
    heapledger::purge().expect("jemalloc purges").after
}

fn find(statement: &Statement) -> Option<Finding> {
    statement.findings().into_iter().find(|finding| finding.id == FindingId::SlabsPinned)
}

/// By how much RSS fell, but for the ledger's tables: pages that blocks of two regions share have rows there, and a
/// freed page keeps its row until it is used again. Where jemalloc takes other pages each time, there are more.
fn gained(before: &Statement, after: &Statement) -> i64 {
    let beside_tables = |statement: &Statement| {
        (statement.figure(LineId::Rss) - statement.figure(LineId::OwnTables)).as_exact().expect("both are counted")
    };
    beside_tables(before) - beside_tables(after)
}

#[test]
fn an_isolated_region_pins_nothing_of_others() {
    // Tables of jemalloc that this work needs are there before it is measured.
    drop(scatter(&B));
    let of_b = scatter(&B);
    let before = purged();
    let finding = find(&before).unwrap_or_else(|| panic!("it is told\n{before}"));
    println!("{finding}");
    assert!(finding.remedy.starts_with("heapledger::Region::isolated(\"B\")"));
    drop(of_b);
    // The control: the same once more gains nothing.
    let of_b = scatter(&B);
    let again = purged();
    assert!(gained(&before, &again) < finding.gain.low().expect("it is known"), "{again}");
    drop(of_b);

    let isolated = scatter(&ISOLATED);
    let after = purged();
    let bytes = gained(&before, &after);
    assert!(finding.gain.admits(bytes), "{bytes} bytes were gained of {}\n{after}", finding.gain);
    assert_eq!(find(&after), None);
    assert!(!is_beside_others(&after), "{after}");
    drop(isolated);

    // What an isolated region's own blocks keep is told of nobody: the remedy was applied. The control is told.
    for (region, told) in [(&ISOLATED, false), (&B, true)] {
        let few = thin_out(region);
        let statement = purged();
        let pinned = statement.fragmentation().expect("pages are told").pinned_by(region.name());
        assert!(pinned.low().is_some_and(|bytes| bytes > 62 << 20), "{pinned}");
        assert_eq!(find(&statement).is_some(), told, "{statement}");
        drop(few);
    }

    // Blocks that it adopted lie where they lay, beside others; that can be seen.
    let mut adopted = thin_out(&B);
    let beside: Blocks = B.scope(|| (0..1_000).map(|_| Box::new([2_u8; 64])).collect());
    let half = adopted.split_off(adopted.len() / 2);
    ISOLATED.adopt(&mut adopted);
    assert!(is_beside_others(&purged()));
    drop((adopted, half, beside));
    assert!(!is_beside_others(&purged()), "they are gone");
}

/// Blocks of one region alone, of which every 64th stays.
fn thin_out(region: &Region) -> Blocks {
    let mut blocks: Blocks = region.scope(|| (0..BLOCKS).map(|_| Box::new([1_u8; 64])).collect());
    let mut index = 0;
    blocks.retain(|_| {
        index += 1;
        index % 64 == 0
    });
    blocks
}

fn is_beside_others(statement: &Statement) -> bool {
    statement.doubts().iter().any(|doubt| doubt.key == "isolated_beside_others")
}
