//! The list: a hash table of slots and one of pages, in words of memory that is mapped when the first block is noted.
//!
//! A slot is where a block starts. Freed slots stay, with the region of their last block. A page remembers the slab or
//! the large block that it belongs to, and since when: what was noted of it before is of an earlier slab, whose last
//! owners nobody can be asked for.

use std::alloc::Layout;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};

/// Room for slots; twice as many as any probe uses.
const SLOTS: usize = 1 << 20;
/// Room for pages.
const PAGES: usize = 1 << 18;
const ENTRY_WORDS: usize = 4;
const WORDS: usize = (SLOTS + PAGES) * ENTRY_WORDS;

const PAGE_BYTES: u64 = 4096;

/// Usable bytes of the largest blocks that share slabs.
pub const SMALL_BYTES_MAX: u64 = 14_336;

/// A block that is handed out.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where it starts.
    pub address: u64,
    /// What was asked for.
    pub layout: Layout,
    /// What it can hold, by jemalloc's own word.
    pub usable: u64,
    /// The index of its region.
    pub region: usize,
}

/// A slot, as it is noted.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Where its blocks start.
    pub address: u64,
    /// What they can hold.
    pub usable: u64,
    /// What was asked for, the last time.
    pub requested: u64,
    /// Alignment that was asked for.
    pub align: u64,
    /// The index of the region of the block in it, or of the last one.
    pub region: usize,
    /// Whether there is a block in it.
    pub live: bool,
    /// When the last block was handed out, as a number of that event.
    pub since: u64,
}

/// A page, as it is noted.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Where it starts.
    pub address: u64,
    /// Since when blocks on it are of one slab, or of one large block.
    pub since: u64,
    /// The region of all blocks that ever marked it; `None` if there were several, or none: a block of up to a page
    /// marks the page that it starts in only.
    pub only_region: Option<usize>,
    /// Whether a block with pages of its own has it now: while that lives, its first page stands for all.
    pub in_large_block: bool,
}

/// Where the slab of a small block starts: a slab has the fewest pages that its slots fill to the last byte, so only
/// one page is at a multiple of the slot's size before the block.
pub fn slab_start(address: u64, usable: u64) -> u64 {
    let page = address - address % PAGE_BYTES;
    let starts = (0..slab_bytes(usable) / PAGE_BYTES).filter_map(|pages| page.checked_sub(pages * PAGE_BYTES));
    let mut starts = starts.filter(|start| (address - start).is_multiple_of(usable));
    starts.next().unwrap_or(page)
}

/// Bytes of a slab of slots of this size.
pub fn slab_bytes(usable: u64) -> u64 {
    let mut bytes = PAGE_BYTES;
    while !bytes.is_multiple_of(usable) {
        bytes += PAGE_BYTES;
    }
    bytes
}

/// Words, either of this process or a copy of another's.
#[derive(Debug)]
pub struct Table<T> {
    words: T,
}

static WORDS_OF_THIS: AtomicPtr<u64> = AtomicPtr::new(null_mut());
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Where the list lies, as address and bytes, if there is one.
pub fn place() -> Option<(usize, usize)> {
    let words = WORDS_OF_THIS.load(Acquire);
    (!words.is_null()).then_some((words as usize, WORDS * size_of::<u64>()))
}

/// Does something with the list, alone.
pub fn with_table<R>(work: impl FnOnce(&mut Table<&mut [u64]>) -> R) -> R {
    // Acquire and Release: who has the list sees what the last one wrote.
    while TAKEN.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
        // SAFETY: no precondition.
        unsafe { libc::sched_yield() };
    }
    let mut words = WORDS_OF_THIS.load(Relaxed);
    if words.is_null() {
        words = map();
        WORDS_OF_THIS.store(words, Release);
    }
    // SAFETY: so many words are mapped for good, and only who has the list has them.
    let words = unsafe { std::slice::from_raw_parts_mut(words, WORDS) };
    let result = work(&mut Table { words });
    TAKEN.store(false, Release);
    result
}

/// Without memory for the list there is nothing to compare; an allocator must not panic.
fn map() -> *mut u64 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping where the kernel chooses touches no memory of anybody.
    let words = unsafe { libc::mmap(null_mut(), WORDS * size_of::<u64>(), protection, flags, -1, 0) };
    if words == libc::MAP_FAILED {
        std::process::abort();
    }
    words.cast()
}

impl<T: AsRef<[u64]>> Table<T> {
    /// A copy of the words of another process.
    pub fn copied(words: T) -> Table<T> {
        assert_eq!(words.as_ref().len(), WORDS, "the list has one size");
        Table { words }
    }

    /// Every slot that ever had a block.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.words.as_ref()[..SLOTS * ENTRY_WORDS].chunks_exact(ENTRY_WORDS).filter(|entry| entry[0] != 0).map(slot)
    }

    /// The page of this number, if a block ever touched it.
    pub fn page(&self, number: u64) -> Option<Page> {
        let words = &self.words.as_ref()[SLOTS * ENTRY_WORDS..];
        let entry = &words[find(words, number)..][..ENTRY_WORDS];
        (entry[0] != 0).then(|| page(entry))
    }

    /// Every page that a block ever touched.
    pub fn pages(&self) -> impl Iterator<Item = Page> {
        self.words.as_ref()[SLOTS * ENTRY_WORDS..].chunks_exact(ENTRY_WORDS).filter(|entry| entry[0] != 0).map(page)
    }
}

fn slot(entry: &[u64]) -> Slot {
    Slot {
        address: entry[0],
        usable: entry[1] >> 32,
        requested: entry[1] & u64::from(u32::MAX),
        region: (entry[2] & 0xffff) as usize,
        live: entry[2] >> 16 & 1 != 0,
        align: 1 << (entry[2] >> 24),
        since: entry[3],
    }
}

fn page(entry: &[u64]) -> Page {
    let (region, marks) = ((entry[2] & 0xffff) as usize, entry[2] & (MARKED | SEVERAL));
    Page {
        address: entry[0] * PAGE_BYTES,
        since: entry[3],
        only_region: (marks == MARKED).then_some(region),
        in_large_block: entry[1] & 1 != 0 && entry[2] & FREED == 0,
    }
}

/// Of a page: blocks of several regions marked it.
const SEVERAL: u64 = 1 << 16;
/// Of a page: a block marked it.
const MARKED: u64 = 1 << 18;
/// Of a page: the large block on it was freed.
const FREED: u64 = 1 << 17;

/// Where the entry of a key is or would be, as an index of its first word.
fn find(words: &[u64], key: u64) -> usize {
    let entries = words.len() / ENTRY_WORDS;
    let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % entries;
    for _ in 0..entries {
        if words[at * ENTRY_WORDS] == key || words[at * ENTRY_WORDS] == 0 {
            return at * ENTRY_WORDS;
        }
        at = (at + 1) % entries;
    }
    // The list is full: there is nothing right to say any more.
    std::process::abort()
}

/// The entry of a key; empty if there is none yet.
fn entry_of(words: &mut [u64], key: u64) -> &mut [u64] {
    let at = find(words, key);
    &mut words[at..at + ENTRY_WORDS]
}

/// How often anything was noted.
static EVENTS: AtomicU64 = AtomicU64::new(1);

impl Table<&mut [u64]> {
    /// Notes a block that was handed out.
    pub fn allocated(&mut self, block: &Block) {
        // Under the lock, so any ordering does.
        let event = EVENTS.fetch_add(1, Relaxed);
        let (slots, pages) = self.words.split_at_mut(SLOTS * ENTRY_WORDS);
        let entry = entry_of(slots, block.address);
        let align = u64::from(block.layout.align().trailing_zeros());
        entry[0] = block.address;
        entry[1] = block.usable << 32 | block.layout.size() as u64;
        entry[2] = align << 24 | 1 << 16 | block.region as u64;
        entry[3] = event;
        // A large block is known by itself, a small one by its slab.
        let owner = if block.usable > SMALL_BYTES_MAX {
            event << 1 | 1
        } else {
            slab_start(block.address, block.usable) << 15 | block.usable << 1
        };
        for number in block.address / PAGE_BYTES..(block.address + block.usable).div_ceil(PAGE_BYTES) {
            let entry = entry_of(pages, number);
            entry[0] = number;
            if entry[1] != owner {
                entry[1] = owner;
                entry[3] = event;
            }
            entry[2] &= !FREED;
            if block.usable > PAGE_BYTES || number == block.address / PAGE_BYTES {
                let region = block.region as u64 | MARKED;
                let several = entry[2] != 0 && entry[2] != region;
                entry[2] = region | if several { SEVERAL } else { 0 };
            }
        }
    }

    /// Notes that the block which starts there is freed, and gives its region; `None` if there is none.
    pub fn freed(&mut self, address: u64) -> Option<usize> {
        let (slots, pages) = self.words.split_at_mut(SLOTS * ENTRY_WORDS);
        let entry = entry_of(slots, address);
        let was = slot(entry);
        entry[2] &= !(1 << 16);
        if entry[0] == 0 || !was.live {
            return None;
        }
        if was.usable > SMALL_BYTES_MAX {
            for number in address / PAGE_BYTES..(address + was.usable).div_ceil(PAGE_BYTES) {
                entry_of(pages, number)[2] |= FREED;
            }
        }
        Some(was.region)
    }
}
