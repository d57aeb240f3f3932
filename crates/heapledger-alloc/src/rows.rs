//! Rows of owners for mixed pages: 32 to 1024 bytes, from mapped chunks, used again through the lists of `list.rs`.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU16, AtomicUsize};

use crate::classes::slots_per_page;
use crate::eights::{EIGHT, load_eight};
use crate::list::FreeList;
use crate::maps::Fresh;
use crate::protocol::Rows;
use crate::words::{ROW_ALIGN_BYTES, Row};

const CHUNK_BYTES: usize = 1 << 20;
/// A word has this many bits for a row's address.
const ADDRESS_BITS: u32 = 47;
/// Sizes of rows in bytes; a class has the first that fits its slots.
const SIZES: [usize; 8] = [32, 64, 96, 128, 192, 256, 512, 1024];

/// One list per size.
static FREE: [FreeList; SIZES.len()] = [const { FreeList::new() }; SIZES.len()];

/// The next unused byte of the current chunk. Chunks are aligned and their first bytes stay unused, so an address at a
/// multiple of the chunk size means that there is no room (or no chunk yet).
static BUMP: AtomicUsize = AtomicUsize::new(0);
static CHUNKS: AtomicUsize = AtomicUsize::new(0);
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

fn size_index(class: usize) -> usize {
    let bytes = slots_per_page(class) * size_of::<u16>();
    SIZES.iter().position(|&size| size >= bytes).unwrap_or(SIZES.len() - 1)
}

/// The process's rows.
pub(crate) struct Heap;

impl Rows for Heap {
    #[inline(never)]
    fn take(&self, class: usize) -> Option<Row> {
        let index = size_index(class);
        let row = FREE[index].pop(self).or_else(|| carve(SIZES[index]))?;
        USED_BYTES.fetch_add(SIZES[index], Relaxed);
        Some(row)
    }

    #[inline(never)]
    fn give(&self, class: usize, row: Row) {
        let index = size_index(class);
        USED_BYTES.fetch_sub(SIZES[index], Relaxed);
        FREE[index].push(self, row);
    }

    #[inline(always)]
    fn entry(&self, row: Row, slot: usize) -> &AtomicU16 {
        // The chunk is never unmapped, and every access to it is a 16-bit atomic one.
        let first = row.0 as *const AtomicU16;
        // SAFETY: `row` came from `take` for a class with more than `slot` slots, so the entry lies inside its chunk.
        let entry = unsafe { first.add(slot) };
        // SAFETY: as above; mapped memory is zeroed, which is a valid u16, and lives as long as the process.
        unsafe { &*entry }
    }
}

/// All entries of a row, for who only reads them: the row may be given to another page meanwhile.
#[inline]
pub(crate) fn entries(class: usize, row: Row) -> &'static [AtomicU16] {
    let count = slots_per_page(class);
    // SAFETY: `row` came from `take` for this class, so the entries lie inside its chunk, which is zeroed when it is
    // mapped, never unmapped, and accessed as 16-bit atomics only.
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

fn carve(bytes: usize) -> Option<Row> {
    let mut seen = BUMP.load(Relaxed);
    loop {
        let offset = seen % CHUNK_BYTES;
        if offset != 0 && offset + bytes <= CHUNK_BYTES {
            // Relaxed: the chunk's zeroes were made by the kernel before anybody knew its address.
            match BUMP.compare_exchange_weak(seen, seen + bytes, Relaxed, Relaxed) {
                Ok(_) => return Some(Row(seen)),
                Err(now) => seen = now,
            }
            continue;
        }
        // An address that does not fit in a word is as good as none.
        let chunk = Fresh::map(CHUNK_BYTES, CHUNK_BYTES).filter(|chunk| chunk.address() >> ADDRESS_BITS == 0)?;
        let first = chunk.address() + ROW_ALIGN_BYTES;
        match BUMP.compare_exchange(seen, first, Relaxed, Relaxed) {
            Ok(_) => {
                CHUNKS.fetch_add(1, Relaxed);
                chunk.keep();
                seen = first;
            }
            Err(now) => seen = now,
        }
    }
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
}
