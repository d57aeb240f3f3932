//! Registration and teardown of threads, and what a forked child must forget.
//!
//! A thread tells us that it ends through a pthread key. The C library runs the destructors of keys in four rounds at
//! most (`PTHREAD_DESTRUCTOR_ITERATIONS`), and a value that is set in the last of them gets no destructor: a thread
//! whose very first operation comes there, out of another key's destructor that ran three times before without
//! allocating, keeps its slot for good. What it counted stays right; what is lost is the slot, and un-mixing, which
//! needs a single registered thread. Nothing tells a thread that it is in that round, so nothing is done about it.

use core::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicUsize, fence};

use heapledger_core::hooks::{Hooks, Indices};
use heapledger_core::thread::{State, ThreadRecord, mark_installed, with_record};

use crate::counters::{self, Counts};
use crate::{given, isolated, runs, totals};

/// What core asks of us.
static HOOKS: Hooks =
    Hooks { adopt: given::adopt, isolate: isolated::isolate, live: totals::live, barrier, each_tag_in_use, forget };

/// A barrier on every processor that runs a thread of this process.
fn barrier() -> bool {
    #[cfg(target_os = "linux")]
    {
        // The kernel's numbers; libc has no names for them on every target.
        const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
        const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
        let call = |command: libc::c_int| {
            // SAFETY: the call takes numbers only, and changes nothing but the order in which memory is seen.
            unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
        };
        call(REGISTER_PRIVATE_EXPEDITED) && call(PRIVATE_EXPEDITED)
    }
    #[cfg(not(target_os = "linux"))]
    false
}

fn each_tag_in_use(each: &mut dyn FnMut(u16)) -> bool {
    counters::each_record(|record| record.each_tag(each))
}

fn forget(gone: &Indices) {
    // No index is so high as the one before 0.
    runs::forget(|tag| gone.has(usize::from(tag).wrapping_sub(1)));
    for index in gone.iter() {
        totals::forget(index);
        isolated::release(index);
    }
}

/// Threads that have a slot now. `protocol::flip` depends on how it is ordered.
pub(crate) static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// Threads that had a slot when a process was forked by another, over all forks that lead to this one.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// The pthread key whose destructor tells us that a thread ends; 0 = not made, 1 = being made or refused, else key + 2.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Where the calling thread counts; registers it at its first operation.
pub(crate) fn counts(record: &ThreadRecord) -> Counts {
    if record.state() == State::New {
        register(record);
    }
    // SAFETY: the record's base is null or the set that this thread took.
    unsafe { Counts::of(record.base()) }
}

/// Where the calling thread counts, as things are: the shared counters if it is not registered. Does not register it,
/// because a signal handler that did could come between two instructions of a guard that is being entered.
pub(crate) fn counts_as_is(record: &ThreadRecord) -> Counts {
    // SAFETY: as in `counts`.
    unsafe { Counts::of(record.base()) }
}

#[cold]
fn register(record: &ThreadRecord) {
    heapledger_core::hooks::install(&HOOKS);
    mark_installed();
    // Until it is attached the thread uses the shared counters: a signal handler that comes in between must not
    // register the thread a second time, and what the C library allocates for us must not either.
    record.detach(State::Shared);
    let Some(key) = key() else {
        // Perhaps next time: another thread is making the key.
        record.detach(State::New);
        return;
    };
    let base = counters::take_slot();
    if base.is_null() {
        return;
    }
    // SAFETY: the key was made by `key`; the value is only handed to our destructor.
    if unsafe { libc::pthread_setspecific(key, base.cast()) } != 0 {
        // SAFETY: nobody counted in the slot yet.
        unsafe { counters::release_slot(base) };
        return;
    }
    REGISTERED.fetch_add(1, SeqCst);
    // Pairs with the fence in `protocol::flip`: it sees us counted, or we see the page that it is clearing.
    fence(SeqCst);
    // SAFETY: the slot is this thread's.
    unsafe { counters::show_record(base, record) };
    record.attach(base);
}

/// Runs when the thread ends, after Rust's thread-local destructors. Later operations use the shared counters.
unsafe extern "C" fn unregister(base: *mut libc::c_void) {
    with_record(|record| {
        record.detach(State::Shared);
        // From here on the thread keeps what it enters; what it has on its stack already is kept before that is out of
        // sight.
        record.each_tag(&mut |tag| heapledger_core::hooks::keep(usize::from(tag) - 1));
    });
    // The record lies in this thread's memory, which goes soon.
    // SAFETY: the value of the key is the slot that this thread took.
    unsafe { counters::hide_record(base.cast()) };
    // Release: the flips of a thread that is alone again see the rows that this one wrote.
    REGISTERED.fetch_sub(1, Release);
    // SAFETY: the value of the key is the slot that this thread took, and the record has just been detached from it.
    unsafe { counters::release_slot(base.cast()) };
}

/// Makes the key once. A thread that comes while another makes it goes without a slot rather than wait: that other
/// thread may not exist any more, in a forked child.
fn key() -> Option<libc::pthread_key_t> {
    let seen = KEY.load(Relaxed);
    if seen >= 2 {
        return Some(seen - 2);
    }
    if seen == 1 || KEY.compare_exchange(0, 1, Relaxed, Relaxed).is_err() {
        return None;
    }
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is a valid place, and the destructor has the right type.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(unregister)) } != 0 {
        return None;
    }
    // SAFETY: the handler only stores to atomics.
    unsafe { libc::pthread_atfork(None, None, Some(after_fork_in_child)) };
    // Relaxed: the key's value is all there is to it.
    KEY.store(key.checked_add(2)?, Relaxed);
    Some(key)
}

/// Only the forking thread lives on in the child: the others' slots may be used again.
unsafe extern "C" fn after_fork_in_child() {
    with_record(|record| {
        counters::release_all_but(record.base());
        let here = usize::from(!record.base().is_null());
        // Relaxed: the child has one thread.
        let others = REGISTERED.swap(here, Relaxed).wrapping_sub(here);
        LEFT_BEHIND.fetch_add(others, Relaxed);
    });
}

/// How many threads with counters of their own this process lost by being forked: they run on in the parent, and what
/// they had in caches of jemalloc, or were just allocating, stays allocated here.
pub fn threads_left_behind() -> usize {
    LEFT_BEHIND.load(Relaxed)
}

pub(crate) fn registered() -> usize {
    REGISTERED.load(Relaxed)
}
