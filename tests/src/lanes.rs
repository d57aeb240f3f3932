//! What keeps heavy tests from running together, and timed ones from disturbing each other.
//!
//! Locks are on files of the machine's temporary folder, so they hold between the threads of one test program, between
//! programs, and between two checkouts. A lock goes with its process, however that ends.
//!
//! ```no_run
//! # use heapledger_tests::lanes;
//! let _room = lanes::memory(2 << 30);     // a scenario that has 2 GiB resident at most
//! let _alone = lanes::timed();            // and waits for something to happen in time
//! ```
//!
//! Who needs both takes the memory first; any other order could wait for ever.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// What the declared peaks of all tests at one time may sum to.
pub const PEAKS_TOGETHER_BYTES: u64 = 12 << 30;

/// One lock stands for so much memory.
const SLOT_BYTES: u64 = 1 << 30;

/// How often a lane that is taken is tried again.
const GLANCE: Duration = Duration::from_millis(20);

/// A lane; given back when dropped.
#[derive(Debug)]
#[must_use = "the lane is given back when this is dropped"]
pub struct Permit {
    _locks: Vec<Flock<File>>,
}

/// Waits until processes that declare `peak_bytes` of resident memory fit beside those that declared theirs before.
/// First come, first served. Below 1 GiB a test need not ask.
///
/// # Panics
/// When the peak is more than [`PEAKS_TOGETHER_BYTES`], or the folder of the locks cannot be written.
pub fn memory(peak_bytes: u64) -> Permit {
    assert!(peak_bytes <= PEAKS_TOGETHER_BYTES, "no machine is asked for {peak_bytes} bytes");
    let wanted = usize::try_from(peak_bytes.div_ceil(SLOT_BYTES)).expect("a few slots");
    // Only one at a time collects slots, so that no two wait for each other's.
    let _turnstile = lock("turnstile");
    let mut locks: Vec<Flock<File>> = Vec::new();
    let mut taken = [false; (PEAKS_TOGETHER_BYTES / SLOT_BYTES) as usize];
    loop {
        for (slot, taken) in taken.iter_mut().enumerate() {
            if locks.len() < wanted
                && !*taken
                && let Some(lock) = try_lock(&format!("memory-{slot}"))
            {
                *taken = true;
                locks.push(lock);
            }
        }
        if locks.len() == wanted {
            return Permit { _locks: locks };
        }
        std::thread::sleep(GLANCE);
    }
}

/// The one lane for tests that wait for something in time, or look at the clock.
///
/// # Panics
/// When the folder of the locks cannot be written.
pub fn timed() -> Permit {
    Permit { _locks: vec![lock("timed")] }
}

fn lock(name: &str) -> Flock<File> {
    loop {
        if let Some(lock) = try_lock(name) {
            return lock;
        }
        std::thread::sleep(GLANCE);
    }
}

/// `None` while somebody else has it.
fn try_lock(name: &str) -> Option<Flock<File>> {
    let path = folder().join(name);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Some(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => None,
        Err((_, error)) => panic!("{}: {error}", path.display()),
    }
}

/// One for each user, since nobody can open another's files for writing.
fn folder() -> PathBuf {
    let user = std::env::var("USER").unwrap_or_default();
    let folder = std::env::temp_dir().join(format!("heapledger-test-lanes-{user}"));
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}
