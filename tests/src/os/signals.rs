//! Handlers, and timers that signal one thread.

use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// What a handler looks like.
pub type Handler = extern "C" fn(libc::c_int);

/// Installs a handler; calls that it interrupts go on.
pub fn handle(signal: libc::c_int, handler: Handler) {
    // SAFETY: zeroes are a valid sigaction.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is valid, and so is the function that it names.
    super::check("sigaction", unsafe { libc::sigaction(signal, &raw const action, null_mut()) });
}

/// A timer of real time that signals the thread which started it; stops when dropped.
///
/// By system calls, because the libc crate has no words for timers on Linux.
#[derive(Debug)]
pub struct Timer {
    id: libc::c_int,
}

/// What `timer_settime` takes: the period, and the time to the first signal.
#[repr(C)]
struct Times {
    interval: libc::timespec,
    value: libc::timespec,
}

impl Timer {
    /// Signals the calling thread after `first_ns` nanoseconds, and then every `period_ns`. Allocates nothing.
    pub fn on_this_thread(signal: libc::c_int, first_ns: i64, period_ns: i64) -> Timer {
        // SAFETY: zeroes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: no precondition.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut id: libc::c_int = 0;
        let clock = libc::CLOCK_MONOTONIC;
        // SAFETY: the event and the place of the id are valid.
        let made = unsafe { libc::syscall(libc::SYS_timer_create, clock, &raw const event, &raw mut id) };
        assert!(made == 0, "timer_create: {}", std::io::Error::last_os_error());
        let timer = Timer { id };
        timer.set(first_ns, period_ns);
        timer
    }

    fn set(&self, first_ns: i64, period_ns: i64) {
        let span = |ns| libc::timespec { tv_sec: 0, tv_nsec: ns };
        let times = Times { interval: span(period_ns), value: span(first_ns) };
        let old = null_mut::<Times>();
        // SAFETY: the timer lives and the times are valid.
        let set = unsafe { libc::syscall(libc::SYS_timer_settime, self.id, 0, &raw const times, old) };
        assert!(set == 0, "timer_settime: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer lives; a signal that is on its way still finds its handler.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.id) };
    }
}
