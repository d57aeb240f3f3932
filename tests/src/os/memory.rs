//! Address space, residency, and limits on them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

/// The process as the kernel counts it, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Address space (VmSize).
    pub virtual_bytes: u64,
    /// Resident memory (VmRSS).
    pub resident_bytes: u64,
}

/// Reads `/proc/self/statm` without touching the heap, whose size may be what is measured.
pub fn sizes() -> Sizes {
    let mut buffer = [0_u8; 256];
    let mut file = File::open("/proc/self/statm").expect("/proc/self/statm tells the size of the process");
    let len = file.read(&mut buffer).expect("/proc/self/statm can be read");
    let text = std::str::from_utf8(&buffer[..len]).expect("/proc/self/statm is text");
    let mut pages = text.split_ascii_whitespace().map(|field| field.parse::<u64>().expect("pages are numbers"));
    let mut bytes = || pages.next().expect("statm starts with size and resident") * PAGE_BYTES as u64;
    Sizes { virtual_bytes: bytes(), resident_bytes: bytes() }
}

/// Bytes of a page; the tests that need it run on 4 KiB pages.
pub const PAGE_BYTES: usize = 4096;

/// How many pages of these ranges are present, by `/proc/self/pagemap`. Counts the shared page of zeroes too.
pub fn present_pages(ranges: &[(usize, usize)]) -> u64 {
    const PRESENT: u64 = 1 << 63;
    let mut pagemap = File::open("/proc/self/pagemap").expect("/proc/self/pagemap tells which pages are present");
    let mut buffer = [0_u8; 8 * 512];
    let mut present = 0;
    for &(address, len) in ranges {
        let (mut page, end) = (address / PAGE_BYTES, (address + len).div_ceil(PAGE_BYTES));
        pagemap.seek(SeekFrom::Start(8 * page as u64)).expect("pagemap has a word per page");
        while page < end {
            let words = (end - page).min(buffer.len() / 8);
            pagemap.read_exact(&mut buffer[..8 * words]).expect("pagemap has a word per page");
            let entries = buffer[..8 * words].chunks_exact(8);
            let word = |entry: &[u8]| u64::from_ne_bytes(entry.try_into().expect("chunks of eight bytes"));
            present += entries.filter(|entry| word(entry) & PRESENT != 0).count() as u64;
            page += words;
        }
    }
    present
}

/// Limits the address space of this process to what it has now and `more` bytes; the limit can be lifted again.
pub fn limit_address_space(more: u64) {
    set_soft_limit(sizes().virtual_bytes + more);
}

/// Lifts what `limit_address_space` set.
pub fn lift_address_space_limit() {
    set_soft_limit(limits().rlim_max);
}

fn limits() -> libc::rlimit {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is a valid rlimit.
    super::check("getrlimit", unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limits) });
    limits
}

fn set_soft_limit(bytes: u64) {
    let limits = libc::rlimit { rlim_cur: bytes, ..limits() };
    // SAFETY: the place is a valid rlimit.
    super::check("setrlimit", unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limits) });
}

/// Whether others see what is written to a mapping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sharing {
    /// Nobody.
    Private,
    /// Whoever maps the same.
    Shared,
}

/// Memory that is never given back.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    start: *mut u8,
    bytes: usize,
}

impl Memory {
    pub(super) fn of(start: *mut u8, bytes: usize) -> Memory {
        Memory { start, bytes }
    }

    /// Where it begins.
    pub fn address(self) -> usize {
        self.start as usize
    }

    /// Reads a byte of each of its pages.
    pub fn read(self) {
        for offset in (0..self.bytes).step_by(PAGE_BYTES) {
            // SAFETY: inside the memory, which is never given back.
            unsafe { self.start.wrapping_add(offset).read_volatile() };
        }
    }

    /// Writes one byte.
    pub fn write_at(self, offset: usize) {
        assert!(offset < self.bytes);
        // SAFETY: inside the memory, which is never given back and which nobody else knows of.
        unsafe { self.start.wrapping_add(offset).write_volatile(1) };
    }

    /// Gives its pages back to the kernel; it is a mapping, and reads as zeroes then.
    pub fn give_back(self) {
        // SAFETY: a mapping of our own, in which nobody keeps anything.
        super::check("madvise", unsafe { libc::madvise(self.start.cast(), self.bytes, libc::MADV_DONTNEED) });
    }

    /// Writes a byte into each page of the first `bytes`, and the last of them.
    pub fn write(self, bytes: usize) {
        assert!(bytes <= self.bytes);
        for offset in (0..bytes).step_by(PAGE_BYTES).chain([bytes - 1]) {
            // SAFETY: inside the memory, which is never given back and which nobody else knows of.
            unsafe { self.start.wrapping_add(offset).write_volatile(1) };
        }
    }
}

/// A new mapping that can be read and written.
pub fn map(bytes: usize, sharing: Sharing, file: Option<&File>) -> Memory {
    let shared = if sharing == Sharing::Shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
    let flags = shared | if file.is_some() { 0 } else { libc::MAP_ANONYMOUS };
    let file = file.map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: a new mapping where the kernel chooses touches no memory of anybody.
    let start = unsafe { libc::mmap(null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, file, 0) };
    assert!(start != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    Memory { start: start.cast(), bytes }
}

/// The same, anonymous and private, with a page before and one behind that nobody may touch.
pub fn map_guarded(bytes: usize) -> Memory {
    let whole = bytes + 2 * PAGE_BYTES;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: as in `map`.
    let start = unsafe { libc::mmap(null_mut(), whole, libc::PROT_NONE, flags, -1, 0) };
    assert!(start != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    let start = start.cast::<u8>().wrapping_add(PAGE_BYTES);
    // SAFETY: inside the mapping just made.
    super::check("mprotect", unsafe { libc::mprotect(start.cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) });
    Memory { start, bytes }
}

/// A mapping that is made and given back at once.
pub fn map_and_unmap(bytes: usize) {
    let memory = map(bytes, Sharing::Private, None);
    // SAFETY: the mapping was just made, and nobody has it.
    super::check("munmap", unsafe { libc::munmap(memory.start.cast(), bytes) });
}

/// A block of the C library's own malloc.
pub fn c_malloc(bytes: usize) -> Memory {
    // SAFETY: no precondition; the block is kept.
    let start = unsafe { libc::malloc(bytes) };
    assert!(!start.is_null(), "there is memory for a test's blocks");
    Memory { start: start.cast(), bytes }
}

/// The same, at a multiple of `align`.
pub fn c_aligned(bytes: usize, align: usize) -> Memory {
    let mut start = null_mut();
    // SAFETY: the place is valid, and the alignment a power of two and a multiple of a pointer's size; the block is kept.
    let result = unsafe { libc::posix_memalign(&raw mut start, align, bytes) };
    assert_eq!(result, 0, "there is memory for a test's blocks");
    Memory { start: start.cast(), bytes }
}

/// Of such a block with a mapping of its own: where that begins, by the word that glibc keeps before the block.
pub fn c_mapping_of(block: Memory) -> usize {
    let header = block.start.wrapping_sub(2 * size_of::<usize>()).cast::<usize>();
    // SAFETY: glibc's two words before each block; nobody writes them while the block lives.
    let skipped = unsafe { header.read() };
    header as usize - skipped
}
