//! What is beside the sum: not in RSS, parts, totals.

use crate::lines::Measure::{Charged, Resident, Usable, Virtual};
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const UNTOUCHED: Line = Line {
    id: LineId::Untouched,
    depth: Depth::Full,
    key: "untouched",
    section: Section::NotResident,
    role: Role::NotResident,
    measure: Usable,
    label: "live and untouched",
    source: "usable bytes of live blocks less the resident part",
    full_source: "",
    doc: "Usable bytes of live blocks with no memory behind them: buffers that were reserved and never written, or \
          only read. They enter RSS when they are first written. Pages of live blocks that were swapped out are in it \
          as well.",
};

pub(super) const RETAINED: Line = Line {
    id: LineId::Retained,
    depth: Depth::Quick,
    key: "retained",
    section: Section::NotResident,
    role: Role::NotResident,
    measure: Virtual,
    label: "retained",
    source: "jemalloc: stats.retained",
    full_source: "jemalloc: stats.retained, less what of it is resident",
    doc: "Address space that jemalloc has given back to the kernel and keeps the addresses of, so that it need not \
          map again. No memory is behind it, unless transparent huge pages are on for everything: then a huge page \
          can cover retained addresses, and a doubt says so.",
};

pub(super) const SWAP: Line = Line {
    id: LineId::Swap,
    depth: Depth::Quick,
    key: "swap",
    section: Section::NotResident,
    role: Role::NotResident,
    measure: Virtual,
    label: "swap",
    source: "/proc/self/status: VmSwap",
    full_source: "",
    doc: "Anonymous bytes of this process that were written to swap. They left RSS without being freed, so a fall of \
          RSS with a rise of this line is pressure and not a release. Shared memory that was swapped is not in it.",
};

pub(super) const PAGE_TABLES: Line = Line {
    id: LineId::PageTables,
    depth: Depth::Quick,
    key: "page_tables",
    section: Section::NotResident,
    role: Role::NotResident,
    measure: Resident,
    label: "page tables",
    source: "/proc/self/status: VmPTE",
    full_source: "",
    doc: "Memory that the kernel needs to map this process. It is not part of RSS, but a control group is charged for \
          it: 8 bytes for each mapped page, and more where the address space is sparse.",
};

pub(super) const ZERO_PAGES: Line = Line {
    id: LineId::ZeroPages,
    depth: Depth::Full,
    key: "zero_pages",
    section: Section::NotResident,
    role: Role::NotResident,
    measure: Virtual,
    label: "zero pages",
    source: "walk over the pages",
    full_source: "",
    doc: "Pages of anonymous memory that were read and never written. The kernel maps its one page of zeroes there, \
          which is in the address space and not in RSS; mincore counts it, and so do tools that use it.",
};

pub(super) const ROUNDING: Line = Line {
    id: LineId::Rounding,
    depth: Depth::Quick,
    key: "rounding",
    section: Section::OfWhich,
    role: Role::OfWhich(LineId::Usable),
    measure: Usable,
    label: "rounding to size classes",
    source: "counters of the ledger: usable - requested",
    full_source: "",
    doc: "What jemalloc hands out beyond the request, because every block belongs to a size class. It is exact if no \
          thread allocated while the counters were read. Otherwise blocks and requested bytes are moments apart and \
          their difference would be traffic, so the figure is the interval that the block counts alone allow: from \
          nothing to all of the usable bytes.",
};

pub(super) const INTERNAL: Line = Line {
    id: LineId::Internal,
    depth: Depth::Quick,
    key: "internal",
    section: Section::OfWhich,
    role: Role::OfWhich(LineId::Allocated),
    measure: Usable,
    label: "internal",
    source: "jemalloc: stats.arenas.4096.internal",
    full_source: "",
    doc: "Blocks that jemalloc allocates from itself, mostly the thread caches' own stacks, about 28 KiB for each \
          thread. It is inside allocated, and jemalloc counts it inside its metadata too.",
};

pub(super) const USABLE: Line = Line {
    id: LineId::Usable,
    depth: Depth::Quick,
    key: "usable",
    section: Section::Totals,
    role: Role::Total,
    measure: Usable,
    label: "live, rounded up",
    source: "counters of the ledger: blocks per size class, usable bytes of large blocks",
    full_source: "",
    doc: "The usable bytes of all live blocks: what their size classes hold, which is what jemalloc accounts for. \
          Requested bytes plus rounding is this figure. jemalloc's allocated is this figure plus thread caches plus \
          internal, unless code allocates from jemalloc past the ledger.",
};

pub(super) const ALLOCATED: Line = Line {
    id: LineId::Allocated,
    depth: Depth::Quick,
    key: "allocated",
    section: Section::Totals,
    role: Role::Total,
    measure: Usable,
    label: "allocated by jemalloc",
    source: "jemalloc: stats.allocated",
    full_source: "",
    doc: "The bytes that jemalloc has handed out, by its own count, exact as of its last refresh. It contains blocks \
          that threads cache after a free, and jemalloc's internal blocks, so it is more than what the program holds. \
          It says nothing of what is resident.",
};

pub(super) const SLABS_RESIDENT: Line = Line {
    id: LineId::SlabsResident,
    depth: Depth::Full,
    key: "slabs_resident",
    section: Section::Totals,
    role: Role::Total,
    measure: Resident,
    label: "slabs",
    source: "page walk: resident pages of slabs",
    full_source: "",
    doc: "Resident bytes of all slabs: live small blocks, cached ones and free slots together. It is exact even where \
          the split between them is an interval, which happens when a slab is partly out of memory: then a page does \
          not tell which of the slots on it are live.",
};

pub(super) const PAST_ALLOCATED: Line = Line {
    id: LineId::PastAllocated,
    depth: Depth::Full,
    key: "past_allocated",
    section: Section::Totals,
    role: Role::Total,
    measure: Usable,
    label: "past the ledger",
    source: "jemalloc: allocated - usable of live blocks - tcache_bytes - tcache_stashed_bytes - internal",
    full_source: "",
    doc: "What jemalloc has handed out and neither the ledger's counters nor jemalloc's caches hold, in usable bytes, \
          resident or not. In a quiet process without C code that allocates from jemalloc it is exactly 0, which \
          proves the counters against jemalloc's. It is signed: traffic between the readings shows as a small amount \
          of either sign.",
};

pub(super) const PEAK_RSS: Line = Line {
    id: LineId::PeakRss,
    depth: Depth::Quick,
    key: "peak_rss",
    section: Section::Totals,
    role: Role::Total,
    measure: Resident,
    label: "peak RSS",
    source: "/proc/self/status: VmHWM",
    full_source: "",
    doc: "The highest RSS since the process started, or since the peak was last reset through clear_refs. The kernel \
          keeps it, so no peak between two summaries is missed.",
};

pub(super) const CGROUP_CURRENT: Line = Line {
    id: LineId::CgroupCurrent,
    depth: Depth::Quick,
    key: "cgroup_current",
    section: Section::Totals,
    role: Role::Total,
    measure: Charged,
    label: "cgroup",
    source: "memory.current, or memory.usage_in_bytes, of the process's own control group",
    full_source: "",
    doc: "What the control group of this process is charged for: the memory of all its processes, the page cache of \
          files that they read, page tables, kernel memory. The kernel kills when this figure, not RSS, meets the \
          limit. It can be less than RSS, since a page is charged to the group that touched it first.",
};

pub(super) const CGROUP_LIMIT: Line = Line {
    id: LineId::CgroupLimit,
    depth: Depth::Quick,
    key: "cgroup_limit",
    section: Section::Totals,
    role: Role::Total,
    measure: Charged,
    label: "cgroup limit",
    source: "memory.max, or memory.limit_in_bytes, of the process's own control group",
    full_source: "",
    doc: "The hard limit of the process's own control group. The line is absent where none is set. A limit on a \
          parent group applies as well and is not looked for.",
};
