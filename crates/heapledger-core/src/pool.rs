//! Memory for values that are kept for good, by the page: so that they lie beside none of the program's blocks.
//!
//! A block of the ledger's own among a program's small blocks would make their page one of two regions, and each block of
//! the program in it dearer, for as long as the process lives. A chunk takes a page for itself.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicUsize};

/// A size of which no two blocks share a page.
const CHUNK_BYTES: usize = 4096;

/// Hands out places in chunks, without a lock that a forked child could find held.
pub(crate) struct Pool<T: 'static>(AtomicPtr<Chunk<T>>);

#[repr(C)]
struct Chunk<T> {
    /// How many places were asked for; more than there are once it is full.
    taken: AtomicUsize,
    bytes: UnsafeCell<[MaybeUninit<u8>; CHUNK_BYTES - size_of::<AtomicUsize>()]>,
    _of: core::marker::PhantomData<T>,
}

// SAFETY: each place is written by the one caller that took its number, before anybody else hears of it.
unsafe impl<T: Send + Sync> Sync for Chunk<T> {}

impl<T: Send + Sync + 'static> Pool<T> {
    /// Places in a chunk.
    const PLACES: usize = (CHUNK_BYTES - size_of::<AtomicUsize>()) / size_of::<T>();

    pub(crate) const fn new() -> Pool<T> {
        // The bytes of a chunk follow a word.
        assert!(align_of::<T>() <= align_of::<AtomicUsize>() && Self::PLACES > 0);
        Pool(AtomicPtr::new(null_mut()))
    }

    /// Keeps a value for good. Allocates a page when the last one is full.
    #[inline(never)]
    pub(crate) fn keep(&self, value: T) -> &'static T {
        loop {
            let raw = self.0.load(Acquire);
            // SAFETY: the pointer is null or a chunk that was published below, and chunks are never freed after that.
            let chunk: Option<&'static Chunk<T>> = unsafe { raw.as_ref() };
            if let Some(place) = chunk.and_then(Chunk::take) {
                // SAFETY: the place is ours alone, inside the chunk, and aligned.
                unsafe { place.write(value) };
                // SAFETY: it was written just now, and nobody writes to it again.
                return unsafe { &*place };
            }
            let fresh = Box::into_raw(Box::new(Chunk::new()));
            // AcqRel: who finds the chunk finds its count. Who comes second takes the winner's, and frees its own.
            if self.0.compare_exchange(raw, fresh, AcqRel, Acquire).is_err() {
                // SAFETY: it came from a box and was not published.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }
}

impl<T> Chunk<T> {
    const fn new() -> Chunk<T> {
        Chunk {
            taken: AtomicUsize::new(0),
            bytes: UnsafeCell::new([MaybeUninit::uninit(); CHUNK_BYTES - size_of::<AtomicUsize>()]),
            _of: core::marker::PhantomData,
        }
    }

    /// A place for the caller alone, unless all are taken.
    fn take(&self) -> Option<*mut T> {
        // Relaxed: a number of its own is all that matters.
        let number = self.taken.fetch_add(1, Relaxed);
        let first: *mut T = self.bytes.get().cast();
        (number < (CHUNK_BYTES - size_of::<AtomicUsize>()) / size_of::<T>()).then(|| first.wrapping_add(number))
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn every_value_has_a_place_of_its_own() {
        static POOL: Pool<[u64; 3]> = Pool::new();
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                std::thread::spawn(move || (0..1_000).map(|n| POOL.keep([thread, n, !n])).collect::<Vec<_>>())
            })
            .collect();
        let mut kept: Vec<&[u64; 3]> = Vec::new();
        for (thread, handle) in threads.into_iter().enumerate() {
            let values = handle.join().expect("no panic");
            for (n, value) in values.iter().enumerate() {
                assert_eq!(**value, [thread as u64, n as u64, !(n as u64)]);
            }
            kept.extend(values);
        }
        let mut places: Vec<usize> = kept.iter().map(|value| std::ptr::from_ref(*value) as usize).collect();
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= size_of::<[u64; 3]>()));
    }
}
