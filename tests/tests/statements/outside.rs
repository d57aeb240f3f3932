//! Memory that is not jemalloc's.

use heapledger::LineId;

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
