//! Fork, and what comes of the child.

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
pub fn fork() -> Forked {
    // SAFETY: fork itself has no precondition; the comment above is what the child owes.
    match unsafe { libc::fork() } {
        0 => Forked::Child,
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        pid => Forked::Parent(pid),
    }
}

/// How a child ended: its exit code, or 128 + the signal that killed it, as a shell says it.
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

/// Kills all processes of a group that this process made and has not waited for yet.
pub fn kill_group(leader: u32) {
    let group = -libc::pid_t::try_from(leader).expect("process ids are positive and small");
    // SAFETY: no precondition.
    super::check("kill", unsafe { libc::kill(group, libc::SIGKILL) });
}
