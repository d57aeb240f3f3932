//! Memory that is not jemalloc's.

use heapledger::LineId;
use heapledger_harness::skipped;
use heapledger_tests::os::stacks::guards_are_told;

use crate::judge::{exact, ranges};
use crate::start::State;

const MIB: u64 = 1 << 20;

/// The program and its libraries.
const PROGRAM_AT_MOST: u64 = 16 * MIB;

#[test]
fn mapped_files() {
    State::new("file").judge_two(|taken| {
        let statement = &taken.statement;
        // Of 64 MiB a quarter was written, and so is the process's own.
        let pages = exact(statement, LineId::FilePages);
        assert!((48 * MIB..48 * MIB + PROGRAM_AT_MOST).contains(&pages), "{statement}");
        let written = exact(statement, LineId::FileWritten);
        assert!((16 * MIB..16 * MIB + MIB).contains(&written), "{statement}");
        assert_eq!(exact(statement, LineId::SharedFile), 32 * MIB, "{statement}");
    });
}

#[test]
fn shared_memory() {
    State::new("shared").judge_two(|taken| {
        assert_eq!(exact(&taken.statement, LineId::SharedMemory), 8 * MIB, "{}", taken.statement);
    });
}

#[test]
fn the_programs_own_mappings() {
    State::new("own-map").judge_two(|taken| {
        let maps = ranges(&taken.facts, "maps");
        for (start, end) in &maps[..2] {
            assert_eq!(taken.seen.resident(*start, *end), 3 * MIB, "3 of 5 MiB were written");
        }
        // Mappings of 1 to 12 pages, all written.
        let small = (1..=12).sum::<u64>() * 4096;
        assert!(exact(&taken.statement, LineId::Unattributed) >= 6 * MIB + small, "{}", taken.statement);
    });
}

#[test]
fn the_c_librarys_malloc() {
    State::new("glibc").judge_two(|taken| {
        let statement = &taken.statement;
        // 800 × 64 KiB and their headers, 320 × 64 KiB in a thread's heap, 10 × 8 MiB each with a page for its header.
        let heap = exact(statement, LineId::GlibcHeap);
        assert!((50 * MIB..51 * MIB).contains(&heap), "{statement}");
        let arenas = exact(statement, LineId::GlibcArenas);
        assert!((20 * MIB..21 * MIB).contains(&arenas), "{statement}");
        assert_eq!(exact(statement, LineId::GlibcMmapped), 10 * (8 * MIB + 4096), "{statement}");
    });
}

/// A later heap of a thread is a heap wherever it lies: its arena is in the first, and what it names is the one before.
#[test]
fn the_c_librarys_heaps_of_one_thread() {
    State::new("glibc-heaps").judge_two(|taken| {
        // 3600 × 64 KiB in one thread's heaps and one block in another's, each with a header of 16 bytes.
        let arenas = exact(&taken.statement, LineId::GlibcArenas);
        assert!((225 * MIB..227 * MIB).contains(&arenas), "{}", taken.statement);
    });
}

#[test]
fn the_c_librarys_aligned_blocks() {
    State::new("aligned").judge_two(|taken| {
        // Nine blocks of 8 MiB, and before each at least the page with the header; what is skipped was never touched.
        let bytes = exact(&taken.statement, LineId::GlibcMmapped);
        assert!((9 * 8 * MIB + 9 * 4096..=9 * (8 * MIB + 2 * 4096)).contains(&bytes), "{}", taken.statement);
    });
}

/// Guards inside a mapping, as glibc 2.42 makes them: the stacks are named, side by side too.
#[test]
fn stacks_with_their_guards_inside() {
    if !guards_are_told() {
        return skipped("stacks_with_their_guards_inside", "the kernel tells no guard pages (Linux 6.15 does)");
    }
    State::new("guarded-stacks").judge_two(|taken| {
        // Each thread has written its record and some of its stack, at the very least a page.
        assert!(exact(&taken.statement, LineId::ThreadStacks) >= 3 * 4096, "{}", taken.statement);
    });
}

/// Where nothing tells what is a stack's and what is not, no line claims it.
#[test]
fn stacks_that_nothing_tells_from_other_memory() {
    if !guards_are_told() {
        return skipped("stacks_that_nothing_tells_from_other_memory", "the kernel makes no guard pages");
    }
    State::new("nameless-stacks").judge_two(|taken| {
        let maps = ranges(&taken.facts, "maps");
        assert_eq!(maps.len(), 4);
        for (start, end) in maps {
            let listed = taken.statement.unattributed().iter().any(|range| start <= range.start && range.end <= end);
            assert!(listed && taken.seen.resident(start, end) > 0, "{start:x}-{end:x}\n{}", taken.statement);
        }
    });
}
