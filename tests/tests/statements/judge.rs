//! What must hold of each statement of a quiet process, by what another process sees.

use heapledger::lines::{Role, Section};
use heapledger::{Figure, Flow, LineId, Statement};
use heapledger_tests::outside::sight::{Sight, Sums};
use heapledger_tests::outside::subject::Taken;
use serde_json::Value;

/// What may be without a name in a quiet process, beside what the program mapped itself: pieces of the dynamic linker.
pub const UNATTRIBUTED_AT_MOST: u64 = 64 << 10;

/// What the dynamic loader has of these small programs: records of a few objects, and the main thread's variables.
const LOADER_AT_MOST: u64 = 64 << 10;

/// Intervals may be so wide together: a hundredth of RSS, and this.
const WIDTH_AT_MOST: i64 = 1 << 20;

/// Lines that are jemalloc's memory.
const JEMALLOC: [LineId; 9] = [
    LineId::Live,
    LineId::PastLedger,
    LineId::Moved,
    LineId::FreeSlots,
    LineId::ThreadCaches,
    LineId::Dirty,
    LineId::Muzzy,
    LineId::RetainedResident,
    LineId::Base,
];

/// A figure that must be exact.
#[track_caller]
pub fn exact(statement: &Statement, line: LineId) -> u64 {
    let bytes = statement.figure(line).as_exact().unwrap_or_else(|| panic!("{} is not exact\n{statement}", line.key()));
    u64::try_from(bytes).unwrap_or_else(|_| panic!("{} is negative\n{statement}", line.key()))
}

/// Resident bytes of a region's live blocks, which must be exact.
#[track_caller]
pub fn resident(statement: &Statement, region: &str) -> u64 {
    let figure = statement.part(LineId::Live, region).unwrap_or_else(|| panic!("no {region}\n{statement}"));
    let bytes = figure.as_exact().unwrap_or_else(|| panic!("{region} is not exact: {figure}\n{statement}"));
    u64::try_from(bytes).expect("no line is negative")
}

/// Ranges that the probe noted under this name: first byte, and behind the last.
pub fn ranges(facts: &Value, key: &str) -> Vec<(u64, u64)> {
    let list = facts[key].as_array().unwrap_or_else(|| panic!("no {key} in {facts}"));
    let number = |value: &Value| value.as_u64().expect("addresses are numbers");
    list.iter().map(|range| (number(&range[0]), number(&range[0]) + number(&range[1]))).collect()
}

/// All that must hold whatever the state is.
pub fn quiet(taken: &Taken) {
    let Taken { statement, seen, .. } = taken;
    assert_eq!(statement.traffic_bytes(), Some(Flow::default()), "taking a statement uses the heap\n{statement}");
    for check in statement.checks() {
        assert_eq!(check.holds(), Some(true), "{}: {}\n{statement}", check.id.key(), check.difference);
    }
    kernel(statement, seen);
    let sums = seen.sums();
    found(statement, &sums, seen);
    adds_up(statement);
    classes(taken, &sums);
    unattributed(taken);
}

/// The statement's word for the kernel's is the kernel's word to another process.
fn kernel(statement: &Statement, seen: &Sight) {
    let status = &seen.status;
    for (line, kib) in [
        (LineId::Rss, status.vmrss),
        (LineId::RssAnon, status.rssanon),
        (LineId::RssFile, status.rssfile),
        (LineId::RssShmem, status.rssshmem),
        (LineId::PeakRss, status.vmhwm),
        (LineId::Swap, status.vmswap),
        (LineId::PageTables, status.vmpte),
    ] {
        let kib = kib.unwrap_or_else(|| panic!("this kernel does not tell {}", line.key()));
        assert_eq!(exact(statement, line), kib * 1024, "{}\n{statement}", line.key());
    }
}

/// Every page that the other process finds was found, and no more: the gap is nothing but the kernel's own.
fn found(statement: &Statement, sums: &Sums, seen: &Sight) {
    for (kind, line, bytes) in [
        ("anon", LineId::RssAnon, sums.anon),
        ("file", LineId::RssFile, sums.file),
        ("shmem", LineId::RssShmem, sums.shmem),
    ] {
        let gap = statement.part(LineId::CounterGap, kind).and_then(|gap| gap.as_exact()).expect("a gap for each kind");
        assert_eq!(gap, 0, "{kind}\n{statement}\n{seen}");
        assert_eq!(exact(statement, line), bytes, "{kind}\n{statement}\n{seen}");
    }
    assert_eq!(statement.figure(LineId::CounterGap), Figure::Exact(0), "{statement}");
}

/// The lines sum to RSS, and their intervals are narrow.
fn adds_up(statement: &Statement) {
    let unexplained = statement.figure(LineId::Unexplained);
    assert!(unexplained.as_exact().is_some(), "unexplained is of pages, and so exact\n{statement}");
    let sum = summands(statement) + unexplained;
    let (low, high) = sum.ends().unwrap_or_else(|| panic!("{sum}\n{statement}"));
    let rss = exact(statement, LineId::Rss).cast_signed();
    assert!(low <= rss && rss <= high, "{sum}\n{statement}");
    if !refused(statement) {
        assert!(high - low <= rss / 100 + WIDTH_AT_MOST, "{sum}\n{statement}");
        exact(statement, LineId::SlabsResident);
        assert_eq!(statement.figure(LineId::PastAllocated), Figure::Exact(0), "{statement}");
    }
}

/// Whether jemalloc's records were not read; a doubt says why.
pub fn refused(statement: &Statement) -> bool {
    statement.figure(LineId::SlabsResident).is_unknown()
}

fn summands(statement: &Statement) -> Figure {
    let lines = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    lines.map(|line| line.figure.clone()).sum()
}

/// Each class of memory by addresses that the statement does not know: names of mappings, headers of the files that are
/// loaded, and what the probe knows of itself.
fn classes(taken: &Taken, sums: &Sums) {
    let Taken { statement, facts, seen, .. } = taken;
    let resident = |ranges: &[(u64, u64)]| ranges.iter().map(|(start, end)| seen.resident(*start, *end)).sum::<u64>();
    let tables = ranges(facts, "tables");
    let variables = seen.variables();
    // The ledger's static tables lie among the variables.
    let tables_inside: u64 = variables.iter().map(|variables| resident(&overlaps(&tables, *variables))).sum();
    let mut stacks: Vec<_> = ranges(facts, "stacks").into_iter().filter(|stack| is_stack(seen, *stack)).collect();
    if facts["guarded"].is_array() {
        stacks.extend(ranges(facts, "guarded"));
    }
    // jemalloc's own threads are not the probe's to report. Stacks among what the probe mapped itself are its own.
    let maps = ranges(facts, "maps");
    let others = seen.running_stacks().into_iter().filter(|(start, _)| {
        stacks.iter().all(|stack| stack.0 != *start) && !maps.iter().any(|map| (map.0..map.1).contains(start))
    });
    stacks.extend(others.collect::<Vec<_>>());
    let heaps = seen.thread_heaps();
    let known = [
        (LineId::FilePages, sums.file_private),
        (LineId::FileWritten, sums.file_written),
        (LineId::SharedFile, sums.file_shared),
        (LineId::SharedMemory, sums.shmem),
        (LineId::Vdso, sums.vdso),
        (LineId::MainStack, sums.stack),
        (LineId::GlibcHeap, sums.heap),
        (LineId::OwnTables, resident(&tables)),
        (LineId::Bss, resident(&variables) - tables_inside),
        (LineId::GlibcArenas, resident(&heaps)),
        (LineId::GlibcMmapped, resident(&ranges(facts, "chunks"))),
        (LineId::ThreadStacks, resident(&stacks)),
    ];
    for (line, bytes) in known {
        assert_eq!(exact(statement, line), bytes, "{}\n{statement}\n{seen}", line.key());
    }
    if refused(statement) {
        return;
    }
    // What is left of the anonymous pages is jemalloc's, but for the buffers of the statement and what has no name.
    let beside =
        [LineId::Scratch, LineId::Loader, LineId::Unattributed].map(|line| exact(statement, line)).iter().sum::<u64>();
    let others: u64 =
        known.iter().filter(|(line, _)| is_anonymous(*line)).map(|(line, _)| exact(statement, *line)).sum();
    let jemallocs = (sums.anon - others - beside).cast_signed();
    let lines = JEMALLOC.into_iter().chain([LineId::LargePads]).map(|line| statement.figure(line)).sum::<Figure>();
    assert!(lines.admits(jemallocs), "jemalloc's lines {lines}, from outside {jemallocs}\n{statement}\n{seen}");
    assert!(exact(statement, LineId::Loader) <= LOADER_AT_MOST, "{statement}\n{seen}");
    // Nothing was forgotten here.
    let heap = [Section::InUse, Section::Freed, Section::Overhead];
    for line in statement.lines().iter().filter(|line| line.id.line().role == Role::Summand) {
        let ours =
            JEMALLOC.contains(&line.id) || [LineId::LargePads, LineId::Scratch, LineId::OwnTables].contains(&line.id);
        assert_eq!(heap.contains(&line.id.line().section), ours, "{}", line.id.key());
        let ours = ours || line.id == LineId::Loader;
        assert!(ours || known.iter().any(|(id, _)| *id == line.id), "{} is not judged", line.id.key());
    }
}

fn is_anonymous(line: LineId) -> bool {
    ![LineId::FilePages, LineId::SharedFile, LineId::SharedMemory, LineId::Vdso].contains(&line)
}

/// The parts of `ranges` that lie in `inside`.
fn overlaps(ranges: &[(u64, u64)], inside: (u64, u64)) -> Vec<(u64, u64)> {
    let cut = |range: &(u64, u64)| (range.0.max(inside.0), range.1.min(inside.1));
    ranges.iter().map(cut).filter(|(start, end)| start < end).collect()
}

/// Stacks of threads that ended are kept or given back, and then something else can lie there; a stack has a guard.
fn is_stack(seen: &Sight, (start, _): (u64, u64)) -> bool {
    let guarded = seen.mapping(start - 1).is_some_and(|guard| guard.end == start && guard.is_closed());
    guarded && seen.mapping(start).is_some_and(|stack| stack.is_anonymous() && !stack.is_closed())
}

/// Every byte without a name is listed with its addresses, is resident there, and is the program's own but for crumbs.
fn unattributed(taken: &Taken) {
    let Taken { statement, facts, seen, .. } = taken;
    let mut listed = 0;
    for range in statement.unattributed() {
        let bytes = seen.resident(range.start, range.end);
        assert_eq!(range.figure, Figure::exact(bytes), "{:x}-{:x}\n{statement}\n{seen}", range.start, range.end);
        listed += bytes;
    }
    assert_eq!(exact(statement, LineId::Unattributed), listed, "each byte is listed\n{statement}");
    if refused(statement) {
        return;
    }
    let mut own = 0;
    for map in ranges(facts, "maps") {
        let spans: Vec<_> = statement.unattributed().iter().map(|range| (range.start, range.end)).collect();
        let in_lists: u64 = overlaps(&spans, map).iter().map(|(start, end)| seen.resident(*start, *end)).sum();
        assert_eq!(in_lists, seen.resident(map.0, map.1), "the program's own mapping\n{statement}\n{seen}");
        own += in_lists;
    }
    assert!(listed - own <= UNATTRIBUTED_AT_MOST, "{statement}\n{seen}");
}
