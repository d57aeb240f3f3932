//! Numbers that are compared several at once are compared one by one: each place is looked at.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU16, AtomicU64};

use crate::eights::{EIGHT, all_are, are, words_are};

/// Two lines of spans, an eight and some behind it.
const MOST: usize = 2 * 4 * EIGHT + EIGHT + 3;
const WANTED: u16 = 0x1234;

#[test]
fn one_number_that_differs_is_found_wherever_it_lies() {
    for len in 0..=MOST {
        // Behind those that are asked for are others, which differ.
        let wanted = (0..len).map(|_| WANTED).chain([!WANTED; EIGHT]);
        let readable: Vec<AtomicU16> = wanted.map(AtomicU16::new).collect();
        let entries = &readable[..len];
        // SAFETY: eight more lie behind them.
        let are = || unsafe { are(&readable[0], len, WANTED) };
        let words: Vec<AtomicU64> = (0..len).map(|_| AtomicU64::new(WANTED.into())).collect();
        assert!(are() && all_are(entries, WANTED) && words_are(&words, WANTED), "{len}");
        for place in 0..len {
            // A bit more, or a bit less, in either byte.
            for other in [WANTED ^ 1, WANTED ^ 0x8000, WANTED ^ 4, WANTED ^ 0x1000] {
                entries[place].store(other, Relaxed);
                assert!(!are() && !all_are(entries, WANTED), "{other:x} at {place} of {len}");
            }
            for other in [0x1235, 0x9234, 0x1230, 0x234, 0x8000_0000_0000_1234, 0x1_1234] {
                words[place].store(other, Relaxed);
                assert!(!words_are(&words, WANTED), "{other:x} at {place} of {len}");
            }
            entries[place].store(WANTED, Relaxed);
            words[place].store(WANTED.into(), Relaxed);
        }
    }
}
