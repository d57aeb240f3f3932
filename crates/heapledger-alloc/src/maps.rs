//! Memory of our own: anonymous mappings beside the heap, each listed, so that the statement can give them a line.

use core::ptr::null_mut;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::{counters, pages, rows};

/// More mappings than this are refused; each covers a GiB of heap, a MiB of rows or a thread.
const LIST_ENTRIES: usize = 16_384;

static LISTED: AtomicUsize = AtomicUsize::new(0);
static ADDRESSES: [AtomicUsize; LIST_ENTRIES] = [const { AtomicUsize::new(0) }; LIST_ENTRIES];
static LENGTHS: [AtomicUsize; LIST_ENTRIES] = [const { AtomicUsize::new(0) }; LIST_ENTRIES];
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// A mapping that is not listed yet; unmapped unless it is kept.
pub(crate) struct Fresh {
    address: usize,
    len: usize,
    /// Its place in the list, taken before it is used so that keeping cannot fail; wasted if a race for its use is
    /// lost.
    place: usize,
}

impl Fresh {
    /// Maps `len` zeroed bytes at a multiple of `align` (a power of two, at least a page). Costs address space only.
    /// A refusal, by the kernel or because the list is full, is counted.
    pub(crate) fn map(len: usize, align: usize) -> Option<Fresh> {
        let fresh = Self::try_map(len, align);
        if fresh.is_none() {
            REFUSED.fetch_add(1, Relaxed);
        }
        fresh
    }

    fn try_map(len: usize, align: usize) -> Option<Fresh> {
        let padded = if align > crate::classes::PAGE_BYTES { len + align } else { len };
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory of anybody.
        let raw = unsafe {
            libc::mmap(
                null_mut(),
                padded,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return None;
        }
        // After the mapping, so that a refusal by the kernel costs no place.
        let place = LISTED.fetch_update(Relaxed, Relaxed, |count| (count < LIST_ENTRIES).then_some(count + 1));
        let Ok(place) = place else {
            unmap(raw as usize, padded);
            return None;
        };
        let start = raw as usize;
        let address = start.next_multiple_of(align);
        unmap(start, address - start);
        unmap(address + len, start + padded - address - len);
        advise(address, len);
        Some(Fresh { address, len, place })
    }

    /// The first byte.
    pub(crate) fn address(&self) -> usize {
        self.address
    }

    /// Keeps the mapping for as long as the process lives, and lists it.
    pub(crate) fn keep(self) {
        ADDRESSES[self.place].store(self.address, Relaxed);
        // Release: who sees the length sees the address.
        LENGTHS[self.place].store(self.len, Release);
        core::mem::forget(self);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        unmap(self.address, self.len);
    }
}

fn unmap(address: usize, len: usize) {
    if len > 0 {
        // SAFETY: the range is part of a mapping made above that nobody else knows of yet.
        unsafe { libc::munmap(address as *mut libc::c_void, len) };
    }
}

/// Keeps the tables out of huge pages, which would make a touched word cost 2 MiB, and out of core dumps, which also
/// keeps the kernel from merging them with jemalloc's mappings. Both are hints: refusal changes nothing but figures.
fn advise(address: usize, len: usize) {
    #[cfg(target_os = "linux")]
    for advice in [libc::MADV_NOHUGEPAGE, libc::MADV_DONTDUMP] {
        // SAFETY: the range was mapped above and holds no data yet.
        unsafe { libc::madvise(address as *mut libc::c_void, len, advice) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, len);
}

/// What the ledger's own tables take, in address space; only touched pages of it become resident.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TableUse {
    /// All of it: the next three together.
    pub mapped_bytes: u64,
    /// Counters, per thread slot.
    pub counters_bytes: u64,
    /// Page words, 2 MiB, and what is known of spans, 80 KiB, per GiB of address space that the heap has touched.
    pub page_words_bytes: u64,
    /// Rows of mixed pages.
    pub rows_bytes: u64,
    /// Bytes of rows that pages refer to now: those of mixed pages, and of pages that were mixed. Rows given back stay
    /// resident and are used again, so this is no bound of what is resident.
    pub rows_used_bytes: u64,
    /// Thread slots mapped; slots of ended threads are used again.
    pub thread_slots: usize,
    /// Threads that are registered now.
    pub threads: usize,
    /// Mappings that were refused. While it is not 0, some blocks are charged to `~other`, or to the region that their
    /// page belongs to.
    pub refused_maps: u64,
}

/// What the ledger's own tables take. A few loads; static tables (about 8 MiB of bss, touched sparsely) not included.
pub fn table_use() -> TableUse {
    let counters_bytes = counters::mapped_bytes() as u64;
    let page_words_bytes = pages::mapped_bytes() as u64;
    let rows_bytes = rows::mapped_bytes() as u64;
    TableUse {
        mapped_bytes: counters_bytes + page_words_bytes + rows_bytes,
        counters_bytes,
        page_words_bytes,
        rows_bytes,
        rows_used_bytes: rows::used_bytes() as u64,
        thread_slots: counters::slots(),
        threads: crate::threads::registered(),
        refused_maps: REFUSED.load(Relaxed) as u64,
    }
}

/// Writes `(address, bytes)` of the ledger's own mappings, the static tables last, and returns how many there are,
/// which may be more than fit. Cost: one load each.
pub fn table_ranges(out: &mut [(usize, usize)]) -> usize {
    let listed = LISTED.load(Relaxed);
    let statics = [
        counters::shared_range(),
        pages::root_range(),
        pages::no_words_range(),
        (ADDRESSES.as_ptr() as usize, size_of_val(&ADDRESSES)),
        (LENGTHS.as_ptr() as usize, size_of_val(&LENGTHS)),
    ];
    let mut count = 0;
    let mapped = (0..listed).map(|index| {
        // Acquire pairs with `keep`: a length that is not 0 yet belongs to a mapping that is being listed right now.
        let len = LENGTHS[index].load(Acquire);
        (ADDRESSES[index].load(Relaxed), len)
    });
    for range in mapped.filter(|range| range.1 > 0).chain(statics) {
        if let Some(place) = out.get_mut(count) {
            *place = range;
        }
        count += 1;
    }
    count
}
