//! Pages that become one region's again, and which threads count for that.

use super::Check::{Crowd, Directed, DirectedAtSpeed, Guards, Loom, Properties, Random, Teardown};
use super::{Mutant, PROTOCOL};

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "flip without a scan",
        file: PROTOCOL,
        from: "(0..slots).all(|slot| rows.entry(row, slot).load(Relaxed) == tag)",
        to: "(0..slots).all(|slot| rows.entry(row, slot).load(Relaxed) == tag || true)",
        caught_by: &[Properties, Loom("loom_flip"), Directed],
    },
    Mutant {
        name: "flip without the second look",
        file: PROTOCOL,
        from: "registered.load(Acquire) > 1 || !all_ours()",
        to: "registered.load(Acquire) > 1",
        caught_by: &[Loom("loom_flip"), Directed],
    },
    Mutant {
        name: "flip without the second look at who is registered",
        file: PROTOCOL,
        from: "registered.load(Acquire) > 1 || !all_ours()",
        to: "!all_ours()",
        caught_by: &[Loom("a_thread_registers")],
    },
    Mutant {
        name: "flip's second look at who is registered acquires nothing",
        file: PROTOCOL,
        from: "registered.load(Acquire) > 1 || !all_ours()",
        to: "registered.load(Relaxed) > 1 || !all_ours()",
        caught_by: &[Loom("a_thread_registers_allocates_and_ends")],
    },
    Mutant {
        name: "flip whoever is registered",
        file: PROTOCOL,
        from: "    if registered.load(Relaxed) > 1 {",
        to: "    let registered = &AtomicUsize::new(registered.load(Relaxed).min(1));\n    \
             if registered.load(Relaxed) > 1 {",
        caught_by: &[Loom("a_thread_registers"), Crowd],
    },
    Mutant {
        name: "flip without CLEARING",
        file: PROTOCOL,
        from: "swap(word, seen.clearing(), seen.purified(tag))",
        to: "swap(word, Word(word.load(Relaxed)), seen.purified(tag))",
        caught_by: &[Loom("loom_flip"), Directed],
    },
    Mutant {
        name: "flip without a fence",
        file: PROTOCOL,
        from: "    fence(SeqCst);\n    // Acquire: a thread",
        to: "    // Acquire: a thread",
        caught_by: &[Loom("loom_flip")],
    },
    Mutant {
        name: "own without a fence",
        file: PROTOCOL,
        from: "fence(SeqCst);\n                if word.load(Relaxed) == seen.0 {",
        to: "if word.load(Relaxed) == seen.0 {",
        caught_by: &[Loom("loom_flip"), DirectedAtSpeed],
    },
    Mutant {
        name: "own without a second look at the word",
        file: PROTOCOL,
        from: "if word.load(Relaxed) == seen.0 {",
        to: "if word.load(Relaxed) == seen.0 || true {",
        caught_by: &[Loom("loom_flip"), Directed],
    },
    Mutant {
        name: "own leaves CLEARING to the one who set it",
        file: PROTOCOL,
        from: "swap(word, seen, seen.not_clearing());\n                    continue;",
        to: "return tag;",
        caught_by: &[Loom("loom_flip"), Directed],
    },
    Mutant {
        name: "a thread registers without being counted",
        file: "heapledger-alloc/src/threads.rs",
        from: "REGISTERED.fetch_add(1, SeqCst);",
        to: "REGISTERED.fetch_add(0, SeqCst);",
        caught_by: &[Random],
    },
    Mutant {
        name: "a thread registers without being counted (in the models)",
        file: "heapledger-alloc/src/models/page.rs",
        from: "self.registered.fetch_add(1, SeqCst);",
        to: "self.registered.fetch_add(0, SeqCst);",
        caught_by: &[Loom("a_thread_registers")],
    },
    Mutant {
        name: "a thread registers without a fence (in the models; on x86 the count is one)",
        file: "heapledger-alloc/src/models/page.rs",
        from: "fence(SeqCst);",
        to: "",
        caught_by: &[Loom("a_thread_registers")],
    },
    Mutant {
        name: "a thread that ends stays counted",
        file: "heapledger-alloc/src/threads.rs",
        from: "REGISTERED.fetch_sub(1, Release);",
        to: "REGISTERED.fetch_sub(0, Release);",
        caught_by: &[Random, Directed],
    },
    Mutant {
        name: "a thread that ends goes on as if it were registered",
        file: "heapledger-core/src/thread.rs",
        from: "        self.gate.store(TAG_NEVER, Relaxed);\n        self.mixed.store(MIXED_NEVER, Relaxed);\n",
        to: "        self.gate.store(TAG_NEVER, Relaxed);\n",
        caught_by: &[Teardown],
    },
    Mutant {
        name: "threads without counters add to the shared ones as if they were alone",
        file: "heapledger-alloc/src/counters.rs",
        from: "Words::of(&SHARED, usize::from(tag)).at(word).fetch_add(n, Release);",
        to: "add_own(Words::of(&SHARED, usize::from(tag)).at(word), n);",
        caught_by: &[Directed],
    },
    Mutant {
        name: "a guard below a dropped one is forgotten",
        file: "heapledger-core/src/guard.rs",
        from: "TOMBSTONE => depth -= 1,",
        to: "TOMBSTONE => break crate::thread::TAG_UNTAGGED,",
        caught_by: &[Guards, Random],
    },
    Mutant {
        name: "flip leaves absent slots as they were",
        file: PROTOCOL,
        from: "for absent in slots..slots_per_page(class) {",
        to: "for absent in slots_per_page(class)..slots_per_page(class) {",
        caught_by: &[Properties, Loom("at_other_offsets")],
    },
];
