//! What is resident and not jemalloc's.

use crate::lines::Measure::Resident;
use crate::lines::{Depth, Line, LineId, Role, Section};

pub(super) const FILE_PAGES: Line = Line {
    id: LineId::FilePages,
    depth: Depth::Full,
    key: "file_pages",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "program and libraries",
    source: "walk over the pages",
    full_source: "",
    doc: "Pages of files that are mapped privately and were not written: the program, its libraries, mapped models. \
          The kernel can drop them and read them again. They are part of RssFile.",
};

pub(super) const FILE_WRITTEN: Line = Line {
    id: LineId::FileWritten,
    depth: Depth::Full,
    key: "file_written",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "file pages written",
    source: "walk over the pages",
    full_source: "",
    doc: "Pages of privately mapped files that were written, and so became the process's own: initialised variables, \
          relocated tables, changed parts of mapped data. They are part of RssAnon and no file has them.",
};

pub(super) const SHARED_FILE: Line = Line {
    id: LineId::SharedFile,
    depth: Depth::Full,
    key: "shared_file",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "shared file maps",
    source: "walk over the pages",
    full_source: "",
    doc: "Pages of files on disk that are mapped for sharing. Written or not they belong to the file, and are part of \
          RssFile.",
};

pub(super) const SHARED_MEMORY: Line = Line {
    id: LineId::SharedMemory,
    depth: Depth::Full,
    key: "shared_memory",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "shared memory maps",
    source: "walk over the pages",
    full_source: "",
    doc: "Shared anonymous memory, System V segments, and every map of a file that lives in memory (tmpfs, memfd), \
          private ones included unless written. It is part of RssShmem.",
};

pub(super) const VDSO: Line = Line {
    id: LineId::Vdso,
    depth: Depth::Full,
    key: "vdso",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "vdso",
    source: "walk over the pages",
    full_source: "",
    doc: "Code that the kernel lends to every process, so that it need not be called for the time. It is part of \
          RssFile, a page or two. The kernel's data beside it is not in RSS.",
};

pub(super) const BSS: Line = Line {
    id: LineId::Bss,
    depth: Depth::Full,
    key: "bss",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "zero-initialised variables",
    source: "walk over the pages",
    full_source: "",
    doc: "Static variables without an initial value, of the program and its libraries, as far as they were written. \
          The ledger's own static tables are not in here but in its own line.",
};

pub(super) const MAIN_STACK: Line = Line {
    id: LineId::MainStack,
    depth: Depth::Full,
    key: "main_stack",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "stack of the main thread",
    source: "walk over the pages",
    full_source: "",
    doc: "The pages that the main thread's stack has ever reached. A stack does not give pages back when it becomes \
          shorter.",
};

pub(super) const THREAD_STACKS: Line = Line {
    id: LineId::ThreadStacks,
    depth: Depth::Full,
    key: "thread_stacks",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "thread stacks",
    source: "walk over the pages",
    full_source: "",
    doc: "Stacks and thread-local variables of all other threads, recognised by the guard in front of them and the C \
          library's record of the thread at their end. A guard can be a mapping of its own, or pages inside the stack's \
          (MADV_GUARD_INSTALL, which glibc 2.42 uses), told by the pagemap file from Linux 6.15 on; before, or where a \
          mapping has such stacks and something else, they are unattributed under their range. glibc keeps the stacks \
          of threads that ended for the next ones, so they can stay after a join. Stacks without a guard, and those \
          that a program makes for fibers or handlers of signals, are unattributed too.",
};

pub(super) const LOADER: Line = Line {
    id: LineId::Loader,
    depth: Depth::Full,
    key: "loader",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "dynamic loader",
    source: "walk over the pages",
    full_source: "",
    doc: "What the dynamic loader mapped for itself before the program began: its records of loaded objects, and room \
          for the main thread's record and thread-local variables. Only pages in which such a record was found are \
          counted here, some 16 KiB in most programs.",
};

pub(super) const GLIBC_HEAP: Line = Line {
    id: LineId::GlibcHeap,
    depth: Depth::Full,
    key: "glibc_heap",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "glibc heap",
    source: "walk over the pages",
    full_source: "",
    doc: "The main heap of the C library's own malloc, between the program and where brk ends. C code that does not \
          use jemalloc allocates here. One block at its end pins all of it; malloc_trim(0) gives the rest back.",
};

pub(super) const GLIBC_ARENAS: Line = Line {
    id: LineId::GlibcArenas,
    depth: Depth::Full,
    key: "glibc_arenas",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "glibc thread arenas",
    source: "walk over the pages",
    full_source: "",
    doc: "Heaps that the C library's malloc makes for threads, 64 MiB of addresses each. malloc_trim does not shrink \
          them as it shrinks the main heap.",
};

pub(super) const GLIBC_MMAPPED: Line = Line {
    id: LineId::GlibcMmapped,
    depth: Depth::Full,
    key: "glibc_mmapped",
    section: Section::Outside,
    role: Role::Summand,
    measure: Resident,
    label: "glibc large blocks",
    source: "walk over the pages",
    full_source: "",
    doc: "Blocks of the C library's malloc with mappings of their own, which are unmapped when they are freed. Aligned \
          ones begin later in their mapping, whose first page is counted with them. They \
          are counted here only if their sum equals the C library's own count; else they stay unattributed.",
};
