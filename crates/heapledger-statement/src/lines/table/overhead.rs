//! What keeping books costs.

use crate::lines::Measure::Resident;
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const BASE: Line = Line {
    id: LineId::Base,
    depth: Depth::Quick,
    key: "base",
    section: Section::Overhead,
    role: Role::Summand,
    measure: Resident,
    label: "jemalloc metadata",
    source: "jemalloc: mapped - page * (pactive + pdirty + pmuzzy), capped by RssAnon",
    full_source: "page walk: resident pages of jemalloc's base blocks",
    doc: "The blocks in which jemalloc keeps its records: arenas, extents, its radix tree. The upper end is their \
          address space, which is what jemalloc has mapped beyond the pages of extents; it comes in units of 2 MiB \
          per arena, of which little is touched, so the upper end is far above the truth where there are many arenas. \
          A full statement counts the pages.",
};

pub(super) const LARGE_PADS: Line = Line {
    id: LineId::LargePads,
    depth: Depth::Full,
    key: "large_pads",
    section: Section::Overhead,
    role: Role::Summand,
    measure: Resident,
    label: "large pads",
    source: "page walk: resident part of large extents beyond their blocks",
    full_source: "",
    doc: "jemalloc gives every large block a page more than its size, so that it can start at a random cache line \
          within it. What of that page is resident and belongs to no block is counted here: at most a page for each \
          large block, less where the option cache_oblivious is off.",
};

pub(super) const OWN_TABLES: Line = Line {
    id: LineId::OwnTables,
    depth: Depth::Quick,
    key: "own_tables",
    section: Section::Overhead,
    role: Role::Summand,
    measure: Resident,
    label: "the ledger's own tables",
    source: "the ledger's account of its own mappings, capped by RssAnon",
    full_source: "page walk: resident pages of the ledger's own mappings",
    doc: "Memory that the ledger itself uses beside the heap: counters for each thread, a word for each page and a tag \
          for each 32 of them, rows for pages on which regions meet, the page maps of marks, and the lists of where all \
          that lies. Names of regions are not in it: they are live blocks of ~ledger. The upper end is every byte that the ledger may have written. A full \
          statement counts the pages, and own_tables() of the crate heapledger does so at once.",
};

pub(super) const SCRATCH: Line = Line {
    id: LineId::Scratch,
    depth: Depth::Full,
    key: "scratch",
    section: Section::Overhead,
    role: Role::Summand,
    measure: Resident,
    label: "buffers of the statement",
    source: "walk over the pages",
    full_source: "",
    doc: "The buffers of the statement itself: the list of mappings, runs of pages, counters. They are mapped and \
          touched before the first reading, so that the reading changes nothing, and unmapped when it is done; the \
          next statement has them again.",
};
