//! Benchmark engine `tracking-allocator`: a group per region over the same jemalloc, entered as the workload says, with
//! a tracker that adds up bytes per group, as a program that publishes them would.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracking_allocator::{
    AllocationGroupId, AllocationGroupToken, AllocationGuard, AllocationRegistry, AllocationTracker, Allocator,
};
use workloads::{REGIONS, Tagger};

#[global_allocator]
static TRACKING: Allocator<tikv_jemallocator::Jemalloc> = Allocator::from_allocator(tikv_jemallocator::Jemalloc);

/// More groups than this share counters.
const GROUPS: usize = 8_192;
static ALLOCATED_BYTES: [AtomicUsize; GROUPS] = [const { AtomicUsize::new(0) }; GROUPS];
static FREED_BYTES: [AtomicUsize; GROUPS] = [const { AtomicUsize::new(0) }; GROUPS];

/// Adds up bytes per group. Relaxed: the totals order nothing.
struct Totals;

impl AllocationTracker for Totals {
    fn allocated(&self, _address: usize, bytes: usize, _wrapped_bytes: usize, group: AllocationGroupId) {
        ALLOCATED_BYTES[group.as_usize().get() % GROUPS].fetch_add(bytes, Ordering::Relaxed);
    }

    fn deallocated(
        &self,
        _address: usize,
        bytes: usize,
        _wrapped_bytes: usize,
        source: AllocationGroupId,
        _current: AllocationGroupId,
    ) {
        FREED_BYTES[source.as_usize().get() % GROUPS].fetch_add(bytes, Ordering::Relaxed);
    }
}

thread_local! {
    /// The tokens of this thread that no guard holds: a token is borrowed mutably while its group is entered.
    static TOKENS: RefCell<Vec<Option<Box<AllocationGroupToken>>>> = const { RefCell::new(Vec::new()) };
}

/// An entered group and the token that it borrows.
struct Guard {
    entered: ManuallyDrop<AllocationGuard<'static>>,
    token: NonNull<AllocationGroupToken>,
    number: usize,
}

/// A new group. The crate's `register` answers `None` where another thread registers at the same moment, not only when
/// all ids are taken, so it is asked again, and a thread that keeps losing lets the other one go on.
fn registered() -> AllocationGroupToken {
    const TRIES: usize = 1_000_000;
    for _ in 0..TRIES {
        if let Some(token) = AllocationGroupToken::register() {
            return token;
        }
        std::thread::yield_now();
    }
    panic!("AllocationGroupToken::register answered None {TRIES} times");
}

fn enter(number: usize) -> Guard {
    let kept = TOKENS.with_borrow_mut(|tokens| {
        if tokens.len() <= number {
            tokens.resize_with(number + 1, || None);
        }
        tokens[number].take()
    });
    let token = kept.unwrap_or_else(|| Box::new(registered()));
    let mut token = NonNull::from(Box::leak(token));
    // SAFETY: the box was leaked just now, so nothing else refers to the token until `Drop` takes it back.
    let borrowed: &'static mut AllocationGroupToken = unsafe { token.as_mut() };
    Guard { entered: ManuallyDrop::new(borrowed.enter()), token, number }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: the guard is dropped here and nowhere else, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.entered) };
        // SAFETY: the pointer came from `Box::leak`, and the guard that borrowed the token is gone.
        let token = unsafe { Box::from_raw(self.token.as_ptr()) };
        // At the end of the thread the list may be gone before the last guard; then the token is dropped.
        let _ = TOKENS.try_with(|tokens| tokens.borrow_mut()[self.number] = Some(token));
    }
}

#[derive(Clone, Copy)]
struct Groups;

impl Tagger for Groups {
    type Guard = Guard;
    /// The number under which each thread keeps the group's token: a group cannot be given back, so it is made when its
    /// number is entered first and is there for good.
    type Made = usize;

    fn enter(self, region: usize) -> Guard {
        enter(region)
    }

    fn make(self, number: usize) -> usize {
        number
    }

    fn enter_made(made: &usize) -> Guard {
        enter(REGIONS + *made)
    }
}

fn main() -> ExitCode {
    AllocationRegistry::set_global_tracker(Totals).expect("it is the first one");
    AllocationRegistry::enable_tracking();
    workloads::main(workloads::Engine {
        id: "tracking-allocator",
        tagger: Groups,
        describe: workloads::jemalloc::describe,
    })
}
