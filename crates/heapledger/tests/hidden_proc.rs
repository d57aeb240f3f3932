//! A process that cannot see /proc: the counters and jemalloc still speak, and every figure of the kernel's is unknown
//! with its reason. One that sees only itself there (`hidepid`) lacks nothing. The tests start themselves again in mount
//! namespaces, which takes root and util-linux.
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
fn where_the_processes_of_others_are_hidden_a_statement_lacks_nothing() {
    match again::run_where("mount -t proc -o hidepid=2 proc /proc", "a_process_that_sees_only_itself", &[]) {
        Ok(text) => assert!(text.contains(PASSED), "{text}"),
        Err(why) => skipped("where_the_processes_of_others_are_hidden_a_statement_lacks_nothing", &why),
    }
}

/// Has nobody's rights from now on: root sees all processes whatever is hidden.
fn become_nobody() {
    const NOBODY: u32 = 65_534;
    // SAFETY: no precondition; the C library has all threads do it.
    let group = unsafe { libc::setresgid(NOBODY, NOBODY, NOBODY) };
    // SAFETY: as above.
    let user = unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) };
    assert_eq!((group, user), (0, 0), "{}", std::io::Error::last_os_error());
    // SAFETY: no precondition. A program that was started by this user would have it; the change has taken it.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }, 0);
}

#[test]
#[ignore = "run by the other test, where hidepid is 2"]
fn a_process_that_sees_only_itself() {
    become_nobody();
    assert!(!std::path::Path::new("/proc/1").exists(), "the processes of others are hidden");
    static HELD: Region = Region::new("held");
    let held = HELD.scope(|| vec![1_u8; 1 << 20]);
    let statement = heapledger::statement().expect("the ledger is installed");
    for line in statement.lines() {
        let of_group = matches!(line.id, LineId::CgroupCurrent | LineId::CgroupLimit);
        assert!(of_group || !line.figure.is_unknown(), "{}\n{statement}", line.id.key());
    }
    for check in statement.checks() {
        assert_ne!(check.holds(), Some(false), "{}: {}\n{statement}", check.id.key(), check.difference);
    }
    assert!(statement.doubts().iter().all(|doubt| doubt.key != "pages_unread"), "{statement}");
    assert_eq!(statement.part(LineId::Live, "held"), Some(Figure::Exact(1 << 20)), "{statement}");
    println!("{PASSED}");
    drop(held);
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
