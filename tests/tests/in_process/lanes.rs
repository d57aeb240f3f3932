//! Lanes hold back who does not fit.
//!
//! In this process, because a lock on a file holds between threads as it does between processes.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use heapledger_tests::lanes;

const GIB: u64 = 1 << 30;

#[test]
fn declared_peaks_never_sum_to_more_than_the_limit_and_everybody_gets_through() {
    static NOW: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);
    // Two of the first fit, and one of the last beside them; all together are thrice the limit.
    let peaks = [5 * GIB, 5 * GIB, 5 * GIB, 11 * GIB, 2 * GIB, 2 * GIB, 2 * GIB, 1];
    thread::scope(|scope| {
        for peak in peaks {
            scope.spawn(move || {
                let _room = lanes::memory(peak);
                MOST.fetch_max(NOW.fetch_add(peak, SeqCst) + peak, SeqCst);
                thread::yield_now();
                NOW.fetch_sub(peak, SeqCst);
            });
        }
    });
    assert_eq!(NOW.load(SeqCst), 0);
    let most = MOST.load(SeqCst);
    assert!((11 * GIB..=lanes::PEAKS_TOGETHER_BYTES).contains(&most), "{most}");
}

#[test]
fn only_one_is_in_the_timed_lane() {
    static INSIDE: AtomicU64 = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let _alone = lanes::timed();
                    assert_eq!(INSIDE.fetch_add(1, SeqCst), 0);
                    thread::yield_now();
                    INSIDE.fetch_sub(1, SeqCst);
                }
            });
        }
    });
}
