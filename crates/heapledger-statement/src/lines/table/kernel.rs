//! RSS and the kernel's split of it.

use crate::lines::Measure::Resident;
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const RSS: Line = Line {
    id: LineId::Rss,
    depth: Depth::Quick,
    key: "rss",
    section: Section::Kernel,
    role: Role::Total,
    measure: Resident,
    label: "RSS by the kernel",
    source: "/proc/self/status: VmRSS",
    full_source: "",
    doc: "The resident set size: every byte of this process that is in memory, as the kernel counts it. It is exactly \
          the sum of the anonymous, file and shared-memory lines below it. It counts whole pages, and it counts a \
          page that is shared with another process in full. From Linux 6.2 on each CPU keeps a part of the count, some \
          dozen pages at most; status adds the parts up on newer kernels (measured on 6.18), and before it lags the \
          page tables by them.",
};

pub(super) const RSS_ANON: Line = Line {
    id: LineId::RssAnon,
    depth: Depth::Quick,
    key: "rss_anon",
    section: Section::Kernel,
    role: Role::OfWhich(LineId::Rss),
    measure: Resident,
    label: "anonymous",
    source: "/proc/self/status: RssAnon",
    full_source: "",
    doc: "The part of RSS that no file backs: heaps, stacks, and private copies of file pages that were written. All \
          of jemalloc's memory that is resident is in here, which is why this figure caps the intervals of the lines \
          below.",
};

pub(super) const RSS_FILE: Line = Line {
    id: LineId::RssFile,
    depth: Depth::Quick,
    key: "rss_file",
    section: Section::Kernel,
    role: Role::OfWhich(LineId::Rss),
    measure: Resident,
    label: "file",
    source: "/proc/self/status: RssFile",
    full_source: "",
    doc: "The part of RSS that a file backs and that was not written privately: the program, its libraries, mapped \
          data. The kernel can drop these pages and read them again, so they are no leak, however large.",
};

pub(super) const RSS_SHMEM: Line = Line {
    id: LineId::RssShmem,
    depth: Depth::Quick,
    key: "rss_shmem",
    section: Section::Kernel,
    role: Role::OfWhich(LineId::Rss),
    measure: Resident,
    label: "shared memory",
    source: "/proc/self/status: RssShmem",
    full_source: "",
    doc: "The part of RSS in shared memory: System V segments, shared anonymous maps, files on tmpfs. Nothing that \
          the ledger counts is in here.",
};
