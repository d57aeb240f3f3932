//! Rows of owners for mixed pages: 32 to 1024 bytes, from mapped chunks, used again through the lists of `list.rs`.
//!
//! Each page of a chunk has rows of one size, and begins with its number.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize};

use crate::classes::{CLASS_BYTES, PAGE_BYTES, slots_per_page};
use crate::eights::{EIGHT, all_are, load_eight};
use crate::list::FreeList;
use crate::maps::Fresh;
use crate::protocol::Rows;
use crate::row_sizes::{SIZES, serves, size_of_class};
use crate::words::Row;

const CHUNK_BYTES: usize = 1 << 20;
/// A word has this many bits for a row's address.
const ADDRESS_BITS: u32 = 47;

/// One list per size.
static FREE: [FreeList; SIZES.len()] = [const { FreeList::new() }; SIZES.len()];

/// By size, the next unused byte of its current page. At a multiple of the page size there is no room, or no page yet.
static NEXT_ROW: [AtomicUsize; SIZES.len()] = [const { AtomicUsize::new(0) }; SIZES.len()];
/// The next unused page of the current chunk. The first one of a chunk stays unused, so at a multiple of the chunk size there
/// is no room, or no chunk yet.
static NEXT_PAGE: AtomicUsize = AtomicUsize::new(0);
/// What a page of rows begins with: a cache line, so that no row lies across two if one can hold it.
const HEAD_BYTES: usize = 64;
static CHUNKS: AtomicUsize = AtomicUsize::new(0);
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Whether the last row that was looked at named one region only.
static LAST_WAS_OF_ONE: AtomicBool = AtomicBool::new(false);
/// As long as rows name several, one of so many is looked at.
const LOOKED_AT_ONE_OF: u32 = 8;

/// Whether a row of `class` named one region only, as far as is looked.
///
/// The answer may be wrong either way: then a page is mixed that could be pure, or the other way round, and is a little
/// slower. To look waits for memory that another processor may have read last, so most rows are not looked at.
fn was_of_one(class: usize, row: Row) -> bool {
    // Relaxed: a guess.
    let expected = LAST_WAS_OF_ONE.load(Relaxed);
    if !expected && !is_looked_at(row) {
        return false;
    }
    // Of the slots that a page can have, all but the last are in each page of a slab.
    let entries = &entries(class, row)[..PAGE_BYTES / CLASS_BYTES[class] as usize];
    let is_of_one = all_are(entries, entries[0].load(Relaxed));
    if is_of_one != expected {
        LAST_WAS_OF_ONE.store(is_of_one, Relaxed);
    }
    is_of_one
}

/// One row of [`LOOKED_AT_ONE_OF`], whatever the distances between rows are.
fn is_looked_at(row: Row) -> bool {
    // 2^32 divided by the golden ratio: its multiples lie evenly among all numbers of 32 bits.
    let spread = ((row.0 / SIZES[0]) as u32).wrapping_mul(0x9e37_79b9);
    spread < u32::MAX / LOOKED_AT_ONE_OF
}

/// The process's rows.
pub(crate) struct Heap;

impl Rows for Heap {
    #[inline(never)]
    fn take(&self, class: usize) -> Option<Row> {
        let size = size_of_class(class);
        let row = FREE[size].pop(self).or_else(|| carve(size))?;
        USED_BYTES.fetch_add(SIZES[size], Relaxed);
        Some(row)
    }

    #[inline(never)]
    fn give(&self, row: Row) {
        let size = size_of_row(row);
        USED_BYTES.fetch_sub(SIZES[size], Relaxed);
        FREE[size].push(self, row);
    }

    /// Unless the page was one region's: then it will probably be so again, and pure pages cost less.
    fn stays(&self, row: Row, of: usize, class: usize) -> bool {
        serves(size_of_row(row), class) && !was_of_one(of, row)
    }

    #[inline(always)]
    fn entry(&self, row: Row, slot: usize) -> &AtomicU16 {
        // The chunk is never unmapped, and every access to it is a 16-bit atomic one.
        let first = row.0 as *const AtomicU16;
        // SAFETY: `row` came from `take`, for a class with more than `slot` slots or for one whose rows serve it (`stays`), or
        // is the head of a page of rows; so the entry lies inside its chunk.
        let entry = unsafe { first.add(slot) };
        // SAFETY: as above; mapped memory is zeroed, which is a valid u16, and lives as long as the process.
        unsafe { &*entry }
    }
}

/// All entries of a row, for who only reads them: the row may be given to another page meanwhile.
#[inline]
pub(crate) fn entries(class: usize, row: Row) -> &'static [AtomicU16] {
    let count = slots_per_page(class);
    // SAFETY: `row` came from `take` for this class or for one whose rows serve it, so the entries lie inside its chunk, which
    // is zeroed when it is mapped, never unmapped, and accessed as 16-bit atomics only.
    unsafe { core::slice::from_raw_parts(row.0 as *const AtomicU16, count) }
}

/// Copies entries, as many as `out` has places, which are no more than there are. Each is loaded by itself, Relaxed; who
/// wants to know whether the row is still the page's asks afterwards.
#[inline]
pub(crate) fn copy(entries: &[AtomicU16], out: &mut [u16]) {
    let Some(entries) = entries.get(..out.len()) else { return };
    let (eights, _) = entries.as_chunks::<EIGHT>();
    let (out_eights, _) = out.as_chunks_mut::<EIGHT>();
    for (tags, entries) in out_eights.iter_mut().zip(eights) {
        *tags = load_eight(entries);
    }
    // PERF: the last ones together with some of those before, rather than one by one.
    match (out.last_chunk_mut::<EIGHT>(), entries.last_chunk::<EIGHT>()) {
        (Some(tags), Some(entries)) => *tags = load_eight(entries),
        _ => out.iter_mut().zip(entries).for_each(|(tag, entry)| *tag = entry.load(Relaxed)),
    }
}

/// Hints that an address is read soon. Any may be named.
#[inline(always)]
pub(crate) fn fetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Hints that the entries of a row are read soon.
#[inline]
pub(crate) fn prefetch(class: usize, row: Row) {
    fetch(row.0);
    // The first class whose entries fit in one line is that of 128 bytes; lines beyond the second follow by themselves.
    const LINE_BYTES: usize = 64;
    if slots_per_page(class) * size_of::<u16>() > LINE_BYTES {
        fetch(row.0 + LINE_BYTES);
    }
}

fn carve(size: usize) -> Option<Row> {
    let (bytes, next) = (SIZES[size], &NEXT_ROW[size]);
    let mut seen = next.load(Acquire);
    loop {
        let offset = seen % PAGE_BYTES;
        if offset != 0 && offset + bytes <= PAGE_BYTES {
            // Acquire pairs with Release below: who has a row sees the number that its page begins with.
            match next.compare_exchange_weak(seen, seen + bytes, Acquire, Acquire) {
                Ok(_) => return Some(Row(seen)),
                Err(now) => seen = now,
            }
            continue;
        }
        // Who loses a race for the page's place leaves it unused.
        let page = carve_page()?;
        Heap.entry(Row(page), 0).store(size as u16, Relaxed);
        let first = page + HEAD_BYTES;
        match next.compare_exchange(seen, first, Release, Acquire) {
            Ok(_) => seen = first,
            Err(now) => seen = now,
        }
    }
}

fn carve_page() -> Option<usize> {
    let mut seen = NEXT_PAGE.load(Relaxed);
    loop {
        if !seen.is_multiple_of(CHUNK_BYTES) {
            // Relaxed: the chunk's zeroes were made by the kernel before anybody knew its address.
            match NEXT_PAGE.compare_exchange_weak(seen, seen + PAGE_BYTES, Relaxed, Relaxed) {
                Ok(_) => return Some(seen),
                Err(now) => seen = now,
            }
            continue;
        }
        // An address that does not fit in a word is as good as none.
        let chunk = Fresh::map(CHUNK_BYTES, CHUNK_BYTES).filter(|chunk| chunk.address() >> ADDRESS_BITS == 0)?;
        let first = chunk.address() + PAGE_BYTES;
        match NEXT_PAGE.compare_exchange(seen, first, Relaxed, Relaxed) {
            Ok(_) => {
                CHUNKS.fetch_add(1, Relaxed);
                chunk.keep();
                seen = first;
            }
            Err(now) => seen = now,
        }
    }
}

/// The size of a row, as its page says it.
fn size_of_row(row: Row) -> usize {
    usize::from(Heap.entry(Row(row.0 / PAGE_BYTES * PAGE_BYTES), 0).load(Relaxed))
}

pub(crate) fn mapped_bytes() -> usize {
    CHUNKS.load(Relaxed) * CHUNK_BYTES
}

pub(crate) fn used_bytes() -> usize {
    USED_BYTES.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::FIRST_PAGED_CLASS;

    #[test]
    fn a_copy_has_the_first_entries_and_no_others() {
        let entries: Vec<AtomicU16> = (1..=40).map(AtomicU16::new).collect();
        for places in 0..=entries.len() {
            let mut out = [0; 41];
            copy(&entries, &mut out[..places]);
            let (copied, beyond) = out.split_at(places);
            assert!(copied.iter().copied().eq(1..=places as u16), "{places}: {copied:?}");
            assert!(beyond.iter().all(|tag| *tag == 0), "{places}");
        }
    }

    #[test]
    fn a_row_knows_its_size() {
        // More than a page holds of each size.
        for class in (0..FIRST_PAGED_CLASS).cycle().take(200 * FIRST_PAGED_CLASS) {
            let row = Heap.take(class).expect("memory");
            assert_eq!(size_of_row(row), size_of_class(class));
            assert!(slots_per_page(class) * size_of::<u16>() <= SIZES[size_of_row(row)], "{class}");
            assert!(row.0 % PAGE_BYTES >= HEAD_BYTES && row.0 % PAGE_BYTES + SIZES[size_of_row(row)] <= PAGE_BYTES);
        }
    }

    #[test]
    fn one_row_of_so_many_is_looked_at_whatever_its_size() {
        const ROWS: usize = 4096;
        const WANTED: usize = ROWS / LOOKED_AT_ONE_OF as usize;
        // The multiples of an irrational number are spread so evenly; half and twice as many would do as well.
        for bytes in SIZES {
            let looked_at = (1..=ROWS).filter(|number| is_looked_at(Row(number * bytes))).count();
            assert!((WANTED / 2..=2 * WANTED).contains(&looked_at), "{bytes}: {looked_at}");
        }
    }

    #[test]
    fn a_row_that_named_one_region_is_told_from_one_that_named_several() {
        // Of 1,792 bytes two blocks start in each page of a slab, in some a third.
        const CLASS: usize = 23;
        let row = Heap.take(CLASS).expect("memory");
        let write = |tags: [u16; 3]| (0..).zip(tags).for_each(|(slot, tag)| Heap.entry(row, slot).store(tag, Relaxed));
        let is_of_one = || {
            // So that it is looked at.
            LAST_WAS_OF_ONE.store(true, Relaxed);
            was_of_one(CLASS, row)
        };
        for (tags, expected) in [([7, 7, 7], true), ([7, 7, 8], true), ([7, 8, 7], false), ([8, 7, 7], false)] {
            write(tags);
            assert_eq!(is_of_one(), expected, "{tags:?}");
            assert_eq!(LAST_WAS_OF_ONE.load(Relaxed), expected, "{tags:?}");
        }
        Heap.give(row);
    }
}
