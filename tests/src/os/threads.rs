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
