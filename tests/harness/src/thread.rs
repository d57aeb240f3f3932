//! The thread of the test harness, for tests in whose process nobody else may allocate.

use std::fs;

/// Waits until every other thread of this process sleeps. The harness starts a test on a thread of its own and goes on
/// for a moment, in which it notes the test in its lists; on a busy machine that moment comes late.
///
/// # Panics
/// Where there is no `/proc`.
pub fn wait_until_it_sleeps() {
    let own = fs::read_link("/proc/thread-self").expect("proc is mounted");
    let is_asleep = |thread: &fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name in brackets may contain anything; the state comes after it.
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S'))
    };
    loop {
        let threads = fs::read_dir("/proc/self/task").expect("proc is mounted");
        let mut others = threads.flatten().filter(|thread| own.file_name() != Some(&thread.file_name()));
        if others.all(|thread| is_asleep(&thread)) {
            return;
        }
        std::thread::yield_now();
    }
}
