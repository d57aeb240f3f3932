//! Whose turn it is to take a statement.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;

/// The process that has the turn, or 0.
///
/// A number of the process rather than a flag: a forked child that finds its parent's number knows that the thread
/// which had the turn did not come along.
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// A statement takes milliseconds, so this is long enough to be told by.
const PAUSE: Duration = Duration::from_micros(100);

/// Far longer than a hundred threads need one after the other. Only a child that has the number of its own parent, by
/// way of a new namespace of process ids, can wait in vain.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The turn; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    process: u32,
}

impl Turn {
    /// Waits until no other thread has it. Allocates nothing.
    pub(crate) fn wait() -> Result<Self, Error> {
        Self::wait_for(&HOLDER, std::process::id(), LONGEST_WAIT)
            .then(|| Self { process: std::process::id() })
            .ok_or(Error::Busy { waited: LONGEST_WAIT })
    }

    fn wait_for(holder: &AtomicU32, process: u32, longest: Duration) -> bool {
        let began = Instant::now();
        loop {
            // Acquire pairs with the release below: who has the turn sees what the last one left.
            match holder.compare_exchange(0, process, Acquire, Relaxed) {
                Ok(_) => return true,
                // A parent's turn. Another thread of this process may come first; then it is waited for.
                Err(other) if other != process && holder.compare_exchange(other, process, Acquire, Relaxed).is_ok() => {
                    return true;
                }
                Err(_) => {}
            }
            if began.elapsed() > longest {
                return false;
            }
            sleep(PAUSE);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A child never has its parent's turn to give back, so that this fails only if the number is not ours any more.
        let _ = HOLDER.compare_exchange(self.process, 0, Release, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_another_process_left_behind_is_taken_over() {
        let holder = AtomicU32::new(7);
        assert!(Turn::wait_for(&holder, 8, Duration::ZERO));
        assert_eq!(holder.load(Relaxed), 8);
    }

    #[test]
    fn a_turn_of_this_process_is_waited_for_and_not_taken() {
        let holder = AtomicU32::new(8);
        assert!(!Turn::wait_for(&holder, 8, Duration::ZERO));
        assert_eq!(holder.load(Relaxed), 8);
    }
}
