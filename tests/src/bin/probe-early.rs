//! A program that allocates before `main`, frees that afterwards, and the other way round.
//!
//! It has a binary of its own because what runs before `main` would run in every probe.

use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};

use heapledger_core::Region;
use heapledger_tests::blocks::{Block, layout};
use heapledger_tests::books::{Balance, totals_of};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: heapledger_alloc::Ledger = heapledger_alloc::Ledger::new();

static EARLY: Region = Region::new("early");
const SIZES: [usize; 3] = [100, 5_000, 50_000];
static BLOCKS: [AtomicPtr<u8>; 3] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 3];

/// Called by the loader, before the Rust runtime has started.
extern "C" fn before_main() {
    EARLY.scope(|| {
        for (place, size) in BLOCKS.iter().zip(SIZES) {
            place.store(Block::new(size).into_pointer(), SeqCst);
        }
    });
}

#[used]
// SAFETY: entries of this section are functions without arguments, as this one is.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// Called by `exit`, after `main` has returned.
extern "C" fn after_main() {
    EARLY.scope(|| drop(SIZES.map(Block::new)));
    let passed = Balance::from(&totals_of(*EARLY));
    println!("{}", json!({ "late": passed.json() }));
}

fn main() {
    let held = Balance::of(*EARLY);
    for (place, size) in BLOCKS.iter().zip(SIZES) {
        // SAFETY: the pointer came from a block of this layout, and is taken up once.
        drop(unsafe { Block::from_parts(place.load(SeqCst), layout(size, 1)) });
    }
    println!("{}", json!({ "held": held.json(), "passed": Balance::of(*EARLY).json() }));
    // SAFETY: the function has the type that atexit asks for.
    let registered = unsafe { libc::atexit(after_main) };
    assert_eq!(registered, 0);
}
