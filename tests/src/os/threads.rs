//! Threads and keys of the C library, which start and end without Rust's runtime and its allocations.

use std::ptr::null_mut;

/// What a thread runs.
pub type Start = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;

/// A thread that must be joined.
#[derive(Debug)]
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts a thread with a small stack; allocates nothing from Rust's heap.
    pub fn start(start: Start, argument: usize) -> Thread {
        let mut thread = 0;
        // SAFETY: the place is valid, and `start` is a function for ever.
        let result =
            unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), start, argument as *mut libc::c_void) };
        assert!(result == 0, "pthread_create: {}", std::io::Error::from_raw_os_error(result));
        Thread(thread)
    }

    /// Address and bytes of its stack, with the thread-local variables at its end.
    pub fn stack(&self) -> (usize, usize) {
        stack_of(self.0)
    }

    /// Waits until the thread and its destructors have run.
    pub fn join(self) {
        // SAFETY: the thread was started and is joined once.
        let result = unsafe { libc::pthread_join(self.0, null_mut()) };
        assert!(result == 0, "pthread_join: {}", std::io::Error::from_raw_os_error(result));
    }
}

/// A value per thread whose destructor runs when a thread ends that has set it.
#[derive(Clone, Copy, Debug)]
pub struct Key(libc::pthread_key_t);

impl Key {
    /// Makes a key. The destructor gets the value, which is no longer set.
    pub fn new(destructor: unsafe extern "C" fn(*mut libc::c_void)) -> Key {
        let mut key = 0;
        // SAFETY: the place is valid, and the destructor is a function for ever.
        let result = unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) };
        assert!(result == 0, "pthread_key_create: {}", std::io::Error::from_raw_os_error(result));
        Key(key)
    }

    /// Sets this thread's value; 0 is the same as none.
    pub fn set(self, value: usize) {
        // SAFETY: the key was made and is never deleted; the value is a number, not a pointer.
        let result = unsafe { libc::pthread_setspecific(self.0, value as *const libc::c_void) };
        assert!(result == 0, "pthread_setspecific: {}", std::io::Error::from_raw_os_error(result));
    }

    /// The number of the key, for destructors, which are plain functions.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The key of this number.
    pub fn from_number(number: u32) -> Key {
        Key(number)
    }
}

/// Where a thread's stacks lie: address and bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stacks {
    /// Its stack, with the thread-local variables at its end.
    pub own: (usize, usize),
    /// The one for handlers of signals, if it has one.
    pub signals: Option<(usize, usize)>,
}

/// Where the stacks of the calling thread lie.
pub fn stacks_of_this_thread() -> Stacks {
    // SAFETY: no precondition.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: zeroes are a valid stack_t.
    let mut signals: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: the place is valid; nothing is set.
    super::check("sigaltstack", unsafe { libc::sigaltstack(std::ptr::null(), &raw mut signals) });
    let is_set = signals.ss_flags & libc::SS_DISABLE == 0;
    Stacks { own: stack_of(this), signals: is_set.then_some((signals.ss_sp as usize, signals.ss_size)) }
}

fn stack_of(thread: libc::pthread_t) -> (usize, usize) {
    // SAFETY: zeroes are as good as anything: the next call fills it.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: the thread was not joined, and the place is valid.
    let got = unsafe { libc::pthread_getattr_np(thread, &raw mut attributes) };
    assert!(got == 0, "pthread_getattr_np: {}", std::io::Error::from_raw_os_error(got));
    let (mut address, mut bytes) = (null_mut(), 0);
    // SAFETY: the attributes were filled, and the places are valid.
    let got = unsafe { libc::pthread_attr_getstack(&raw const attributes, &raw mut address, &raw mut bytes) };
    assert!(got == 0, "pthread_attr_getstack: {}", std::io::Error::from_raw_os_error(got));
    // SAFETY: the attributes were filled and are not used again.
    unsafe { libc::pthread_attr_destroy(&raw mut attributes) };
    (address as usize, bytes)
}
