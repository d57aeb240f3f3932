//! The names of the lines.

use super::{LINES, Line};

/// Names a line; [`LineId::line`] is its row of the table.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LineId {
    /// Resident set size, as the kernel counts it.
    Rss,
    /// The anonymous part of RSS.
    RssAnon,
    /// The file-backed part of RSS.
    RssFile,
    /// The shared-memory part of RSS.
    RssShmem,
    /// Live bytes by region.
    Live,
    /// Blocks of jemalloc that the ledger never saw.
    PastLedger,
    /// Pages of jemalloc that changed hands while they were read.
    Moved,
    /// Free slots between blocks in use.
    FreeSlots,
    /// Blocks that threads keep for their next allocations.
    ThreadCaches,
    /// Freed pages that jemalloc keeps.
    Dirty,
    /// Freed pages that jemalloc offered to the kernel.
    Muzzy,
    /// Pages that jemalloc gave back and that are resident all the same.
    RetainedResident,
    /// jemalloc's own records.
    Base,
    /// What large extents have beyond their blocks.
    LargePads,
    /// The ledger's own tables.
    OwnTables,
    /// The statement's own buffers.
    Scratch,
    /// Pages of privately mapped files.
    FilePages,
    /// Such pages that were written.
    FileWritten,
    /// Pages of files that are mapped for sharing.
    SharedFile,
    /// Shared memory.
    SharedMemory,
    /// Code that the kernel lends.
    Vdso,
    /// Zero-initialised variables.
    Bss,
    /// The main thread's stack.
    MainStack,
    /// Stacks of other threads.
    ThreadStacks,
    /// The dynamic loader's records, and the main thread's variables.
    Loader,
    /// The C library's main heap.
    GlibcHeap,
    /// The C library's heaps of threads.
    GlibcArenas,
    /// The C library's blocks with mappings of their own.
    GlibcMmapped,
    /// What no line explains.
    Unexplained,
    /// Resident pages that no rule claims.
    Unattributed,
    /// The kernel's counters less the pages found.
    CounterGap,
    /// Live blocks without memory behind them.
    Untouched,
    /// Address space that jemalloc keeps without memory behind it.
    Retained,
    /// Bytes swapped out.
    Swap,
    /// The page tables of the process.
    PageTables,
    /// Pages that were read and never written.
    ZeroPages,
    /// What requests were rounded up by.
    Rounding,
    /// jemalloc's internal blocks, inside allocated.
    Internal,
    /// Usable bytes of all live blocks.
    Usable,
    /// What jemalloc has handed out, thread caches and internal blocks included.
    Allocated,
    /// Resident bytes of all slabs.
    SlabsResident,
    /// What jemalloc has handed out past the ledger.
    PastAllocated,
    /// The highest RSS so far.
    PeakRss,
    /// What the control group is charged for.
    CgroupCurrent,
    /// What the control group may be charged for.
    CgroupLimit,
}

impl LineId {
    /// Its row of the table.
    pub fn line(self) -> &'static Line {
        // The rows stand in the order of the enum, which a test asserts.
        &LINES[self as usize]
    }

    /// Its id in the JSON.
    pub fn key(self) -> &'static str {
        self.line().key
    }

    /// The line with this JSON id; `None` if this version of the table has none.
    pub fn from_key(key: &str) -> Option<Self> {
        LINES.iter().find(|line| line.key == key).map(|line| line.id)
    }
}
