//! Ways in which programs and threads end, or start others, while the ledger is at work.

use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::Scope;

use heapledger_core::{Region, RegionId, current};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::books::Balance;

static A: Region = Region::new("a");
static B: Region = Region::new("b");
static HOOK: Region = Region::new("hook");

/// Threads that allocate and free in `a` until they are told to stop.
fn churn<'scope>(scope: &'scope Scope<'scope, '_>, threads: usize, stop: &'scope AtomicBool) {
    for _ in 0..threads {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                A.scope(|| drop(black_box([Block::new(100), Block::new(5_000), Block::new(50_000)])));
            }
        });
    }
}

/// Option `children`: starts so many programs, by `posix_spawn` and by `fork` in turns, while threads allocate.
pub(super) fn children(options: &Options) -> Value {
    let stop = AtomicBool::new(false);
    let good = std::thread::scope(|scope| {
        churn(scope, 3, &stop);
        let run = |number: &usize| {
            let mut command = Command::new("true");
            command.stdin(Stdio::null());
            if number.is_multiple_of(2) {
                // SAFETY: does nothing; that there is something to do before exec makes std fork.
                unsafe { command.pre_exec(|| Ok(())) };
            }
            command.status().is_ok_and(|status| status.success())
        };
        let good = (0..options.count("children")).filter(run).count();
        stop.store(true, Relaxed);
        good
    });
    let a = Balance::of(*A);
    let live = [a.blocks.live(), a.requested.live(), a.usable.live()];
    json!({ "good": good, "live": live, "blocks": a.blocks.allocated })
}

/// Exits with status 7 while other threads are in the middle of summaries and of allocations.
pub(super) fn exit_within(_: &Options) -> Value {
    static SUMMARIES: AtomicU64 = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        churn(scope, 2, &stop);
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    B.scope(|| heapledger::quick().expect("a program that ends can be summed up").to_string());
                    SUMMARIES.fetch_add(1, Relaxed);
                }
            });
        }
        while SUMMARIES.load(Relaxed) < 20 {
            std::thread::yield_now();
        }
        std::process::exit(7)
    })
}

/// What the panic hook sees: it allocates, is in the region of the panic, and can ask for everything.
fn in_hook() -> (RegionId, bool) {
    let place = current();
    HOOK.scope(|| drop(black_box(Block::new(100))));
    let live = heapledger::live();
    let summary = heapledger::quick();
    (place, live.self_bytes("hook") == Some(0) && summary.is_ok_and(|summary| summary.region("hook").is_some()))
}

/// Panics in nested regions are caught, on this thread and on others.
pub(super) fn panics(_: &Options) -> Value {
    static IN_B: AtomicU64 = AtomicU64::new(0);
    static WELL: AtomicU64 = AtomicU64::new(0);
    std::panic::set_hook(Box::new(|_| {
        let (place, well) = in_hook();
        IN_B.fetch_add(u64::from(place == *B), Relaxed);
        WELL.fetch_add(u64::from(well), Relaxed);
    }));
    let panic_within = || {
        let _kept = A.enter();
        let _held = black_box(Block::new(100));
        B.scope(|| {
            let _dropped = black_box(Block::new(5_000));
            panic!("in b")
        })
    };
    let mut caught = 0;
    for _ in 0..100 {
        caught += u64::from(catch_unwind(AssertUnwindSafe(panic_within)).is_err());
        assert_eq!(current(), RegionId::UNTAGGED, "a caught panic has left its regions");
    }
    for _ in 0..100 {
        caught += u64::from(std::thread::spawn(panic_within).join().is_err());
    }
    let _ = std::panic::take_hook();
    json!({
        "caught": caught, "hooks_in_b": IN_B.load(Relaxed), "hooks_well": WELL.load(Relaxed),
        "a": Balance::of(*A).json(), "hook": Balance::of(*HOOK).json(),
        "b_live": Balance::of(*B).blocks.live(), "b_blocks": Balance::of(*B).blocks.allocated,
    })
}

/// A panic that nobody catches ends the program, and its hook prints the summary.
pub(super) fn panic_to_the_end(_: &Options) -> Value {
    std::panic::set_hook(Box::new(|_| {
        let (place, well) = in_hook();
        println!("{}", json!({ "in_b": place == *B, "well": well }));
    }));
    B.scope(|| {
        let _held = black_box(Block::new(100));
        panic!("to the end")
    })
}
