//! A process of its own, because its allocator counts: the readers must not allocate on the heap, or what they measure
//! would move while they measure it.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

#[cfg(target_os = "linux")]
use heapledger_probe::attribute::PageOwner;
use heapledger_probe::read::{self, Jemalloc, Roots};
use tikv_jemallocator::Jemalloc as Heap;

struct Counting;

thread_local! {
    /// Calls of the allocator by this thread.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every method forwards to jemalloc, whose contract is the same; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by the caller.
        unsafe { Heap.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: by the caller.
        unsafe { Heap.dealloc(block, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by the caller.
        unsafe { Heap.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: by the caller.
        unsafe { Heap.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocator calls of this thread during `work`.
fn calls_during<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = CALLS.with(Cell::get);
    let result = work();
    (result, CALLS.with(Cell::get) - before)
}

/// No page is anybody's.
#[cfg(target_os = "linux")]
struct Nobody;

#[cfg(target_os = "linux")]
impl heapledger_probe::attribute::Owners for Nobody {
    type Page = ();

    fn page(&self, _: usize) {}

    fn start_owner(&self, (): ()) -> PageOwner {
        PageOwner::Nobody
    }

    fn last_owner(&self, (): ()) -> PageOwner {
        PageOwner::Nobody
    }

    fn slot_owner(&self, (): (), _: usize, _: usize) -> Option<usize> {
        None
    }
}

#[test]
fn no_reader_allocates_and_once_only_facts_allocate_once() {
    let system = Roots::system();
    let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
    let (_, counted) = calls_during(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted, 2, "the counting allocator is in force");

    for roots in [system, nowhere] {
        assert_eq!(calls_during(|| read::status(roots)).1, 0, "status");
        let mut page = [0_u8; 8192];
        page[5000] = 1;
        let range = (page.as_ptr() as usize, page.len());
        assert_eq!(calls_during(|| read::resident_bytes(roots, [range])).1, 0, "residency");
    }
    assert_eq!(calls_during(read::system_thp).1, 0, "huge pages");
    assert_eq!(calls_during(read::faults).1, 0, "faults");
    assert_eq!(calls_during(|| read::stats(&Jemalloc)).1, 0, "statistics");
    assert_eq!(calls_during(|| read::settings(&Jemalloc)).1, 0, "settings");

    if !cfg!(target_os = "linux") {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        let mut walker = heapledger_probe::Walker::new().expect("buffers");
        walker.prepare(4, 0).expect("buffers");
        for _ in 0..2 {
            let (walked, calls) = calls_during(|| walker.walk(&Nobody, &[]));
            assert_eq!((walked, calls), (Ok(()), 0), "a walk");
        }
        assert!(walker.result().heap.is_ok_and(|heap| heap.extents > 0), "extents were walked");
    }
    let (_, first) = calls_during(read::cgroup);
    let (_, second) = calls_during(read::cgroup);
    assert!(first > 0, "the places of the groups are found once");
    assert_eq!(second, 0, "and kept");
}
