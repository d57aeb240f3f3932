//! What no line explains.

use crate::lines::Measure::Resident;
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const UNEXPLAINED: Line = Line {
    id: LineId::Unexplained,
    depth: Depth::Full,
    key: "unexplained",
    section: Section::Unexplained,
    role: Role::Total,
    measure: Resident,
    label: "unexplained",
    source: "unattributed + counter gap",
    full_source: "",
    doc: "What the lines above do not explain of RSS: resident pages that no rule claims, and the difference between \
          the kernel's count and the pages that were found. It is computed from these two and never as a remainder of \
          RSS, it is signed, and nothing clamps it. A reader can check that the lines and this one sum to RSS. It is \
          exact where PAGEMAP_SCAN tells the pages, and an interval where pages of zeroes, or shared after a fork, \
          look like others: with the file pagemap, and with mincore.",
};

pub(super) const UNATTRIBUTED: Line = Line {
    id: LineId::Unattributed,
    depth: Depth::Full,
    key: "unattributed",
    section: Section::Unexplained,
    role: Role::OfWhich(LineId::Unexplained),
    measure: Resident,
    label: "unattributed",
    source: "page walk: resident pages that no rule claims",
    full_source: "",
    doc: "Resident pages of anonymous memory that is neither jemalloc's, nor the C library's, nor a stack, nor the \
          ledger's: mostly memory that the program mapped itself, and small pieces of the dynamic linker. Each range \
          is listed by its addresses, which a search in /proc/self/maps or in the code's own log of mappings can \
          tell. If jemalloc's extents could not be read, all of its memory is here.",
};

pub(super) const COUNTER_GAP: Line = Line {
    id: LineId::CounterGap,
    depth: Depth::Full,
    key: "counter_gap",
    section: Section::Unexplained,
    role: Role::OfWhich(LineId::Unexplained),
    measure: Resident,
    label: "counter gap",
    source: "/proc/self/status: RssAnon, RssFile, RssShmem, less the pages that the walk found of each kind",
    full_source: "",
    doc: "The kernel's counters less the pages that were found, for each kind by itself: anonymous, file, shared \
          memory. In a quiet process it is 0. While threads run it is what came and went between the readings. That \
          is at most the skew, but for pages that come without a fault of their own while others go: a fault on a \
          file maps up to 16 pages, and MAP_POPULATE and huge pages that the program asked for bring many at once. \
          From Linux 6.2 on each CPU keeps a part of the counters; where status does not add the parts up (6.18 does) \
          they lag by some dozen pages per CPU. Where a kind differs by more than the skew, smaps_rollup is read, \
          which goes through the page tables (3.5 to 10 ms per resident GiB): a note then says whether the counters \
          are wrong or the pages. Anonymous pages that the kernel is moving are found, unless some of the process are \
          in swap.",
};
