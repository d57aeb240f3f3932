//! States of the heap.

use heapledger::{Figure, LineId, Statement};
use heapledger_tests::lanes;

use crate::judge::{exact, resident};
use crate::start::State;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A vector's own three words.
const VEC_BYTES: u64 = 24;

const REGIONS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// So many small blocks, of which the middle one has 264 bytes: 0.8 GB.
const SMALL_BLOCKS: u64 = 3_000_000;

/// What a probe with so many blocks has resident: the blocks, the vector of them, twice the pages' words, and itself.
const SMALL_PEAK: u64 = 2 * GIB;

#[test]
fn a_program_that_has_just_started() {
    State::new("start").judge_two(|_| ());
}

#[test]
fn a_gib_in_large_blocks() {
    let _room = lanes::memory(2 * GIB);
    State::new("large").option("mib", 1024).judge_two(|taken| {
        // The vector of vectors is a large block of whole pages itself; the rest of its last page was never touched,
        // but a page is resident as a whole.
        let list = (1024 * VEC_BYTES).next_multiple_of(4096);
        let statement = &taken.statement;
        assert_eq!(resident(statement, "a"), GIB + list, "{statement}");
        let pads = exact(statement, LineId::LargePads);
        assert!(pads <= 1024 * 2 * 4096, "a block begins and ends within a page of its extent's: {pads}\n{statement}");
    });
}

/// Live usable bytes of the five regions, by the counters.
fn usable(statement: &Statement) -> u64 {
    let live = |name| statement.region(name).map_or(0, |region| region.usable_bytes.live().cast_unsigned());
    REGIONS.into_iter().map(live).sum()
}

/// Every slab of small blocks that were written is in memory, so what lives is resident to the byte.
fn assert_small(statement: &Statement, blocks: std::ops::RangeInclusive<u64>) {
    let live = |name| statement.region(name).map_or(0, |region| region.blocks.live().cast_unsigned());
    let count: u64 = REGIONS.into_iter().map(live).sum();
    assert!(blocks.contains(&count), "{count} blocks\n{statement}");
    let parts = REGIONS.map(|name| statement.part(LineId::Live, name).expect("the region is there"));
    let sum = parts.into_iter().sum::<Figure>();
    assert!(sum.admits(usable(statement).cast_signed()), "{sum}, usable {}\n{statement}", usable(statement));
}

#[test]
fn three_million_small_blocks_in_five_regions() {
    let _room = lanes::memory(SMALL_PEAK);
    State::new("small").option("blocks", SMALL_BLOCKS).judge_two(|taken| {
        assert_small(&taken.statement, SMALL_BLOCKS..=SMALL_BLOCKS);
    });
}

#[test]
fn three_million_small_blocks_of_which_a_twentieth_is_left() {
    let _room = lanes::memory(SMALL_PEAK);
    State::new("thinned").option("blocks", SMALL_BLOCKS).judge_two(|taken| {
        let statement = &taken.statement;
        // Drawn at random, so within a tenth of a twentieth.
        let left = SMALL_BLOCKS / 20;
        assert_small(statement, left - left / 10..=left + left / 10);
        let free = exact(statement, LineId::FreeSlots);
        let slabs = exact(statement, LineId::SlabsResident);
        assert!(free > slabs / 2 && slabs > usable(statement) * 5, "few slabs are free of blocks\n{statement}");
    });
}

#[test]
fn blocks_that_were_freed_and_purged() {
    State::new("purged").option("mib", 256).judge_two(|taken| {
        let statement = &taken.statement;
        // What came after the purge is the statement's own.
        assert_eq!(statement.part(LineId::Dirty, "a"), None, "{statement}");
        assert_eq!(exact(statement, LineId::Muzzy), 0, "{statement}");
        assert_eq!(resident(statement, "a"), 0);
        assert!(exact(statement, LineId::Rss) < 64 * MIB, "{statement}");
    });
}

fn judge_zeroes(state: &str, zero_pages: u64) {
    let _room = lanes::memory(GIB);
    State::new(state).judge_two(|taken| {
        let statement = &taken.statement;
        // The block ends within a page that nobody touched either.
        assert_eq!(resident(statement, "a"), 0, "{statement}");
        assert_eq!(statement.part(LineId::Untouched, "a"), Some(Figure::exact(GIB)), "{statement}");
        let zeroes = exact(statement, LineId::ZeroPages);
        assert!((zero_pages..zero_pages + MIB).contains(&zeroes), "{zeroes}\n{statement}");
    });
}

#[test]
fn a_gib_of_zeroes_that_nobody_looked_at() {
    judge_zeroes("untouched", 0);
}

#[test]
fn a_gib_of_zeroes_of_which_half_was_read() {
    judge_zeroes("half-read", GIB / 2);
}
