//! Processes: how they start, run and talk.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has a program start at the same addresses each time, where the system allows that.
pub fn fix_addresses(command: &mut Command) {
    let fix = || {
        // SAFETY: changes flags of this process, which is about to become another program. Where it is refused,
        // addresses differ as ever.
        unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
        Ok(())
    };
    // SAFETY: the function makes one system call, which is all that may happen between fork and exec.
    unsafe { command.pre_exec(fix) };
}

/// Kills all processes of a group that this process made and has not waited for yet.
pub fn kill_group(leader: u32) {
    let group = -libc::pid_t::try_from(leader).expect("process ids are positive and small");
    // SAFETY: no precondition.
    super::check("kill", unsafe { libc::kill(group, libc::SIGKILL) });
}

/// Has the calling thread run before all others and on one processor with them, so that they stand still while it does.
/// `false` when the system does not allow that. Its children are ordinary again.
pub fn run_alone() -> bool {
    // SAFETY: zeroes are an empty set.
    let mut processors: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid, and 0 is a processor that it can hold.
    unsafe { libc::CPU_SET(0, &mut processors) };
    // SAFETY: the set is valid and has the given size.
    let pinned = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const processors) };
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameters are valid.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const first) };
    pinned == 0 && set == 0
}

/// Writes to standard output, without a buffer and so without the heap.
pub fn print(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the bytes are there.
        let written = unsafe { libc::write(1, bytes.as_ptr().cast(), bytes.len()) };
        let written = usize::try_from(written).unwrap_or_else(|_| panic!("write: {}", std::io::Error::last_os_error()));
        bytes = &bytes[written..];
    }
}

/// Waits until there is a byte on standard input, and takes it; without a buffer, too.
pub fn wait_for_a_byte() {
    let mut byte = 0_u8;
    // SAFETY: there is room for one byte.
    let read = unsafe { libc::read(0, (&raw mut byte).cast(), 1) };
    assert!(read == 1, "whoever looked on has gone");
}
