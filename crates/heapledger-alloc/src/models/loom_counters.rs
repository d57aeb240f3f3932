//! Counters with a reader: what it sums is never negative, and never more than what was allocated.
//!
//! `counters.rs` is compiled only with the allocator, so its three rules are repeated here: a word is written by one
//! thread, with Release; blocks are counted before bytes; and a reader sums all freed words, fences, and then sums all
//! allocated words. The last model has the rule of `reassign_to` besides: what was counted under an id that stands for
//! another region is joined with that region's after both passes.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::Arc;
use loom::thread;

use super::page::{Seen, explore};
use crate::sync::{AtomicU64, AtomicUsize, fence};

const ALLOCATED: usize = 0;
const FREED: usize = 1;

/// What one thread counts of one region: `[blocks, bytes]`, each allocated and freed.
struct Words([[AtomicU64; 2]; 2]);

impl Words {
    fn new() -> Words {
        Words([(); 2].map(|()| [(); 2].map(|()| AtomicU64::new(0))))
    }

    /// As `counters::count_small`.
    fn count(&self, side: usize, bytes: u64) {
        for (pair, n) in self.0.iter().zip([1, bytes]) {
            pair[side].store(pair[side].load(Relaxed) + n, Release);
        }
    }

    /// As `Counts::add` on the shared set.
    fn count_shared(&self, side: usize, bytes: u64) {
        for (pair, n) in self.0.iter().zip([1, bytes]) {
            pair[side].fetch_add(n, Release);
        }
    }
}

/// As `totals::read_totals`: the sums of blocks and of bytes, each allocated and freed.
fn read(sets: &[Words]) -> [[u64; 2]; 2] {
    let mut sums = [[0; 2]; 2];
    for side in [FREED, ALLOCATED] {
        for words in sets {
            let bytes = words.0[1][side].load(Relaxed);
            if bytes == 0 {
                continue;
            }
            sums[1][side] += bytes;
            sums[0][side] += words.0[0][side].load(Relaxed);
        }
        fence(Acquire);
    }
    sums
}

const N: u64 = 24;

fn assert_live_is_nothing_or_one_block(sums: [[u64; 2]; 2], live: &Seen, gone: &Seen) {
    for (sum, n) in sums.iter().zip([1, N]) {
        let now = sum[ALLOCATED].checked_sub(sum[FREED]).expect("live is never negative");
        assert!(now == 0 || now == n, "live is nothing or one block, not {now}");
    }
    live.note(sums[1][FREED] == 0 && sums[1][ALLOCATED] == N);
    gone.note(sums[1][FREED] == N);
}

#[test]
fn a_reader_sees_a_block_that_its_own_thread_frees_as_live_or_gone() {
    static LIVE: Seen = Seen::new();
    static GONE: Seen = Seen::new();
    explore(4, || {
        let sets = Arc::new([Words::new()]);
        let writer = thread::spawn({
            let sets = sets.clone();
            move || {
                sets[0].count(ALLOCATED, N);
                sets[0].count(FREED, N);
            }
        });
        assert_live_is_nothing_or_one_block(read(&*sets), &LIVE, &GONE);
        writer.join().expect("counted");
        assert_eq!(read(&*sets), [[1, 1], [N, N]]);
    });
    assert!(LIVE.was() && GONE.was());
}

#[test]
fn a_reader_sees_a_block_that_another_thread_frees_as_live_or_gone() {
    static LIVE: Seen = Seen::new();
    static GONE: Seen = Seen::new();
    explore(3, || handed_over(Words::count, &LIVE, &GONE));
    assert!(LIVE.was() && GONE.was());
}

#[test]
fn a_reader_sees_a_block_that_a_thread_without_counters_frees_as_live_or_gone() {
    static LIVE: Seen = Seen::new();
    static GONE: Seen = Seen::new();
    explore(3, || handed_over(Words::count_shared, &LIVE, &GONE));
    assert!(LIVE.was() && GONE.was());
}

/// One thread allocates and hands over, another frees, the third reads.
fn handed_over(free: fn(&Words, usize, u64), live: &Seen, gone: &Seen) {
    let sets = Arc::new([Words::new(), Words::new()]);
    let block = Arc::new(AtomicUsize::new(0));
    let allocates = thread::spawn({
        let (sets, block) = (sets.clone(), block.clone());
        move || {
            sets[0].count(ALLOCATED, N);
            block.store(1, Release);
        }
    });
    let frees = thread::spawn({
        let (sets, block) = (sets.clone(), block.clone());
        move || {
            if block.load(Acquire) == 1 {
                free(&sets[1], FREED, N);
            }
        }
    });
    assert_live_is_nothing_or_one_block(read(&*sets), live, gone);
    allocates.join().expect("counted");
    frees.join().expect("counted");
}

#[test]
fn the_next_thread_of_a_slot_goes_on_from_its_values() {
    static TOOK_OVER: Seen = Seen::new();
    explore(3, || {
        let sets = Arc::new([Words::new()]);
        let taken = Arc::new(AtomicUsize::new(1));
        let first = thread::spawn({
            let (sets, taken) = (sets.clone(), taken.clone());
            move || {
                sets[0].count(ALLOCATED, N);
                // As `release_slot`.
                taken.store(0, Release);
            }
        });
        // As `take_slot`.
        let ours = taken.compare_exchange(0, 1, Acquire, Relaxed).is_ok();
        if ours {
            TOOK_OVER.note(true);
            sets[0].count(FREED, N);
            assert_eq!(read(&*sets), [[1, 1], [N, N]]);
        }
        first.join().expect("counted");
    });
    assert!(TOOK_OVER.was());
}

/// As `totals::join_roots`, for an old id and the region that it stands for, once it does.
fn read_joined(sets: &[[Words; 2]; 2], stands_for: &AtomicUsize) -> [[[u64; 2]; 2]; 2] {
    let mut sums = [[[0; 2]; 2]; 2];
    let freed_first = [FREED, ALLOCATED];
    for side in freed_first {
        for of_thread in sets {
            for (sum, words) in sums.iter_mut().zip(of_thread) {
                for (total, pair) in sum.iter_mut().zip(&words.0) {
                    total[side] += pair[side].load(Relaxed);
                }
            }
        }
        fence(Acquire);
    }
    if stands_for.load(Acquire) == 1 {
        let old = core::mem::take(&mut sums[0]);
        for (total, add) in sums[1].iter_mut().zip(old) {
            total[ALLOCATED] += add[ALLOCATED];
            total[FREED] += add[FREED];
        }
    }
    sums
}

#[test]
fn a_reader_sees_a_block_in_the_old_region_or_in_the_new_one_and_never_in_both() {
    static IN_OLD: Seen = Seen::new();
    static IN_NEW: Seen = Seen::new();
    static GONE: Seen = Seen::new();
    explore(3, || {
        // By thread, then by id: the old one, and that of the region that gets its blocks.
        let sets = Arc::new([[Words::new(), Words::new()], [Words::new(), Words::new()]]);
        let stands_for = Arc::new(AtomicUsize::new(0));
        let handed = Arc::new(AtomicUsize::new(0));
        // A thread that has the old id current all the time.
        let allocates = thread::spawn({
            let (sets, handed) = (sets.clone(), handed.clone());
            move || {
                sets[0][0].count(ALLOCATED, N);
                handed.store(1, Release);
            }
        });
        // Another one reassigns, and frees the block: its page still names the old id.
        let reassigns = thread::spawn({
            let (sets, stands_for, handed) = (sets.clone(), stands_for.clone(), handed.clone());
            move || {
                stands_for.store(1, Release);
                if handed.load(Acquire) == 1 {
                    sets[1][0].count(FREED, N);
                }
            }
        });
        let live = read_joined(&sets, &stands_for)
            .map(|sum| sum.map(|flow| flow[ALLOCATED].checked_sub(flow[FREED]).expect("live is never negative")));
        let all: u64 = live.iter().map(|sum| sum[1]).sum();
        assert!(all == 0 || all == N, "live is nothing or one block, not {all}");
        IN_OLD.note(live[0][1] == N);
        IN_NEW.note(live[1][1] == N);
        allocates.join().expect("counted");
        reassigns.join().expect("counted");
        let [old, new] = read_joined(&sets, &stands_for);
        assert_eq!(old, [[0; 2]; 2], "everything is the new region's in the end");
        assert_eq!((new[0][ALLOCATED], new[1][ALLOCATED]), (1, N));
        GONE.note(new[1][FREED] == N);
    });
    assert!(IN_OLD.was() && IN_NEW.was() && GONE.was());
}
