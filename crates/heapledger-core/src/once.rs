//! A cell that is written once and then shared for ever, without a lock that a forked child could find held.

use core::ptr::null_mut;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Release, SeqCst};

/// Null until set; afterwards a reference that lives as long as the process.
#[derive(Debug)]
pub(crate) struct OnceRef<T: 'static>(AtomicPtr<T>);

impl<T: Sync + 'static> OnceRef<T> {
    pub(crate) const fn new() -> Self {
        OnceRef(AtomicPtr::new(null_mut()))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&'static T> {
        // Acquire pairs with the Release of `set` and `publish`: who sees the pointer sees what it points to.
        // SAFETY: the pointer is null or came from a `&'static T` or a leaked `Box<T>`, and is never freed or changed.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Remembers a reference; a later call with the same or another one is harmless.
    pub(crate) fn set(&self, value: &'static T) {
        self.0.store(core::ptr::from_ref(value).cast_mut(), Release);
    }

    /// Empties the cell; references that were handed out stay good.
    pub(crate) fn clear(&self) {
        self.0.store(null_mut(), Release);
    }

    /// Puts `new` in the place of `old`; `false` if something else was there.
    pub(crate) fn replace(&self, old: Option<&'static T>, new: &'static T) -> bool {
        let old = old.map_or(null_mut(), |old| core::ptr::from_ref(old).cast_mut());
        let new = core::ptr::from_ref(new).cast_mut();
        // SeqCst: Release for what `get` promises; callers also rely on one order of this and other changes.
        self.0.compare_exchange(old, new, SeqCst, Acquire).is_ok()
    }
}
