//! A thread whose counters the ledger has taken back goes on in the region that it was in, on pages that it shares.
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use heapledger_alloc::{Ledger, block_owner};
use heapledger_core::Region;

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

/// One arena, so that the thread finds its slabs again when jemalloc has taken its cache and its arena from it.
const ONE_ARENA: &core::ffi::CStr = c"narenas:1";

#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Option<&'static core::ffi::c_char> = Some(first(ONE_ARENA));

const fn first(text: &'static core::ffi::CStr) -> &'static core::ffi::c_char {
    // SAFETY: a C string has at least its terminating zero, and a static one lives for ever.
    unsafe { &*text.as_ptr() }
}

static A: Region = Region::new("A");
static B: Region = Region::new("B");

/// Blocks of 64 bytes of two regions in turn: every page of their slabs has both.
const BLOCKS: usize = 8192;
/// Of a thread in teardown, which finds the slots that half of those left.
const LATE_BLOCKS: usize = 1024;

static LATE: Mutex<[usize; LATE_BLOCKS]> = Mutex::new([0; LATE_BLOCKS]);
static ROUNDS: AtomicUsize = AtomicUsize::new(0);

fn layout() -> Layout {
    Layout::new::<[u8; 64]>()
}

fn allocate() -> usize {
    // SAFETY: the layout has a size.
    unsafe { LEDGER.alloc(layout()) as usize }
}

fn free(block: usize) {
    // SAFETY: `allocate` made it, and it is freed once.
    unsafe { LEDGER.dealloc(block as *mut u8, layout()) }
}

/// Runs after the ledger's own destructor, whose key is older.
unsafe extern "C" fn late(_: *mut c_void) {
    ROUNDS.fetch_add(1, SeqCst);
    let mut late = LATE.lock().expect("nobody panics");
    late.iter_mut().for_each(|block| *block = allocate());
}

#[test]
fn blocks_of_a_thread_in_teardown_are_its_regions() {
    let (a, b) = (*A, *B);
    let kept = std::thread::spawn(|| {
        let blocks: Vec<usize> =
            (0..BLOCKS).map(|turn| if turn % 2 == 0 { A.scope(allocate) } else { B.scope(allocate) }).collect();
        // Both regions' blocks go and stay: two of each four.
        let (gone, kept): (Vec<_>, Vec<_>) = blocks.iter().enumerate().partition(|(turn, _)| turn % 4 < 2);
        gone.into_iter().for_each(|(_, block)| free(*block));
        let kept: Vec<usize> = kept.into_iter().map(|(_, block)| *block).collect();
        std::mem::forget(A.enter());
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: `key` is a valid place, and the destructor has the right type.
        assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, Some(late)) }, 0);
        // SAFETY: the key was just made; its value is not looked at.
        assert_eq!(unsafe { libc::pthread_setspecific(key, std::ptr::dangling()) }, 0);
        kept
    });
    let kept = kept.join().expect("it ends");
    assert_eq!(ROUNDS.load(SeqCst), 1, "the destructor ran");
    let late = *LATE.lock().expect("nobody panics");
    let pages: std::collections::BTreeSet<usize> = kept.iter().map(|block| block / 4096).collect();
    let beside = late.iter().filter(|block| pages.contains(&(**block / 4096))).count();
    assert!(beside > LATE_BLOCKS / 2, "only {beside} lie on pages of both regions: this is not what it is for");
    for block in late {
        assert_eq!(block_owner(block as *const u8, layout()), a.index());
    }
    for (turn, block) in kept.iter().enumerate() {
        let owner = if turn % 2 == 0 { a } else { b };
        assert_eq!(block_owner(*block as *const u8, layout()), owner.index());
    }
    kept.into_iter().chain(late).for_each(free);
}
