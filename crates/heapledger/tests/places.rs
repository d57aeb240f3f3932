//! Where a summary may be taken: inside regions, on many threads at once, in thread-local destructors, in the panic
//! hook, in a forked child. One process, so nothing here asserts that the process is quiet.

use std::cell::RefCell;
use std::panic;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Barrier};

use heapledger::{LineId, OwnedRegion, Region, Summary};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn assert_whole(summary: &Summary) {
    assert!(summary.figure(LineId::Live).as_exact().is_some_and(|bytes| bytes > 0));
    assert!(summary.figure(LineId::Allocated).as_exact().is_some());
    assert!(summary.region("~untagged").is_some());
    if cfg!(target_os = "linux") {
        assert!(summary.figure(LineId::Rss).as_exact().is_some_and(|bytes| bytes > 0));
    }
}

#[test]
fn a_summary_from_inside_a_region_charges_the_ledger_and_leaves_the_region_in_force() {
    static OUTER: Region = Region::new("outer");
    OUTER.scope(|| {
        // The first naming of a region allocates its name, in ~ledger.
        let before = heapledger::live();
        let summary = heapledger::quick().expect("the ledger is installed");
        assert_eq!(summary.region("outer").map(|region| region.requested_bytes.allocated), Some(0));
        assert_eq!(heapledger::current().name(), "outer");
        assert_whole(&summary);
        assert_eq!(heapledger::live().region("outer").map(|region| region.allocated_bytes), Some(0));
        drop((before, summary));
    });
}

#[test]
fn many_summaries_at_once_are_each_whole() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 50;
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                let region = OwnedRegion::new(format!("many/{thread}"));
                let bytes = region.scope(|| vec![1_u8; 1000 + thread]);
                start.wait();
                for _ in 0..ROUNDS {
                    let summary = heapledger::quick().expect("the ledger is installed");
                    assert_whole(&summary);
                    let name = format!("many/{thread}");
                    let own = summary.region(&name).map(|region| region.self_bytes());
                    assert_eq!(own, Some(bytes.len() as i64));
                    // Torn by the other threads' refreshes, it falls back to what the kernel says, if that says
                    // anything.
                    let bound = summary.figure(LineId::Base);
                    let stated = bound.low() == Some(0) && bound.high().is_some_and(|most| most > 0);
                    assert!(stated || summary.figure(LineId::Rss).is_unknown(), "{bound}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panicked");
    }
}

#[test]
fn a_thread_local_destructor_may_take_a_summary() {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    struct AtExit;
    impl Drop for AtExit {
        fn drop(&mut self) {
            let summary = heapledger::quick();
            if summary.is_ok_and(|summary| summary.figure(LineId::Live).as_exact().is_some()) {
                TAKEN.fetch_add(1, Relaxed);
            }
        }
    }
    thread_local!(static KEPT: RefCell<Option<AtExit>> = const { RefCell::new(None) });
    std::thread::spawn(|| KEPT.with(|kept| *kept.borrow_mut() = Some(AtExit))).join().expect("the thread ends");
    assert_eq!(TAKEN.load(Relaxed), 1);
}

#[test]
fn the_panic_hook_may_take_a_summary() {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    static PANICKING: Region = Region::new("panicking");
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| {
        if heapledger::quick().is_ok_and(|summary| summary.to_string().contains("RSS by the kernel")) {
            TAKEN.fetch_add(1, Relaxed);
        }
    }));
    let caught = panic::catch_unwind(|| PANICKING.scope(|| panic!("on purpose")));
    panic::set_hook(before);
    assert!(caught.is_err());
    assert!(TAKEN.load(Relaxed) >= 1);
    assert_eq!(heapledger::current().name(), "~untagged", "the scope was left by the panic");
}

#[cfg(target_os = "linux")]
#[test]
fn a_forked_child_reads_itself_and_not_its_parent() {
    static HELD: Region = Region::new("held_by_the_parent");
    let held = HELD.scope(|| vec![1_u8; 64 << 20]);
    let parent = heapledger::quick().expect("the ledger is installed");
    let code = heapledger_harness::fork::in_a_child(|| child_code(&parent));
    assert_eq!(code, 0, "the child says which check failed");
    drop(held);
}

/// 0 if the child's summary is the child's; otherwise which check failed.
#[cfg(target_os = "linux")]
fn child_code(parent: &Summary) -> i32 {
    let Ok(summary) = heapledger::quick() else { return 1 };
    if summary.pid == parent.pid || summary.pid != Some(std::process::id()) {
        return 2;
    }
    // The child has one thread, whatever the parent has; a file kept open would say the parent's number.
    if summary.setting(heapledger::SettingId::Threads) != Some(&heapledger::SettingValue::Count(1)) {
        return 3;
    }
    if summary.region("held_by_the_parent").map(|region| region.self_bytes()) != Some(64 << 20) {
        return 4;
    }
    0
}
