//! The mutants: what each breaks, where, and which checks must notice.
//!
//! Each is one replacement of a piece of text that occurs once in its file. When the code changes and the piece is
//! gone, the run says so; the mutant is then to be written anew, never dropped in silence.

/// What can catch a mutant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// Random histories of slabs against the naive oracle, on the protocol alone.
    Properties,
    /// The models whose names contain this, in every interleaving.
    Loom(&'static str),
    /// Last owners of the pages of freed blocks, on the real allocator.
    Owners,
    /// Isolated regions, on the real allocator.
    Isolated,
    /// Ids that are used again, on the real allocator.
    Reuse,
    /// Guards against a model.
    Guards,
    /// The stress in random mode.
    Random,
    /// The stress in directed mode, with thread caches and without, and with yields in the windows of the races.
    Directed,
    /// The same for longer and without yields: a missing fence shows only in what two processors do at once.
    DirectedAtSpeed,
    /// The stress in crowd mode.
    Crowd,
    /// The stress in reader mode.
    Reader,
}

impl Check {
    /// Whether it is `other`, or a part of it.
    pub fn is_a(self, other: Check) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// One mutant.
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// Its file, under `crates`.
    pub file: &'static str,
    /// A piece of text, and what stands there instead.
    pub from: &'static str,
    /// See `from`.
    pub to: &'static str,
    /// The checks that must catch it, each on its own.
    pub caught_by: &'static [Check],
}

use Check::{Crowd, Directed, DirectedAtSpeed, Guards, Isolated, Loom, Owners, Properties, Random, Reader, Reuse};

/// The file that most of them break.
pub const PROTOCOL: &str = "heapledger-alloc/src/protocol.rs";

/// What is known of spans of pages.
const SPANS: &str = "heapledger-alloc/src/spans.rs";

/// The lists of free rows.
const LIST: &str = "heapledger-alloc/src/list.rs";

/// All of them.
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
        from: "    let Some((class, row)) = seen.row() else { return false };",
        to: "    let registered = &AtomicUsize::new(registered.load(Relaxed).min(1));\n    \
             let Some((class, row)) = seen.row() else { return false };",
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
        caught_by: &[Random, Directed],
    },
    Mutant {
        name: "threads without counters add to the shared ones as if they were alone",
        file: "heapledger-alloc/src/counters.rs",
        from: "SHARED[usize::from(tag)][word].fetch_add(n, Release);",
        to: "add_own(&SHARED[usize::from(tag)][word], n);",
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
        name: "MIXED is never set",
        file: "heapledger-alloc/src/words.rs",
        from: "Word(MIXED | (2 * class as u64)",
        to: "Word((2 * class as u64)",
        caught_by: &[Properties, Loom("loom_own"), Random],
    },
    Mutant {
        name: "the row is not filled with the page's tag",
        file: PROTOCOL,
        from: "rows.entry(row, other).store(seen.tag(), Relaxed);",
        to: "let _ = other;",
        caught_by: &[Properties, Loom("loom_own"), Random],
    },
    Mutant {
        name: "the row is filled after the page is mixed",
        file: PROTOCOL,
        from: "            if swap(word, seen, Word::mixed(class, row)) {\n                give_back(rows, old);",
        to: "            for other in 0..slots_per_page(class) {\n                rows.entry(row, other).store(tag, Relaxed);\n            }\n            \
             if swap(word, seen, Word::mixed(class, row)) {\n                for other in (0..slots_per_page(class)).filter(|&other| other != slot) {\n                    \
             rows.entry(row, other).store(seen.tag(), Relaxed);\n                }\n                give_back(rows, old);",
        caught_by: &[Loom("loom_own")],
    },
    Mutant {
        name: "flip leaves absent slots as they were",
        file: PROTOCOL,
        from: "for absent in slots..slots_per_page(class) {",
        to: "for absent in slots_per_page(class)..slots_per_page(class) {",
        caught_by: &[Properties, Loom("at_other_offsets")],
    },
    Mutant {
        name: "a row of another class is used all the same (own)",
        file: PROTOCOL,
        from: "Some((of, row)) if of == class => {\n                rows.entry(row, slot).store(tag, Relaxed);\n                yield",
        to: "Some((of, row)) if of < SMALL_CLASSES => {\n                rows.entry(row, slot).store(tag, Relaxed);\n                yield",
        caught_by: &[Properties],
    },
    Mutant {
        name: "a row of another class is used all the same (mix)",
        file: PROTOCOL,
        from: "Some((of, row)) if of == class => {\n            // By (I2)",
        to: "Some((of, row)) if of < SMALL_CLASSES => {\n            // By (I2)",
        caught_by: &[Properties],
    },
    Mutant {
        name: "a large block leaves its page the row it had",
        file: PROTOCOL,
        from: "give_back(rows, Word(word.swap(wanted.0, AcqRel)).row());",
        to: "let seen = Word(word.load(Relaxed));\n    word.store(if seen.row().is_some() { seen.purified(tag).0 } else { wanted.0 }, Relaxed);",
        caught_by: &[Properties, Loom("large_block")],
    },
    Mutant {
        name: "a large block leaks the row of its page",
        file: PROTOCOL,
        from: "give_back(rows, Word(word.swap(wanted.0, AcqRel)).row());",
        to: "word.swap(wanted.0, AcqRel);",
        caught_by: &[Properties, Loom("large_block")],
    },
    Mutant {
        name: "a row is given back before its page forgets it",
        file: PROTOCOL,
        from: "                if swap(word, seen, Word::pure(tag)) {\n                    give_back(rows, old);\n                    return tag;",
        to: "                give_back(rows, old);\n                if swap(word, seen, Word::pure(tag)) {\n                    return tag;",
        caught_by: &[Loom("loom_own")],
    },
    Mutant {
        name: "a head of the free rows that went and came back is taken for the same",
        file: LIST,
        from: "before.wrapping_add(1) &",
        to: "before &",
        caught_by: &[Loom("a_head_that_went")],
    },
    Mutant {
        name: "a free row is listed before it has the next one's number",
        file: LIST,
        from: "seen, head(number, seen), Release, Relaxed)",
        to: "seen, head(number, seen), Relaxed, Relaxed)",
        caught_by: &[Loom("loom_list")],
    },
    Mutant {
        name: "a row is given back without a fence for who still reads it",
        file: LIST,
        from: "        fence(Release);\n        let mut seen = self.0.load(Relaxed);",
        to: "        let mut seen = self.0.load(Relaxed);",
        caught_by: &[Loom("a_reader_believes")],
    },
    Mutant {
        name: "a reader of slots does not look at the page a second time",
        file: PROTOCOL,
        from: "    word.load(Relaxed) == seen.0\n}",
        to: "    word.load(Relaxed) == seen.0 || true\n}",
        caught_by: &[Loom("a_reader_believes")],
    },
    Mutant {
        name: "a reader of slots looks a second time without a fence",
        file: PROTOCOL,
        from: "    fence(Acquire);\n    word.load(Relaxed) == seen.0\n}",
        to: "    word.load(Relaxed) == seen.0\n}",
        caught_by: &[Loom("a_reader_believes")],
    },
    Mutant {
        name: "a page with the tail of an earlier slab is inherited",
        file: "heapledger-alloc/src/words.rs",
        from: "let tailed = if start == 0 { 0 } else { TAILED };",
        to: "let tailed = 0 * TAILED;",
        caught_by: &[Properties, Owners],
    },
    Mutant {
        name: "neighbours overwrite each other's half",
        file: PROTOCOL,
        from: "        Some(tail) => Word::with_tail(tag, tail),\n",
        to: "        Some(_) => Word::pure(tag),\n",
        caught_by: &[Properties, Loom("loom_neighbours")],
    },
    Mutant {
        name: "the end of a wide block is not recorded",
        file: PROTOCOL,
        from: "change(word, rows, |seen| Word::with_tail(if seen.is_mixed() { 0 } else { seen.tag() }, tag));",
        to: "let _ = (word, rows, tag);",
        caught_by: &[Properties, Loom("loom_neighbours")],
    },
    Mutant {
        name: "whole pages of a wide block are not recorded",
        file: "heapledger-alloc/src/marks.rs",
        from: "if page + PAGE_BYTES <= end {",
        to: "if page + PAGE_BYTES <= end { } else if page + PAGE_BYTES <= end {",
        caught_by: &[Owners],
    },
    Mutant {
        name: "the pages of a large block are not recorded",
        file: "heapledger-alloc/src/marks.rs",
        from: "pages::change(first, end, tag, ",
        to: "pages::change(end, end, tag, ",
        caught_by: &[Owners],
    },
    Mutant {
        name: "a large block is not recorded when it is allocated",
        file: "heapledger-alloc/src/marks.rs",
        from: "            Some(word) => {\n                protocol::take_page(word, &Heap, tag);",
        to: "            Some(_) => {",
        caught_by: &[Owners, Random],
    },
    Mutant {
        name: "a resized block goes to the current region",
        file: "heapledger-alloc/src/slow.rs",
        from: "charge(record, counts, moved, new_layout, Some(tag));",
        to: "charge(record, counts, moved, new_layout, None);",
        caught_by: &[Random],
    },
    Mutant {
        name: "a resized small block goes to the current region",
        file: "heapledger-alloc/src/slow.rs",
        from: "let mut new_tag = tag;",
        to: "let tag = with_record(ThreadRecord::region_tag);\n    let mut new_tag = tag;",
        caught_by: &[Random],
    },
    Mutant {
        name: "a free credits the current region",
        file: "heapledger-alloc/src/slow.rs",
        from: "    let owner = owner(block as usize, shape);\n    if let",
        to: "    let owner = Owner { tag: with_record(ThreadRecord::region_tag) & !ISOLATED_BIT, isolated: false };\n    if let",
        caught_by: &[Random],
    },
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
        file: "heapledger-alloc/src/slow.rs",
        from: "        count(counts, before, shape, layout.size(), FREED);\n        Outcome::Moved",
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
        from: "is_flow(pair) && flow.live() != 0",
        to: "is_flow(pair) && flow.live() != 0 && false",
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
    Mutant {
        name: "a span stays known when a page of it changes",
        file: SPANS,
        from: "if known != UNLIKE && known != tag {",
        to: "if known != UNLIKE && known != tag && false {",
        caught_by: &[Properties, Loom("loom_spans")],
    },
    Mutant {
        name: "a span becomes known by a block that has a part of it",
        file: SPANS,
        from: "if pages.len() == SPAN_PAGES {",
        to: "if pages.len() >= SPAN_PAGES / 2 {",
        caught_by: &[Properties, Loom("loom_spans")],
    },
    Mutant {
        name: "a span stays known when a large block of another region has a part of it",
        file: SPANS,
        from: "        before_change(span, UNLIKE);\n",
        to: "",
        caught_by: &[Properties],
    },
    Mutant {
        name: "a span is known as a region's that is gone",
        file: SPANS,
        from: "if gone(span.load(Relaxed)) {",
        to: "if gone(span.load(Relaxed)) && false {",
        caught_by: &[Properties],
    },
    Mutant {
        name: "a tail leaves its span known",
        file: "heapledger-alloc/src/marks.rs",
        from: "pages::word_for(page, UNLIKE)",
        to: "pages::word_for(page, tag)",
        caught_by: &[Properties],
    },
    Mutant {
        name: "an aligned block counts in the class of its size alone",
        file: "heapledger-alloc/src/slow.rs",
        from: "(size + align - 1) & !(align - 1)",
        to: "size",
        caught_by: &[Random],
    },
];
