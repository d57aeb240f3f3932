//! The closed list of findings.

/// Names a finding; [`FindingId::row`] is its row of [`FINDINGS`].
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingId {
    /// Dirty pages that nobody gives back.
    BackgroundThreadsOff,
    /// A decay time of never.
    DecayNever,
    /// Slabs that few blocks of a region hold.
    SlabsPinned,
    /// Blocks that threads cache.
    ThreadCaches,
    /// Dirty pages in the arena for oversize blocks.
    OversizeArena,
    /// Pages that were given back and that huge pages keep.
    HugePagesKeepRetained,
    /// Memory that glibc keeps.
    GlibcMemory,
    /// Mappings that no rule names.
    UnattributedMappings,
    /// A region that grows at every mark.
    LeakSuspect,
    /// Most live bytes have no region.
    MostUntagged,
    /// jemalloc has no statistics.
    StatisticsOff,
    /// The control group is nearly full.
    CgroupNearlyFull,
}

/// One row of the list.
#[derive(Debug)]
#[non_exhaustive]
pub struct FindingRow {
    /// Which it is.
    pub id: FindingId,
    /// Its id in text and JSON.
    pub key: &'static str,
    /// When it is told.
    pub when: &'static str,
    /// Why it is so, and what the remedy does: a paragraph.
    pub doc: &'static str,
    /// The remedy in general.
    pub remedy: &'static str,
    /// What the remedy costs.
    pub price: &'static str,
    /// How to see that it worked.
    pub check: &'static str,
}

/// Every finding, in the order of [`FindingId`].
pub static FINDINGS: [FindingRow; 12] = [
    FindingRow {
        id: FindingId::BackgroundThreadsOff,
        key: "background_threads_off",
        when: "Dirty or muzzy pages stay for ever because nobody looks at jemalloc's clock, 16 MiB and a twentieth of RSS at least.",
        doc: "jemalloc gives freed pages back after their decay time, but only when a thread that allocates beyond its cache looks at the clock. In an idle process nobody does, and the pages stay. Background threads look at it by themselves.",
        remedy: "heapledger::configure().background_threads(true)",
        price: "a thread for each CPU at most, which wakes some times in each decay time; large blocks that were given back at once wait for their decay time too",
        check: "forecast.check() after the window of a new statement's forecast",
    },
    FindingRow {
        id: FindingId::DecayNever,
        key: "decay_never",
        when: "Dirty or muzzy pages stay for ever because their decay time is -1, 16 MiB and a twentieth of RSS at least.",
        doc: "With a decay time of -1 jemalloc keeps freed pages until the program needs them again. That is fast where the program will, and memory lost where it will not.",
        remedy: "heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true)",
        price: "pages that are needed again are faulted in again, about 0.1 us per KiB; background threads as above",
        check: "forecast.check() after the window of a new statement's forecast",
    },
    FindingRow {
        id: FindingId::SlabsPinned,
        key: "slabs_pinned",
        when: "Few blocks of one region (less than half of the slots) keep slabs in which nobody else has any, and it is not isolated, with 16 MiB and a twentieth of RSS of free slots at least.",
        doc: "A slab goes back when its last block goes. Blocks that live long, scattered among blocks that went, keep slabs of mostly free slots. In an arena of their own they lie side by side.",
        remedy: "heapledger::Region::isolated(\"...\") in place of Region::new(\"...\"), under heapledger::IsolatingLedger",
        price: "allocations and frees of that region take the slow path, and its blocks are in no thread cache; a load and a test for each allocation of others",
        check: "the part of the region on the line of free slots, after the same work with the region isolated",
    },
    FindingRow {
        id: FindingId::ThreadCaches,
        key: "thread_caches",
        when: "Threads cache 16 MiB and a twentieth of RSS of freed blocks at least.",
        doc: "Each thread keeps freed blocks for its next allocations. A thread that idles keeps them for as long as it idles, and only it can give them back.",
        remedy: "heapledger::purge() on each thread that is about to idle; or _RJEM_MALLOC_CONF=tcache:false",
        price: "the thread's next allocations take the slow path until its cache is filled again",
        check: "the line of thread caches; RSS falls by what of it were the last blocks of their slabs",
    },
    FindingRow {
        id: FindingId::OversizeArena,
        key: "oversize_arena",
        when: "The arena for oversize blocks has dirty pages of 16 MiB and a twentieth of RSS at least.",
        doc: "Blocks of 8 MiB and more have an arena of their own, whose freed pages no smaller block can use. With background threads they wait for the decay time there.",
        remedy: "heapledger::purge() after such blocks were freed",
        price: "all freed pages go back, of other arenas too; what is needed again is faulted in again, about 0.1 us per KiB",
        check: "what heapledger::purge() returns says it",
    },
    FindingRow {
        id: FindingId::HugePagesKeepRetained,
        key: "huge_pages_keep_retained",
        when: "Pages that jemalloc gave back are resident, 16 MiB and a twentieth of RSS at least, and jemalloc does not forbid huge pages.",
        doc: "A huge page that reaches over the end of what is in use brings memory back that jemalloc returned. Without huge pages for the heap it stays returned.",
        remedy: "_RJEM_MALLOC_CONF=thp:never",
        price: "more TLB misses for large blocks that are walked through",
        check: "the line of retained and resident pages in a new process",
    },
    FindingRow {
        id: FindingId::GlibcMemory,
        key: "glibc_memory",
        when: "glibc's heap has whole free pages of 16 MiB and a twentieth of RSS at least.",
        doc: "C code of the program allocates with glibc's malloc, which keeps what was freed below the last block in use. Free pieces smaller than a page cannot be given back, so they are no gain.",
        remedy: "libc::malloc_trim(0)",
        price: "glibc's lock is held while it goes through its heap; heaps of threads keep their last part",
        check: "the line of glibc's heap",
    },
    FindingRow {
        id: FindingId::UnattributedMappings,
        key: "unattributed_mappings",
        when: "Resident pages that no rule names are 16 MiB and a tenth of RSS at least.",
        doc: "Memory that the program mapped itself, or that a library did, has no name. Its addresses are listed; /proc/self/smaps says how they were mapped. The gain is that of the largest range.",
        remedy: "munmap the range that is named, once nobody needs it; or take that memory from the global allocator, in a region",
        price: "whoever still uses the range faults",
        check: "the line of unattributed pages",
    },
    FindingRow {
        id: FindingId::LeakSuspect,
        key: "leak_suspect",
        when: "A region's live bytes grew at each of the last three marks or more, by 64 KiB together at least.",
        doc: "What grows at every mark and never falls is a leak or a cache without a bound. The gain is what it grows by per mark.",
        remedy: "find who keeps blocks of the region; split it by OwnedRegion::new(\"region/part\") to narrow it down",
        price: "none",
        check: "growth() over the next marks",
    },
    FindingRow {
        id: FindingId::MostUntagged,
        key: "most_untagged",
        when: "More than half of the live bytes, and 16 MiB, are in no region.",
        doc: "What is allocated outside every region is charged to ~untagged. Its size classes say what kind of blocks it has; the marks say in which stage they came.",
        remedy: "enter a region where the program allocates: REGION.scope(|| ...); compare ~untagged at two marks to find the stage",
        price: "two stores for each entry of a region",
        check: "the part ~untagged of live bytes",
    },
    FindingRow {
        id: FindingId::StatisticsOff,
        key: "statistics_off",
        when: "jemalloc was built without statistics.",
        doc: "Without statistics every line that jemalloc states is unknown, and the pages cannot be checked against them.",
        remedy: "build without JEMALLOC_OVERRIDE, or with a jemalloc that was configured with --enable-stats",
        price: "some counters in jemalloc's slow paths",
        check: "the setting config_stats",
    },
    FindingRow {
        id: FindingId::CgroupNearlyFull,
        key: "cgroup_nearly_full",
        when: "The control group has used nine tenths of its limit.",
        doc: "When the limit is reached the kernel takes file pages and muzzy pages first, then kills a process of the group. What the other findings gain is headroom.",
        remedy: "apply the other findings, largest first, or raise memory.max of the group",
        price: "theirs",
        check: "the totals of the control group",
    },
];

impl FindingId {
    /// Its row of the list.
    pub fn row(self) -> &'static FindingRow {
        // The rows stand in the order of the enum, which a test asserts.
        &FINDINGS[self as usize]
    }

    /// The finding of this key; `None` if the list has none.
    pub fn from_key(key: &str) -> Option<Self> {
        FINDINGS.iter().find(|row| row.key == key).map(|row| row.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_finding_is_unique_documented_and_in_the_order_of_the_enum() {
        let mut keys = HashSet::new();
        for (place, row) in FINDINGS.iter().enumerate() {
            assert_eq!(row.id as usize, place, "{}", row.key);
            assert!(keys.insert(row.key), "{} stands twice", row.key);
            assert!(row.when.ends_with('.') && row.doc.ends_with('.') && row.doc.len() > 60, "{}", row.key);
            for part in [row.remedy, row.price, row.check] {
                assert!(!part.is_empty() && !part.ends_with('.'), "{}: {part}", row.key);
            }
        }
    }
}
