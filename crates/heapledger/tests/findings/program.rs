//! What the program does: a leak, blocks that nobody tags, a region that was to be isolated and is not.

use heapledger::{Figure, Finding, FindingId, Isolation, Region, Statement};
use heapledger_harness::again;

use crate::gain::{find, found, take};
use crate::{A, B, MIB};

#[test]
fn a_leak_is_suspected_in_the_region_that_has_it_and_in_no_other() {
    again::run("program::subject_leak", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_leak() {
    const REQUESTS: usize = 1_000;
    let mut leaked: Vec<Box<[u8; 1024]>> = Vec::with_capacity(5 * REQUESTS);
    let mut marks = vec![take()];
    for _ in 0..4 {
        for _ in 0..REQUESTS {
            leaked.push(A.scope(|| Box::new([1; 1024])));
            drop(std::hint::black_box(B.scope(|| vec![1_u8; 64 << 10])));
        }
        marks.push(take());
    }
    let (last, earlier) = marks.split_last().expect("there are five");
    let earlier: Vec<&Statement> = earlier.iter().collect();
    let suspects: Vec<Finding> =
        last.findings_since(&earlier).into_iter().filter(|finding| finding.id == FindingId::LeakSuspect).collect();
    assert_eq!(suspects.len(), 1, "{suspects:?}");
    assert_eq!(suspects[0].region.as_deref(), Some("A"));
    assert_eq!(suspects[0].gain, Figure::Exact((REQUESTS * 1024) as i64), "by arithmetic, and to the byte");
}

#[test]
fn a_program_without_regions_is_told_so() {
    again::run("program::subject_untagged", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_untagged() {
    let blocks = std::hint::black_box(vec![1_u8; 64 * MIB]);
    let before = take();
    found(&before, FindingId::MostUntagged);
    drop(blocks);
    let blocks = A.scope(|| std::hint::black_box(vec![1_u8; 64 * MIB]));
    assert_eq!(find(&take(), FindingId::MostUntagged), None, "the remedy was applied");
    drop(blocks);
}

#[test]
fn a_region_that_was_to_be_isolated_and_is_not_is_doubted() {
    again::run("program::subject_not_isolated", &[]);
}

/// The ledger of this program isolates nothing.
#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_not_isolated() {
    static ALONE: Region = Region::isolated("alone");
    let doubted = |statement: &Statement| {
        statement.doubts().iter().find(|doubt| doubt.key == "not_isolated").map(|doubt| doubt.says.to_string())
    };
    let before = take();
    assert_eq!(doubted(&before), None, "it was not used yet");
    let block = ALONE.scope(|| Box::new(1_u64));
    assert_eq!(ALONE.isolation(), Isolation::PlainLedger);
    let says = doubted(&take()).expect("it lies beside others");
    assert!(says.starts_with("alone has no arena of its own: the program's allocator isolates nothing"), "{says}");
    let quick = heapledger::quick().expect("the ledger is installed");
    assert!(quick.doubts().iter().any(|doubt| doubt.key == "not_isolated"), "{quick}");
    drop(block);
}
