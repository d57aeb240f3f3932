//! The rows. Each paragraph stands by itself: the guide prints it under the label, and nothing else explains the line.

use super::Measure::{Charged, Requested, Resident, Usable, Virtual};
use super::{Line, LineId, Role, Section};

/// Every line, in the order of [`LineId`].
pub static LINES: [Line; 20] = [
    Line {
        id: LineId::Rss,
        key: "rss",
        section: Section::Kernel,
        role: Role::Total,
        measure: Resident,
        label: "RSS by the kernel",
        source: "/proc/self/status: VmRSS",
        doc: "The resident set size: every byte of this process that is in memory, as the kernel counts it. It is \
              exactly the sum of the anonymous, file and shared-memory lines below it. It counts whole pages, and it \
              counts a page that is shared with another process in full. The kernel may keep part of the count per CPU \
              and fold it in later, so on machines with many CPUs it can lag the page tables by a few pages per CPU.",
    },
    Line {
        id: LineId::RssAnon,
        key: "rss_anon",
        section: Section::Kernel,
        role: Role::OfWhich(LineId::Rss),
        measure: Resident,
        label: "anonymous",
        source: "/proc/self/status: RssAnon",
        doc: "The part of RSS that no file backs: heaps, stacks, and private copies of file pages that were written. \
              All of jemalloc's memory that is resident is in here, which is why this figure caps the intervals of the \
              lines below.",
    },
    Line {
        id: LineId::RssFile,
        key: "rss_file",
        section: Section::Kernel,
        role: Role::OfWhich(LineId::Rss),
        measure: Resident,
        label: "file",
        source: "/proc/self/status: RssFile",
        doc: "The part of RSS that a file backs and that was not written privately: the program, its libraries, mapped \
              data. The kernel can drop these pages and read them again, so they are no leak, however large.",
    },
    Line {
        id: LineId::RssShmem,
        key: "rss_shmem",
        section: Section::Kernel,
        role: Role::OfWhich(LineId::Rss),
        measure: Resident,
        label: "shared memory",
        source: "/proc/self/status: RssShmem",
        doc: "The part of RSS in shared memory: System V segments, shared anonymous maps, files on tmpfs. Nothing that \
              the ledger counts is in here.",
    },
    Line {
        id: LineId::Live,
        key: "live",
        section: Section::InUse,
        role: Role::Summand,
        measure: Requested,
        label: "all regions",
        source: "counters of the ledger: allocated - freed",
        doc: "The bytes that the program asked for and has not freed, for each region by itself and in sum. They are \
              counted when a block is allocated and when it is freed, on any thread, so they are exact to the byte. In \
              a summary they are bytes requested, touched or not: a block that was never written is counted in full \
              although it may have no memory behind it. `self` bytes are those of the region's own name and sum up; \
              `subtree` bytes add every region whose path lies below it and are never summed. Each counter is read at \
              its own moment: while threads allocate, two regions of one summary are a few microseconds apart.",
    },
    Line {
        id: LineId::Rounding,
        key: "rounding",
        section: Section::OfWhich,
        role: Role::OfWhich(LineId::Usable),
        measure: Usable,
        label: "rounding to size classes",
        source: "counters of the ledger: usable - requested",
        doc: "What jemalloc hands out beyond the request, because every block belongs to a size class. It is exact if \
              no thread allocated while the counters were read. Otherwise blocks and requested bytes are moments apart \
              and their difference would be traffic, so the figure is the interval that the block counts alone allow: \
              from nothing to all of the usable bytes.",
    },
    Line {
        id: LineId::ThreadCaches,
        key: "thread_caches",
        section: Section::Freed,
        role: Role::Summand,
        measure: Usable,
        label: "thread caches",
        source: "jemalloc: stats.arenas.4096.tcache_bytes + tcache_stashed_bytes",
        doc: "Freed blocks that threads keep for their next allocations, in usable bytes, exact as of jemalloc's last \
              refresh. jemalloc counts them as allocated. How much of them is resident is not known to a summary. A \
              thread that exits gives its cache back.",
    },
    Line {
        id: LineId::Dirty,
        key: "dirty",
        section: Section::Freed,
        role: Role::Summand,
        measure: Resident,
        label: "dirty pages",
        source: "jemalloc: stats.arenas.4096.pdirty, capped by RssAnon",
        doc: "Whole free pages that jemalloc has not given back yet. Its count is only an upper bound of what is \
              resident: a large block is cut from an extent of the next size up, and the tail that nobody ever touched \
              is counted as dirty although no memory is behind it. So the interval starts at 0 and ends at the count, \
              or at the anonymous part of RSS if that is less. Dirty pages go when they decay, which needs allocations \
              or background threads.",
    },
    Line {
        id: LineId::Muzzy,
        key: "muzzy",
        section: Section::Freed,
        role: Role::Summand,
        measure: Resident,
        label: "muzzy pages",
        source: "jemalloc: stats.arenas.4096.pmuzzy, capped by RssAnon",
        doc: "Free pages that jemalloc has offered to the kernel (MADV_FREE). They stay in RSS until the kernel wants \
              them, and whether it took them is not visible in jemalloc's count, so the interval starts at 0. \
              jemalloc's own figure of resident bytes leaves them out although RSS counts them. With muzzy_decay_ms 0, \
              the default, there are none.",
    },
    Line {
        id: LineId::Base,
        key: "base",
        section: Section::Overhead,
        role: Role::Summand,
        measure: Resident,
        label: "jemalloc metadata",
        source: "jemalloc: mapped - page * (pactive + pdirty + pmuzzy), capped by RssAnon",
        doc: "The blocks in which jemalloc keeps its records: arenas, extents, its radix tree. The upper end is their \
              address space, which is what jemalloc has mapped beyond the pages of extents; it comes in units of 2 MiB \
              per arena, of which little is touched, so the upper end is far above the truth where there are many \
              arenas. A full statement counts the pages.",
    },
    Line {
        id: LineId::OwnTables,
        key: "own_tables",
        section: Section::Overhead,
        role: Role::Summand,
        measure: Resident,
        label: "the ledger's own tables",
        source: "the ledger's account of its own mappings, capped by RssAnon",
        doc: "Memory that the ledger itself uses beside the heap: counters for each thread, a word or two for each \
              page, rows for pages on which regions meet. The upper end is every byte that the ledger may have \
              written. A full statement counts the pages, and own_tables() of the crate heapledger does so at once.",
    },
    Line {
        id: LineId::Retained,
        key: "retained",
        section: Section::NotResident,
        role: Role::NotResident,
        measure: Virtual,
        label: "retained",
        source: "jemalloc: stats.retained",
        doc: "Address space that jemalloc has given back to the kernel and keeps the addresses of, so that it need not \
              map again. No memory is behind it, unless transparent huge pages are on for everything: then a huge page \
              can cover retained addresses, and a doubt says so.",
    },
    Line {
        id: LineId::Swap,
        key: "swap",
        section: Section::NotResident,
        role: Role::NotResident,
        measure: Virtual,
        label: "swap",
        source: "/proc/self/status: VmSwap",
        doc: "Anonymous bytes of this process that were written to swap. They left RSS without being freed, so a fall \
              of RSS with a rise of this line is pressure and not a release. Shared memory that was swapped is not in \
              it.",
    },
    Line {
        id: LineId::PageTables,
        key: "page_tables",
        section: Section::NotResident,
        role: Role::NotResident,
        measure: Resident,
        label: "page tables",
        source: "/proc/self/status: VmPTE",
        doc: "Memory that the kernel needs to map this process. It is not part of RSS, but a control group is charged \
              for it: 8 bytes for each mapped page, and more where the address space is sparse.",
    },
    Line {
        id: LineId::Usable,
        key: "usable",
        section: Section::Totals,
        role: Role::Total,
        measure: Usable,
        label: "live, rounded up",
        source: "counters of the ledger: blocks per size class, usable bytes of large blocks",
        doc: "The usable bytes of all live blocks: what their size classes hold, which is what jemalloc accounts for. \
              Requested bytes plus rounding is this figure. jemalloc's allocated is this figure plus thread caches \
              plus internal, unless code allocates from jemalloc past the ledger.",
    },
    Line {
        id: LineId::Allocated,
        key: "allocated",
        section: Section::Totals,
        role: Role::Total,
        measure: Usable,
        label: "allocated by jemalloc",
        source: "jemalloc: stats.allocated",
        doc: "The bytes that jemalloc has handed out, by its own count, exact as of its last refresh. It contains \
              blocks that threads cache after a free, and jemalloc's internal blocks, so it is more than what the \
              program holds. It says nothing of what is resident.",
    },
    Line {
        id: LineId::Internal,
        key: "internal",
        section: Section::OfWhich,
        role: Role::OfWhich(LineId::Allocated),
        measure: Usable,
        label: "internal",
        source: "jemalloc: stats.arenas.4096.internal",
        doc: "Blocks that jemalloc allocates from itself, mostly the thread caches' own stacks, about 28 KiB for each \
              thread. It is inside allocated, and jemalloc counts it inside its metadata too.",
    },
    Line {
        id: LineId::PeakRss,
        key: "peak_rss",
        section: Section::Totals,
        role: Role::Total,
        measure: Resident,
        label: "peak RSS",
        source: "/proc/self/status: VmHWM",
        doc: "The highest RSS since the process started, or since the peak was last reset through clear_refs. The \
              kernel keeps it, so no peak between two summaries is missed.",
    },
    Line {
        id: LineId::CgroupCurrent,
        key: "cgroup_current",
        section: Section::Totals,
        role: Role::Total,
        measure: Charged,
        label: "cgroup",
        source: "memory.current, or memory.usage_in_bytes, of the process's own control group",
        doc: "What the control group of this process is charged for: the memory of all its processes, the page cache \
              of files that they read, page tables, kernel memory. The kernel kills when this figure, not RSS, meets \
              the limit. It can be less than RSS, since a page is charged to the group that touched it first.",
    },
    Line {
        id: LineId::CgroupLimit,
        key: "cgroup_limit",
        section: Section::Totals,
        role: Role::Total,
        measure: Charged,
        label: "cgroup limit",
        source: "memory.max, or memory.limit_in_bytes, of the process's own control group",
        doc: "The hard limit of the process's own control group. The line is absent where none is set. A limit on a \
              parent group applies as well and is not looked for.",
    },
];
