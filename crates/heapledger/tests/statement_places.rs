//! Where a statement may be taken: inside regions, on many threads at once, in thread-local destructors, in the panic
//! hook, in forked children, beside threads that allocate. One process, so nothing here asserts that it is quiet.
#![cfg(target_os = "linux")]

mod support;

use std::cell::RefCell;
use std::panic;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Barrier};

use heapledger::{LineId, OwnedRegion, Region};
use heapledger_harness::fork::in_a_child;
use support::{assert_sums, sums, take};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

#[test]
fn a_statement_from_inside_a_region_charges_the_ledger_and_leaves_the_region_in_force() {
    static OUTER: Region = Region::new("outer");
    OUTER.scope(|| {
        let statement = take();
        assert_eq!(statement.region("outer").map(|region| region.requested_bytes.allocated), Some(0));
        assert_eq!(heapledger::current().name(), "outer");
        assert_sums(&statement);
        assert_eq!(heapledger::live().region("outer").map(|region| region.allocated_bytes), Some(0));
    });
}

#[test]
fn many_statements_at_once_wait_for_each_other_and_are_each_whole() {
    const THREADS: usize = 6;
    const ROUNDS: usize = 10;
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                let name = format!("many/{thread}");
                let region = OwnedRegion::new(&name);
                let bytes = region.scope(|| vec![1_u8; 1000 + thread]);
                start.wait();
                for _ in 0..ROUNDS {
                    let statement = take();
                    assert_sums(&statement);
                    assert_eq!(statement.region(&name).map(|region| region.self_bytes()), Some(bytes.len() as i64));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panicked");
    }
}

#[test]
fn a_thread_local_destructor_and_the_panic_hook_may_take_one() {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    struct AtExit;
    impl Drop for AtExit {
        fn drop(&mut self) {
            TAKEN.fetch_add(u64::from(sums(&take())), Relaxed);
        }
    }
    thread_local!(static KEPT: RefCell<Option<AtExit>> = const { RefCell::new(None) });
    std::thread::spawn(|| KEPT.with(|kept| *kept.borrow_mut() = Some(AtExit))).join().expect("the thread ends");
    assert_eq!(TAKEN.load(Relaxed), 1);

    static HOOKED: AtomicU64 = AtomicU64::new(0);
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| {
        HOOKED.fetch_add(u64::from(sums(&take())), Relaxed);
    }));
    let caught = panic::catch_unwind(|| panic!("on purpose"));
    panic::set_hook(before);
    assert!(caught.is_err());
    // Another test's panic would come here too.
    assert!(HOOKED.load(Relaxed) >= 1);
}

/// Pages of the gap that a child's first statement may have.
const GAP_AT_MOST: i64 = 16 * 4096;

/// What may be without a name: pieces of the dynamic linker, stacks of threads that did not come along, and the buffers
/// of a walk that was under way on one of those.
const UNATTRIBUTED_AT_MOST: i64 = (64 << 10) + (4 << 20);

fn judge_a_child() {
    assert_eq!(in_a_child(child_code), 0, "the code says which check failed");
}

#[test]
fn children_that_are_forked_while_a_statement_is_taken_take_their_own() {
    static DONE: AtomicBool = AtomicBool::new(false);
    let busy = std::thread::spawn(|| {
        while !DONE.load(Relaxed) {
            assert_sums(&take());
        }
    });
    for _ in 0..20 {
        judge_a_child();
    }
    DONE.store(true, Relaxed);
    busy.join().expect("no thread panicked");
}

/// Past the harness, whose buffers of a child nobody prints.
fn say(text: &str) {
    // SAFETY: the bytes are there.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

/// 0 if the child's statements are the child's; otherwise which check failed.
fn child_code() -> i32 {
    for round in 0..2 {
        let Ok(statement) = heapledger::statement() else { return 1 };
        if statement.pid != Some(std::process::id()) {
            return 2;
        }
        if !sums(&statement) {
            return 3;
        }
        let most = if round == 0 { GAP_AT_MOST } else { 0 };
        if statement.figure(LineId::CounterGap).as_exact().is_none_or(|gap| gap.abs() > most) {
            return 4 + round;
        }
        if statement.figure(LineId::Unattributed).as_exact().is_none_or(|bytes| bytes > UNATTRIBUTED_AT_MOST) {
            say(&format!("{statement}"));
            return 6;
        }
    }
    0
}

#[test]
fn beside_threads_that_allocate_the_gap_is_within_the_skew() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let threads: Vec<_> = (0..2)
        .map(|thread: u8| {
            std::thread::spawn(move || {
                let region = OwnedRegion::new(format!("load/{thread}"));
                let _in = region.enter();
                let mut kept: Vec<Vec<u8>> = Vec::new();
                for round in 0_usize.. {
                    if STOP.load(Relaxed) {
                        break;
                    }
                    kept.push(vec![thread; 1 << (4 + round % 17)]);
                    if kept.len() > 500 {
                        kept.drain(..400);
                    }
                }
            })
        })
        .collect();
    for _ in 0..50 {
        let statement = take();
        assert_sums(&statement);
        let gap = statement.figure(LineId::CounterGap).as_exact().expect("this kernel tells all");
        let skew = statement.skew().as_exact().expect("faults can be read");
        assert!(gap.abs() <= skew, "gap {gap}, skew {skew}\n{statement}");
        let failed = statement.checks().iter().find(|check| check.holds() == Some(false));
        assert_eq!(failed, None, "{statement}");
    }
    STOP.store(true, Relaxed);
    for thread in threads {
        thread.join().expect("no thread panicked");
    }
}
