//! Fork, and what comes of the child.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A child needs milliseconds; this only ends one that waits for a thread that did not come along.
const CHILD_SECONDS: u32 = 120;

/// The code of a child that panicked.
const PANICKED: i32 = 101;

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forked {
    /// The new one, which has one thread.
    Child,
    /// The old one, and the id of the child.
    Parent(libc::pid_t),
}

/// Forks. The child may do what a forked child of a program with threads may do under glibc: everything that takes no
/// lock which another thread could have held, and malloc.
///
/// # Panics
/// When the kernel makes no process.
pub fn fork() -> Forked {
    // SAFETY: fork itself has no precondition; the comment above is what the child owes.
    match unsafe { libc::fork() } {
        0 => Forked::Child,
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        pid => Forked::Parent(pid),
    }
}

/// How a child ended: its exit code, or 128 + the signal that killed it, as a shell says it.
///
/// # Panics
/// When it is no child of this process.
pub fn wait_for(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if waited == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        assert!(error.kind() == std::io::ErrorKind::Interrupted, "waitpid: {error}");
    }
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
}

/// Has `SIGALRM` end this process after so many seconds of real time: for forked children, which no harness watches.
pub fn end_after_seconds(seconds: u32) {
    // SAFETY: no precondition.
    unsafe { libc::alarm(seconds) };
}

/// Ends this process with that code and does nothing else: what a parent does at its end is not done by its child, too.
pub fn end_at_once(code: i32) -> ! {
    // SAFETY: no precondition.
    unsafe { libc::_exit(code) }
}

/// Has a forked child run this and end with the code that it gives, and waits for it; returns as [`wait_for`] does. The
/// child may do what [`fork`] says.
pub fn in_a_child(child: impl FnOnce() -> i32) -> i32 {
    match fork() {
        Forked::Child => {
            end_after_seconds(CHILD_SECONDS);
            // The harness's frames are the parent's, and a panic must not unwind into them.
            let code = catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED);
            end_at_once(code)
        }
        Forked::Parent(pid) => wait_for(pid),
    }
}
