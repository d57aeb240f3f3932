//! Regions with arenas and ids of their own, and what is summed for them.

use super::Check::{Isolated, Loom, Random, Reader, Reuse};
use super::{Mutant, PROTOCOL};

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "blocks of an isolated region are freed into the thread's cache",
        file: "heapledger-alloc/src/isolated.rs",
        from: "let flags = jemalloc::MALLOCX_TCACHE_NONE | align_flag(size, layout.align());",
        to: "let flags = align_flag(size, layout.align());",
        caught_by: &[Isolated],
    },
    Mutant {
        name: "a block of a thread in teardown marks its page as an isolated region's",
        file: "heapledger-alloc/src/isolated.rs",
        from: "code == 0 && arena_of(tag) == Some(arena)",
        to: "code == 0 || arena_of(tag) == Some(arena)",
        caught_by: &[Random],
    },
    Mutant {
        name: "an adopted block is counted for the new region only",
        file: "heapledger-alloc/src/given.rs",
        from: "        counts.count(before, shape, layout.size(), FREED);\n        Outcome::Moved",
        to: "        Outcome::Moved",
        caught_by: &[Random],
    },
    Mutant {
        name: "an id is used again although a thread is in it",
        file: "heapledger-core/src/thread.rs",
        from: "tag => each(tag & !ISOLATED_BIT),",
        to: "_ => {}",
        caught_by: &[Reuse],
    },
    Mutant {
        name: "an id is used again although a block lives",
        file: "heapledger-alloc/src/totals.rs",
        from: "live | if is_flow(pair) { flow.live() } else { 0 }",
        to: "live | if is_flow(pair) { 0 } else { 0 }",
        caught_by: &[Reuse],
    },
    Mutant {
        name: "an id is used again although a block of no bytes lives",
        file: "heapledger-alloc/src/totals.rs",
        from: "load(Relaxed) == 0 && words[USED_WITHOUT_BYTES].load(Relaxed) == 0 {",
        to: "load(Relaxed) == 0 {",
        caught_by: &[Reuse],
    },
    Mutant {
        name: "pages go on naming a region that is gone",
        file: PROTOCOL,
        from: "if seen == wanted || swap(word, seen, wanted) {\n            return;",
        to: "if seen == wanted || true {\n            return;",
        caught_by: &[Loom("loom_reuse"), Reuse],
    },
    Mutant {
        name: "a copy of an id enters the region that has the index now",
        file: "heapledger-core/src/ids.rs",
        from: "entry(index).load(Relaxed) == generation",
        to: "entry(index).load(Relaxed) & !SPECIAL >= generation",
        caught_by: &[Reuse],
    },
    Mutant {
        name: "totals of the earlier region are the new one's",
        file: "heapledger-alloc/src/totals.rs",
        from: "if is_flow(pair) { flow.freed } else { 0 }",
        to: "if is_flow(pair) { 0 } else { flow.freed * 0 }",
        caught_by: &[Reuse],
    },
    Mutant {
        name: "who enters does not look a second time (in the models)",
        file: "heapledger-alloc/src/models/loom_reuse.rs",
        from: "        if self.generation.load(Relaxed) == 0 {\n            return true;",
        to: "        if self.generation.load(Relaxed) == 0 || true {\n            return true;",
        caught_by: &[Loom("loom_reuse")],
    },
    Mutant {
        name: "sums read allocated before freed",
        file: "heapledger-alloc/src/totals.rs",
        from: "    for side in [1, 0] {\n        for_each_set(0..regions, |region, words| {\n            let sum",
        to: "    for side in [0, 1] {\n        for_each_set(0..regions, |region, words| {\n            let sum",
        caught_by: &[Reader],
    },
    Mutant {
        name: "totals read allocated before freed",
        file: "heapledger-alloc/src/totals.rs",
        from: "    for side in [1, 0] {\n        for_each_set(0..regions, |region, words| {\n            let value",
        to: "    for side in [0, 1] {\n        for_each_set(0..regions, |region, words| {\n            let value",
        caught_by: &[Reader],
    },
    Mutant {
        name: "sums read allocated before freed (in the models)",
        file: "heapledger-alloc/src/models/loom_counters.rs",
        from: "for side in [FREED, ALLOCATED] {",
        to: "for side in [ALLOCATED, FREED] {",
        caught_by: &[Loom("loom_counters")],
    },
    Mutant {
        name: "counters are added to without Release (in the models; on x86 the same)",
        file: "heapledger-alloc/src/models/loom_counters.rs",
        from: "pair[side].store(pair[side].load(Relaxed) + n, Release);",
        to: "pair[side].store(pair[side].load(Relaxed) + n, Relaxed);",
        caught_by: &[Loom("loom_counters")],
    },
];
