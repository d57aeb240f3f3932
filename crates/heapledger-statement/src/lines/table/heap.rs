//! Bytes of jemalloc that are in use, and bytes that it keeps.

use crate::lines::Measure::{Requested, Resident, Usable};
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const LIVE: Line = Line {
    id: LineId::Live,
    depth: Depth::Quick,
    key: "live",
    section: Section::InUse,
    role: Role::Summand,
    measure: Requested,
    label: "all regions",
    source: "counters of the ledger: allocated - freed",
    full_source: "counters of the ledger, and the page walk for what of it is resident",
    doc: "The bytes that the program asked for and has not freed, for each region by itself and in sum. They are \
          counted when a block is allocated and when it is freed, on any thread, so they are exact to the byte. In a \
          summary they are bytes requested, touched or not: a block that was never written is counted in full \
          although it may have no memory behind it. `self` bytes are those of the region's own name and sum up; \
          `subtree` bytes add every region whose path lies below it and are never summed. In a full statement they \
          are the resident bytes of live blocks, as usable in their size classes: exact for large blocks, and for \
          small ones wherever every slab is in memory; else an interval, because a slot that a thread caches and a \
          slot that is live look alike. Each counter is read at its own moment: while threads allocate, two regions \
          of one summary are a few microseconds apart.",
};

pub(super) const PAST_LEDGER: Line = Line {
    id: LineId::PastLedger,
    depth: Depth::Full,
    key: "past_ledger",
    section: Section::InUse,
    role: Role::Summand,
    measure: Resident,
    label: "past the ledger",
    source: "page walk and jemalloc: allocated - usable of live blocks - thread caches - internal",
    full_source: "",
    doc: "Blocks of jemalloc that the ledger never saw: C code under jemalloc's feature \
          unprefixed_malloc_on_supported_platforms, or direct calls of jemalloc. How many bytes they are is the \
          difference of jemalloc's allocated and what the counters and the thread caches hold; where their pages are \
          is known from slots and extents in use that no live block of the ledger fills. In a forked child it is also \
          what threads that did not come along had cached, which no cache lists any more. In other programs it is 0.",
};

pub(super) const MOVED: Line = Line {
    id: LineId::Moved,
    depth: Depth::Full,
    key: "moved",
    section: Section::InUse,
    role: Role::Summand,
    measure: Resident,
    label: "moved while it was read",
    source: "walk over the pages",
    full_source: "",
    doc: "Resident pages of jemalloc whose extent was changed by another thread at every try to read it. They are \
          jemalloc's, but on which line they stand could not be told. In a quiet process there are none.",
};

pub(super) const FREE_SLOTS: Line = Line {
    id: LineId::FreeSlots,
    depth: Depth::Full,
    key: "free_slots",
    section: Section::Freed,
    role: Role::Summand,
    measure: Resident,
    label: "free slots in slabs",
    source: "page walk: slots of slabs that are not allocated",
    full_source: "",
    doc: "Small blocks live in slabs, a few pages cut into slots of one size. A slab goes back only when all of its \
          slots are free, so free slots stay in memory for as long as one block beside them is in use. Each slab is \
          pinned by the regions with allocated slots in it: the parts say of how many bytes a region alone keeps the \
          slab, and how many are kept by several regions together (shared). What a slab has beyond its slots is \
          counted here too.",
};

pub(super) const THREAD_CACHES: Line = Line {
    id: LineId::ThreadCaches,
    depth: Depth::Quick,
    key: "thread_caches",
    section: Section::Freed,
    role: Role::Summand,
    measure: Usable,
    label: "thread caches",
    source: "jemalloc: stats.arenas.4096.tcache_bytes + tcache_stashed_bytes",
    full_source: "page walk: allocated slots and extents - live blocks of the counters; proved by tcache_bytes + \
                  tcache_stashed_bytes + internal",
    doc: "Freed blocks that threads keep for their next allocations, in usable bytes, exact as of jemalloc's last \
          refresh. jemalloc counts them as allocated. How much of them is resident is not known to a summary; a full \
          statement counts it, together with jemalloc's internal blocks, which are mostly the caches' own stacks. A \
          thread that exits gives its cache back.",
};

pub(super) const DIRTY: Line = Line {
    id: LineId::Dirty,
    depth: Depth::Quick,
    key: "dirty",
    section: Section::Freed,
    role: Role::Summand,
    measure: Resident,
    label: "dirty pages",
    source: "jemalloc: stats.arenas.4096.pdirty, capped by RssAnon",
    full_source: "page walk: resident pages of extents in state dirty",
    doc: "Whole free pages that jemalloc has not given back yet. Its count is only an upper bound of what is \
          resident: a large block is cut from an extent of the next size up, and the tail that nobody ever touched is \
          counted as dirty although no memory is behind it. A full statement counts the pages that are resident, by \
          the region whose block lay there last. In a summary the interval starts at 0 and ends at the count, or at \
          the anonymous part of RSS if that is less. Dirty pages go when they decay, which needs allocations or \
          background threads.",
};

pub(super) const MUZZY: Line = Line {
    id: LineId::Muzzy,
    depth: Depth::Quick,
    key: "muzzy",
    section: Section::Freed,
    role: Role::Summand,
    measure: Resident,
    label: "muzzy pages",
    source: "jemalloc: stats.arenas.4096.pmuzzy, capped by RssAnon",
    full_source: "page walk: resident pages of extents in state muzzy",
    doc: "Free pages that jemalloc has offered to the kernel (MADV_FREE). They stay in RSS until the kernel wants \
          them, and whether it took them is not visible in jemalloc's count, so in a summary the interval starts at \
          0; a full statement counts the pages. jemalloc's own figure of resident bytes leaves them out although RSS \
          counts them. With muzzy_decay_ms 0, the default, there are none.",
};

pub(super) const RETAINED_RESIDENT: Line = Line {
    id: LineId::RetainedResident,
    depth: Depth::Full,
    key: "retained_resident",
    section: Section::Freed,
    role: Role::Summand,
    measure: Resident,
    label: "retained, yet resident",
    source: "page walk: resident pages of extents in state retained",
    full_source: "",
    doc: "Pages that jemalloc gave back and keeps the addresses of, and that are in memory all the same. Only \
          transparent huge pages do that: a huge page that covers the end of a block covers retained addresses behind \
          it too. Without them this line is 0.",
};
