//! The rows. Each paragraph stands by itself: the guide prints it under the label, and nothing else explains the line.

mod beside;
mod heap;
mod kernel;
mod outside;
mod overhead;
mod unexplained;

use super::Line;

/// Every line, in the order of [`LineId`](super::LineId).
pub static LINES: [Line; 45] = [
    kernel::RSS,
    kernel::RSS_ANON,
    kernel::RSS_FILE,
    kernel::RSS_SHMEM,
    heap::LIVE,
    heap::PAST_LEDGER,
    heap::MOVED,
    heap::FREE_SLOTS,
    heap::THREAD_CACHES,
    heap::DIRTY,
    heap::MUZZY,
    heap::RETAINED_RESIDENT,
    overhead::BASE,
    overhead::LARGE_PADS,
    overhead::OWN_TABLES,
    overhead::SCRATCH,
    outside::FILE_PAGES,
    outside::FILE_WRITTEN,
    outside::SHARED_FILE,
    outside::SHARED_MEMORY,
    outside::VDSO,
    outside::BSS,
    outside::MAIN_STACK,
    outside::THREAD_STACKS,
    outside::LOADER,
    outside::GLIBC_HEAP,
    outside::GLIBC_ARENAS,
    outside::GLIBC_MMAPPED,
    unexplained::UNEXPLAINED,
    unexplained::UNATTRIBUTED,
    unexplained::COUNTER_GAP,
    beside::UNTOUCHED,
    beside::RETAINED,
    beside::SWAP,
    beside::PAGE_TABLES,
    beside::ZERO_PAGES,
    beside::ROUNDING,
    beside::INTERNAL,
    beside::USABLE,
    beside::ALLOCATED,
    beside::SLABS_RESIDENT,
    beside::PAST_ALLOCATED,
    beside::PEAK_RSS,
    beside::CGROUP_CURRENT,
    beside::CGROUP_LIMIT,
];
