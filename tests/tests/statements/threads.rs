//! Threads that are there, that were, and jemalloc's own; a child.

use heapledger::LineId;
use heapledger_alloc::CLASS_BYTES;

use crate::judge::{exact, resident};
use crate::start::State;

const MIB: i64 = 1 << 20;
const THREADS: u64 = 32;

#[test]
fn thirty_two_threads() {
    let class = |size: i64| CLASS_BYTES.iter().map(|bytes| i64::from(*bytes)).find(|bytes| *bytes >= size);
    let small: i64 = (1..=1_000).map(|size| class(size).expect("a small class")).sum();
    // The list of the small blocks has 16,000 bytes, and so four pages; the names of the regions are the ledger's.
    let list = 16_384;
    let (requested, usable) = (MIB + (1..=1_000).sum::<i64>() + 16_000, MIB + small + list);
    State::new("alive").option("threads", THREADS).judge_two(|taken| {
        for number in 0..THREADS {
            let name = format!("thread/{number}");
            let region = taken.statement.region(&name).expect("each thread has a region");
            assert_eq!(region.usable_bytes.live(), usable, "{}", taken.statement);
            // All that was asked for was written; what the classes have beyond may lie on pages that nobody touched.
            let (low, high) = taken.statement.part(LineId::Live, &name).and_then(|held| held.ends()).expect("a figure");
            assert!(low <= usable && high >= requested, "{low}-{high}\n{}", taken.statement);
        }
    });
}

#[test]
fn thirty_two_threads_that_have_ended() {
    State::new("ended").option("threads", THREADS).judge_two(|taken| {
        let statement = &taken.statement;
        let threads = statement.regions().iter().filter(|region| region.name.starts_with("thread/"));
        assert_eq!(threads.map(|region| region.blocks.live()).sum::<i64>(), 0, "{statement}");
        assert!(exact(statement, LineId::ThreadStacks) > 0, "glibc keeps some of their stacks\n{statement}");
    });
}

#[test]
fn jemallocs_own_threads() {
    // Without decay, for a purge under way is no quiet process.
    State::new("mixed").settings("background_thread:true,dirty_decay_ms:-1").judge_two(|_| ());
}

#[test]
fn a_forked_child_and_then_its_parent() {
    State::new("forked").judge(4, |_, taken| {
        assert_eq!(resident(&taken.statement, "held").cast_signed(), 32 * MIB, "{}", taken.statement);
    });
}
