//! loom's atomics, each operation after a step of one shared counter.
//!
//! loom reorders only operations that it takes for dependent, and it remembers one earlier access per atomic: a thread
//! that loads a word before it changes it hides every earlier load of the other threads, and those interleavings are
//! never tried (tokio-rs/loom#166, #392; a reader beside a load and a store is explored once). A read-modify-write of
//! one common atomic before each operation makes all of them dependent. It is Relaxed and nobody reads its value, so
//! it orders nothing: which values a load may see stays as it was.

use core::sync::atomic::Ordering::{self, Relaxed};

loom::lazy_static! {
    static ref TURN: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

/// Lets any other thread come before the next operation.
fn turn() {
    TURN.fetch_add(1, Relaxed);
}

pub(crate) fn fence(order: Ordering) {
    turn();
    loom::sync::atomic::fence(order);
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                $name(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                turn();
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                turn();
                self.0.store(value, order);
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                turn();
                self.0.swap(value, order)
            }

            pub(crate) fn fetch_add(&self, n: $value, order: Ordering) -> $value {
                turn();
                self.0.fetch_add(n, order)
            }

            pub(crate) fn fetch_sub(&self, n: $value, order: Ordering) -> $value {
                turn();
                self.0.fetch_sub(n, order)
            }

            pub(crate) fn fetch_or(&self, n: $value, order: Ordering) -> $value {
                turn();
                self.0.fetch_or(n, order)
            }

            /// A load and an exchange, again and again, between which others may come.
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut next: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(failure);
                while let Some(wanted) = next(seen) {
                    match self.compare_exchange(seen, wanted, success, failure) {
                        Ok(_) => return Ok(seen),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }

            pub(crate) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                turn();
                self.0.compare_exchange(from, to, success, failure)
            }
        }
    };
}

atomic!(AtomicU16, u16);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
