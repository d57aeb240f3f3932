//! Huge pages that bring back what was given back.

use heapledger::{FindingId, LineId};
use heapledger_harness::{again, skipped};

use crate::gain::{find, take};
use crate::{A, MIB};

#[test]
fn without_huge_pages_what_was_given_back_stays_away() {
    let system = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if !system.contains("[madvise]") && !system.contains("[always]") {
        return skipped("without_huge_pages_what_was_given_back_stays_away", "the kernel gives no huge pages");
    }
    // The control, then the remedy: the same work in a process that is told otherwise.
    again::run("huge_pages::subject_huge_pages", &[("_RJEM_MALLOC_CONF", "thp:always")]);
    again::run("huge_pages::subject_huge_pages", &[("_RJEM_MALLOC_CONF", "thp:never")]);
}

/// Every other block of 1 MiB goes and is given back, never touched. Then what is left is touched: a huge page reaches
/// over both.
#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_huge_pages() {
    const BLOCKS: usize = 64;
    let mut blocks: Vec<Vec<u8>> = A.scope(|| (0..2 * BLOCKS).map(|_| Vec::with_capacity(MIB)).collect());
    let mut number = 0;
    blocks.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    heapledger::purge().expect("jemalloc purges");
    blocks.iter_mut().for_each(|block| block.resize(MIB, 1));
    let statement = take();
    let retained = statement.figure(LineId::RetainedResident).as_exact().expect("pages are told");
    let finding = find(&statement, FindingId::HugePagesKeepRetained);
    if std::env::var("_RJEM_MALLOC_CONF").is_ok_and(|set| set.ends_with("thp:never")) {
        assert_eq!((retained, finding), (0, None), "{statement}");
        return;
    }
    let finding = finding.unwrap_or_else(|| panic!("it is not told\n{statement}"));
    println!("{finding}");
    assert_eq!(finding.remedy, "_RJEM_MALLOC_CONF=thp:never");
    // With the remedy the line is 0, so all of it is gained.
    assert_eq!(finding.gain_on, LineId::RetainedResident);
    assert!(finding.gain.admits(retained));
    assert!(retained > 16 * MIB as i64);
}
