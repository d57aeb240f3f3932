//! A process that cannot see /proc: the counters and jemalloc still speak, and every figure of the kernel's is unknown
//! with its reason. The test starts itself again in a mount namespace without /proc, which takes root and util-linux.
#![cfg(target_os = "linux")]

use heapledger::{Figure, LineId, Region};
use heapledger_harness::{again, skipped};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

/// Printed by the child when all its checks have passed.
const PASSED: &str = "the child's checks passed";

#[test]
fn without_proc_the_kernels_figures_are_unknown_and_the_rest_stands() {
    match again::run_where("umount -l /proc", "a_process_that_cannot_see_proc", &[]) {
        Ok(text) => assert!(text.contains(PASSED), "{text}"),
        Err(why) => skipped("without_proc_the_kernels_figures_are_unknown_and_the_rest_stands", &why),
    }
}

#[test]
#[ignore = "run by the other test, in a place without /proc"]
fn a_process_that_cannot_see_proc() {
    if std::path::Path::new("/proc/self/status").exists() {
        return skipped("a_process_that_cannot_see_proc", "this process can see /proc");
    }
    static HELD: Region = Region::new("held");
    let held = HELD.scope(|| vec![1_u8; 5000]);
    let summary = HELD.scope(heapledger::quick).expect("a hidden /proc is no error");
    let held_allocated = heapledger::live().region("held").map(|region| region.allocated_bytes);
    assert_eq!(held_allocated, Some(5000), "reasons are charged to ~ledger, not to the caller");
    for line in [LineId::Rss, LineId::RssAnon, LineId::Swap, LineId::PageTables, LineId::PeakRss, LineId::CgroupCurrent]
    {
        let why = summary.figure(line).why().unwrap_or_else(|| panic!("{} is {}", line.key(), summary.figure(line)));
        assert!(why.reason.starts_with("/proc/self/") && why.remedy.contains("mount proc"), "{why}");
    }
    assert_eq!(summary.region("held").map(|region| region.self_bytes()), Some(5000));
    assert!(summary.figure(LineId::Allocated).as_exact().is_some());
    assert!(matches!(summary.figure(LineId::Dirty), Figure::Within { at_least: 0, .. } | Figure::Exact(0)));
    assert!(heapledger::own_tables().is_unknown());
    let text = summary.to_string();
    assert!(text.contains("[1] unknown: /proc/self/status: entity not found"), "{text}");
    let statement = heapledger::statement().expect("a hidden /proc is no error");
    for line in [LineId::Rss, LineId::Unexplained, LineId::Unattributed, LineId::FilePages, LineId::Scratch] {
        let why = statement.figure(line).why().unwrap_or_else(|| panic!("{}\n{statement}", line.key()));
        assert!(why.reason.starts_with("/proc/self/") && why.remedy.contains("mount proc"), "{why}");
    }
    assert!(statement.skew().is_unknown());
    assert!(statement.doubts().iter().any(|doubt| doubt.key == "pages_unread"), "{statement}");
    assert_eq!(statement.region("held").map(|region| region.self_bytes()), Some(5000));
    let dirty = statement.figure(LineId::Dirty);
    assert!(matches!(dirty, Figure::Within { at_least: 0, .. } | Figure::Exact(0)), "{dirty}");
    assert!(statement.to_string().contains("these lines do not sum to RSS"), "{statement}");
    println!("{statement}");
    println!("{text}{PASSED}");
    drop(held);
}
