//! Asking for `live()` and `quick()` in places where a program is between two states.
//!
//! Each place holds 1,000 bytes of region `held` while it asks. Prints, for each place, whether both answers said so.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use heapledger_core::{Region, RegionId, current};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::Block;
use crate::os::threads::Key;

const BYTES: i64 = 1_000;
static HELD: Region = Region::new("held");

/// Whether both answers state what `held` holds, leave the region in force as it was, and free all that they took.
fn asked() -> bool {
    let before = current();
    let block = HELD.scope(|| Block::new(1_000));
    let live = heapledger::live().self_bytes("held");
    let summary = heapledger::quick().expect("it can be asked for anywhere");
    let region = summary.region("held").map(|region| region.self_bytes());
    let text = summary.to_string();
    drop(block);
    (live, region, current()) == (Some(BYTES), Some(BYTES), before) && text.contains("held")
}

static IN_LOCAL: AtomicBool = AtomicBool::new(false);
static IN_KEY: AtomicBool = AtomicBool::new(false);

/// Asks when the thread's Rust destructors run.
struct AsksOnDrop(Cell<u8>);

impl Drop for AsksOnDrop {
    fn drop(&mut self) {
        IN_LOCAL.store(asked(), Relaxed);
    }
}

std::thread_local! {
    static ASKS: AsksOnDrop = const { AsksOnDrop(Cell::new(0)) };
}

/// Asks when the thread's other destructors run, which is after the ledger has given up the thread's counters.
unsafe extern "C" fn ask_in_destructor(_: *mut libc::c_void) {
    IN_KEY.store(asked(), Relaxed);
}

fn in_destructors() {
    let key = Key::new(ask_in_destructor);
    let ends = move || {
        ASKS.with(|asks| asks.0.set(1));
        key.set(1);
    };
    std::thread::spawn(ends).join().expect("the thread ends well");
}

fn in_a_panic_hook() -> bool {
    static ANSWER: AtomicBool = AtomicBool::new(false);
    std::panic::set_hook(Box::new(|_| ANSWER.store(asked(), Relaxed)));
    let caught = std::panic::catch_unwind(|| HELD.scope(|| panic!("to have the hook called")));
    let _ = std::panic::take_hook();
    caught.is_err() && ANSWER.load(Relaxed)
}

/// Two threads ask at once, each so often, while a third allocates; counts what did not hold in each answer by itself.
fn at_once(times: usize) -> Value {
    static STOP: AtomicBool = AtomicBool::new(false);
    let negative = AtomicU64::new(0);
    let ask = || {
        for _ in 0..times {
            let live = heapledger::live();
            let summary = heapledger::quick().expect("two may ask at once");
            let wrong = live.regions.iter().any(|region| region.self_bytes < 0)
                || summary.regions().iter().any(|region| region.self_bytes() < 0);
            negative.fetch_add(u64::from(wrong), Relaxed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !STOP.load(Relaxed) {
                HELD.scope(|| drop([Block::new(100), Block::new(5_000), Block::new(50_000)]));
            }
        });
        let two = [scope.spawn(ask), scope.spawn(ask)];
        for thread in two {
            thread.join().expect("asking does not panic");
        }
        STOP.store(true, Relaxed);
    });
    json!({ "negative": negative.into_inner() })
}

pub(super) fn run(options: &Options) -> Value {
    let outside = asked();
    let within = HELD.scope(asked);
    let nested = RegionId::LEDGER.scope(|| HELD.scope(asked));
    in_destructors();
    let in_hook = in_a_panic_hook();
    let at_once = at_once(options.count("times"));
    let live = heapledger::live();
    json!({
        "outside": outside, "within": within, "nested": nested, "in_local": IN_LOCAL.load(Relaxed),
        "in_key": IN_KEY.load(Relaxed), "in_hook": in_hook, "at_once": at_once, "held": live.self_bytes("held"),
    })
}
