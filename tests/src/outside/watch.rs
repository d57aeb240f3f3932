//! Stops a process whenever it has read its own status.

use std::fs;
use std::io::{Error, Result};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What the register of results holds while a system call has not been made yet.
const NOT_MADE: i64 = -(Errno::ENOSYS as i64);

/// Standard output, where the subject prints its statement.
const PRINTED_TO: u64 = 1;

/// Lets the main thread of the process run until it prints, after `go`. Each time that it has read its own status it
/// stands still while `at_status` runs; other threads of its run on.
///
/// # Errors
///
/// When this process may not trace that one, or when that one ended.
pub fn until_printed(pid: i32, go: impl FnOnce(), mut at_status: impl FnMut()) -> Result<()> {
    let pid = Pid::from_raw(pid);
    ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(pid)?;
    wait(pid)?;
    ptrace::syscall(pid, None)?;
    go();
    loop {
        let signal = match wait(pid)? {
            WaitStatus::PtraceSyscall(_) => {
                let call = ptrace::getregs(pid)?;
                let result = call.rax.cast_signed();
                match call.orig_rax.cast_signed() {
                    libc::SYS_write if result == NOT_MADE && call.rdi == PRINTED_TO => {
                        ptrace::detach(pid, None)?;
                        return Ok(());
                    }
                    libc::SYS_read | libc::SYS_pread64 if result > 0 && is_status(pid, call.rdi) => at_status(),
                    _ => {}
                }
                None
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        ptrace::syscall(pid, signal)?;
    }
}

/// Whether this process may trace that one.
///
/// # Errors
///
/// If not.
pub fn attempt(pid: i32) -> Result<()> {
    let pid = Pid::from_raw(pid);
    ptrace::seize(pid, Options::empty())?;
    ptrace::interrupt(pid)?;
    wait(pid)?;
    ptrace::detach(pid, None)?;
    Ok(())
}

fn wait(pid: Pid) -> Result<WaitStatus> {
    match waitpid(pid, Some(WaitPidFlag::__WALL))? {
        ended @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {
            Err(Error::other(format!("the process ended: {ended:?}")))
        }
        stopped => Ok(stopped),
    }
}

fn is_status(pid: Pid, file: u64) -> bool {
    fs::read_link(format!("/proc/{pid}/fd/{file}")).is_ok_and(|path| path.ends_with("status"))
}
