//! Each finding's remedy, applied literally in a process of its own: what is gained lies in the interval that was
//! claimed, and without the remedy it does not.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};

use heapledger::{CheckForecast, Figure, Finding, FindingId, Isolation, LineId, Region, Statement, Verdict};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static A: Region = Region::new("A");
static B: Region = Region::new("B");

const MIB: usize = 1 << 20;

/// Short, so that a test need not wait long; what goes in it has gone after three of them.
const DECAY: Duration = Duration::from_secs(1);
const GONE: Duration = Duration::from_millis(3_500);

/// Runs one of the ignored tests below in a process of its own.
fn alone(name: &str) {
    alone_with(name, &[]);
}

fn alone_with(name: &str, variables: &[(&str, &str)]) {
    let program = std::env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env_remove("_RJEM_MALLOC_CONF");
    let output = command.envs(variables.iter().copied()).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{name} is no test\n{text}");
}

fn take() -> Statement {
    heapledger::statement().expect("the ledger is installed")
}

/// What taking, judging and printing statements needs of code and of slabs is resident before anything is measured: it
/// would come out of the gain, which is told of RSS.
fn ready() {
    for _ in 0..2 {
        let statement = take();
        let findings: Vec<String> = statement.findings().iter().map(ToString::to_string).collect();
        std::hint::black_box((statement.to_string(), findings, statement.forecast().to_string()));
    }
}

fn find(statement: &Statement, id: FindingId) -> Option<Finding> {
    statement.findings().into_iter().find(|finding| finding.id == id)
}

fn found(statement: &Statement, id: FindingId) -> Finding {
    let finding = find(statement, id).unwrap_or_else(|| panic!("{} is not told\n{statement}", id.row().key));
    println!("{finding}");
    finding
}

/// By how much the finding's line fell; an interval where the line is one.
fn gained(finding: &Finding, before: &Statement, after: &Statement) -> (i64, i64) {
    let fell = before.figure(finding.gain_on) - after.figure(finding.gain_on);
    fell.ends().unwrap_or_else(|| panic!("{fell}\n{before}\n{after}"))
}

fn assert_gained(finding: &Finding, before: &Statement, after: &Statement) {
    let (low, high) = gained(finding, before, after);
    let inside = finding.gain.admits(low) && finding.gain.admits(high) && !finding.gain.is_unknown();
    assert!(inside, "{low} to {high} bytes were gained of {}\n{before}\n{after}", finding.gain);
}

/// Far longer than it takes: that it goes is what is waited for, not when.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first statement by which as much went as was claimed at least. Statements give nothing back themselves where
/// background threads do.
fn once_gained(finding: &Finding, before: &Statement) -> Statement {
    let began = Instant::now();
    loop {
        std::thread::sleep(DECAY);
        let after = take();
        if Some(gained(finding, before, &after).0) >= finding.gain.low() || began.elapsed() > PATIENCE {
            return after;
        }
    }
}

fn assert_not_gained(finding: &Finding, before: &Statement, after: &Statement) {
    let (low, high) = gained(finding, before, after);
    let least = finding.gain.low().expect("it is known");
    assert!(high < least, "{low} to {high} bytes were gained without the remedy\n{before}\n{after}");
}

/// Small blocks of A whose pages are dirty afterwards: their slabs are too small to be given back at once.
fn make_dirty(bytes: usize) {
    let blocks: Vec<Box<[u8; 1024]>> = A.scope(|| (0..bytes / 1024).map(|_| Box::new([1; 1024])).collect());
    drop(blocks);
}

fn decay_ms(ms: i64) {
    heapledger::configure().dirty_decay_ms(ms).expect("it is a decay time");
}

#[test]
fn background_threads_return_what_an_idle_process_keeps() {
    alone("subject_background_threads");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_background_threads() {
    decay_ms(DECAY.as_millis() as i64);
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::BackgroundThreadsOff);
    assert_eq!(finding.remedy, "heapledger::configure().background_threads(true)");
    assert_eq!(before.verdicts().region("A").and_then(|judged| judged.main()), Some(Verdict::Held));
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    heapledger::configure().background_threads(true).expect("they can be started");
    let forecast = take().forecast();
    println!("{forecast}");
    std::thread::sleep(forecast.over_after().expect("it ends now"));
    let check = forecast.check().expect("the ledger is installed");
    assert_eq!(check.holds(), Some(true), "{check}");
    let after = take();
    assert_gained(&finding, &before, &after);
    assert_eq!(find(&after, FindingId::BackgroundThreadsOff), None);
}

#[test]
fn a_decay_time_of_never_is_ended() {
    alone("subject_decay_never");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_decay_never() {
    decay_ms(-1);
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::DecayNever);
    assert_eq!(finding.remedy, "heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true)");
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    let remedy = || heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true);
    remedy().expect("both can be set");
    // The same with a decay time for which a test can wait; it begins anew.
    decay_ms(DECAY.as_millis() as i64);
    assert_gained(&finding, &before, &once_gained(&finding, &before));
}

#[test]
fn two_decay_times_of_never_are_both_ended() {
    alone("subject_both_decays_never");
}

/// What is dirty would become muzzy, and stay so.
#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_both_decays_never() {
    heapledger::configure().dirty_decay_ms(-1).expect("it is a decay time").muzzy_decay_ms(-1).expect("so is this");
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::DecayNever);
    let both = "heapledger::configure().dirty_decay_ms(10_000)?.muzzy_decay_ms(0)?.background_threads(true)";
    assert_eq!(finding.remedy, both);
    // The control: ending one of them is not enough.
    decay_ms(DECAY.as_millis() as i64);
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    let remedy = || heapledger::configure().dirty_decay_ms(10_000)?.muzzy_decay_ms(0)?.background_threads(true);
    remedy().expect("all can be set");
    // The same with a decay time for which a test can wait; it begins anew.
    decay_ms(DECAY.as_millis() as i64);
    assert_gained(&finding, &before, &once_gained(&finding, &before));
}

#[test]
fn dirty_pages_of_the_oversize_arena_are_purged() {
    alone("subject_oversize");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_oversize() {
    // So long that nothing goes while the test runs.
    decay_ms(600_000);
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    let blocks: Vec<Vec<u8>> = A.scope(|| (0..8).map(|_| vec![1; 16 * MIB]).collect());
    drop(blocks);
    let before = take();
    let finding = found(&before, FindingId::OversizeArena);
    assert_not_gained(&finding, &before, &take());
    assert_eq!(finding.remedy, "heapledger::purge()");
    let purge = heapledger::purge().expect("jemalloc purges");
    assert_gained(&finding, &before, &purge.after);
    assert_eq!(find(&purge.after, FindingId::OversizeArena), None);
}

/// Every 64th block of 64 bytes is B's, which makes one in each slab of a page. A's go.
#[expect(clippy::vec_box, reason = "each is to be a block of its own")]
fn scatter() -> Vec<Box<[u8; 64]>> {
    let blocks = 64 * MIB / 64;
    let (mut of_a, mut of_b) = (Vec::with_capacity(blocks), Vec::with_capacity(blocks / 64));
    for block in 0..blocks {
        match block % 64 {
            0 => of_b.push(B.scope(|| Box::new([1_u8; 64]))),
            _ => of_a.push(A.scope(|| Box::new([1_u8; 64]))),
        }
    }
    drop(of_a);
    of_b
}

#[test]
fn what_a_region_pins_goes_when_its_blocks_go() {
    alone("subject_pinned");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_pinned() {
    let of_b = scatter();
    let before = heapledger::purge().expect("jemalloc purges").after;
    let finding = found(&before, FindingId::SlabsPinned);
    assert_eq!(finding.region.as_deref(), Some("B"));
    assert!(finding.remedy.starts_with("heapledger::Region::isolated(\"B\")"));
    // 63 of 64 slots of 16,384 slabs, but for slabs that other blocks of the test share.
    assert!(finding.gain.admits((63 * MIB) as i64), "{finding}");
    let fragmentation = before.fragmentation().expect("pages are told");
    let pin = fragmentation.pins().iter().find(|pin| pin.region == "B" && pin.slot_bytes == 64).expect("it pins");
    println!("{pin}\n{fragmentation}");
    assert!(pin.slabs.abs_diff(16_384) < 64 && pin.slots.abs_diff(16_384) < 128, "{pin}");
    let could = pin.could_go_back();
    drop(of_b);
    let after = heapledger::purge().expect("jemalloc purges").after;
    let went = (before.figure(LineId::Rss) - after.figure(LineId::Rss)).as_exact().expect("the kernel counts");
    // The vector that held the blocks went too: 16,384 pointers.
    assert!((could + Figure::up_to(MIB as u64 / 2)).admits(went), "{went} went of {pin}");
    assert_eq!(find(&after, FindingId::SlabsPinned), None);
}

#[test]
fn without_huge_pages_what_was_given_back_stays_away() {
    let system = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if !system.contains("[madvise]") && !system.contains("[always]") {
        println!("SKIPPED without_huge_pages_what_was_given_back_stays_away: the kernel gives no huge pages");
        return;
    }
    // The control, then the remedy: the same work in a process that is told otherwise.
    alone_with("subject_huge_pages", &[("_RJEM_MALLOC_CONF", "thp:always")]);
    alone_with("subject_huge_pages", &[("_RJEM_MALLOC_CONF", "thp:never")]);
}

/// Every other block of 1 MiB goes and is given back, never touched. Then what is left is touched: a huge page reaches
/// over both.
#[test]
#[ignore = "a process of its own: see `alone_with`"]
fn subject_huge_pages() {
    const BLOCKS: usize = 64;
    let mut blocks: Vec<Vec<u8>> = A.scope(|| (0..2 * BLOCKS).map(|_| Vec::with_capacity(MIB)).collect());
    let mut number = 0;
    blocks.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    heapledger::purge().expect("jemalloc purges");
    blocks.iter_mut().for_each(|block| block.resize(MIB, 1));
    let statement = take();
    let retained = statement.figure(LineId::RetainedResident).as_exact().expect("pages are told");
    let finding = find(&statement, FindingId::HugePagesKeepRetained);
    if std::env::var("_RJEM_MALLOC_CONF").as_deref() == Ok("thp:never") {
        assert_eq!((retained, finding), (0, None), "{statement}");
        return;
    }
    let finding = finding.unwrap_or_else(|| panic!("it is not told\n{statement}"));
    println!("{finding}");
    assert_eq!(finding.remedy, "_RJEM_MALLOC_CONF=thp:never");
    // With the remedy the line is 0, so all of it is gained.
    assert_eq!(finding.gain_on, LineId::RetainedResident);
    assert!(finding.gain.admits(retained));
    assert!(retained > 16 * MIB as i64);
}

#[test]
fn thread_caches_are_flushed_by_their_threads() {
    // Caches hold more blocks, and are not looked through meanwhile, so that there is something to find.
    let conf = "tcache_nslots_large:2000,tcache_gc_incr_bytes:1073741824";
    alone_with("subject_thread_caches", &[("_RJEM_MALLOC_CONF", conf)]);
}

#[test]
#[ignore = "a process of its own: see `alone_with`"]
fn subject_thread_caches() {
    ready();
    let (cached, purged) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    let idle = || {
        let blocks: Vec<Vec<u8>> = A.scope(|| (0..1_000).map(|_| vec![1_u8; 32 << 10]).collect());
        drop(blocks);
        cached.wait();
        purged.wait();
        heapledger::purge().expect("jemalloc purges");
        cached.wait();
        purged.wait();
    };
    std::thread::scope(|scope| {
        scope.spawn(idle);
        cached.wait();
        let before = take();
        let finding = found(&before, FindingId::ThreadCaches);
        assert_eq!(finding.remedy, "heapledger::purge() on each thread that is about to idle");
        // The control: on another thread than the one that idles it gains nothing, and is told again.
        let elsewhere = heapledger::purge().expect("jemalloc purges").after;
        assert_not_gained(&finding, &before, &elsewhere);
        assert!(find(&elsewhere, FindingId::ThreadCaches).is_some());
        purged.wait();
        cached.wait();
        let after = take();
        assert_gained(&finding, &before, &after);
        assert_eq!(find(&after, FindingId::ThreadCaches), None, "the remedy was applied");
        purged.wait();
    });
}

#[test]
fn what_glibc_keeps_is_trimmed() {
    // glibc gives threads heaps of their own, and the test runs in one.
    alone_with("subject_glibc", &[("MALLOC_ARENA_MAX", "1")]);
}

#[test]
#[ignore = "a process of its own: see `alone_with`"]
#[cfg(target_env = "gnu")]
fn subject_glibc() {
    use libc::{free, malloc, malloc_trim, memset};
    const BLOCK: usize = 64 << 10;
    ready();
    let mut blocks = Vec::new();
    for _ in 0..800 {
        // SAFETY: any size may be asked for.
        let block = unsafe { malloc(BLOCK) };
        assert!(!block.is_null());
        // SAFETY: the block has so many bytes.
        unsafe { memset(block, 1, BLOCK) };
        blocks.push(block);
    }
    // The last one keeps all that lies below it.
    let last = blocks.pop();
    for block in blocks {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(block) };
    }
    let before = take();
    let finding = found(&before, FindingId::GlibcMemory);
    assert_eq!(finding.remedy, "libc::malloc_trim(0)");
    assert_not_gained(&finding, &before, &take());
    // SAFETY: it has no preconditions.
    assert_eq!(unsafe { malloc_trim(0) }, 1);
    assert_gained(&finding, &before, &take());
    if let Some(block) = last {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(block) };
    }
}

/// Whole pages are free in neither: glibc can give nothing of it back, and nothing is claimed.
#[test]
#[cfg(target_env = "gnu")]
fn what_fills_no_page_is_no_gain() {
    alone_with("subject_glibc_in_pieces", &[("MALLOC_ARENA_MAX", "1")]);
}

#[test]
#[ignore = "a process of its own: see `alone_with`"]
#[cfg(target_env = "gnu")]
fn subject_glibc_in_pieces() {
    use libc::{free, malloc, malloc_trim, memset};
    // More than glibc's caches for small blocks take, so that the pieces are its arena's.
    const BLOCK: usize = 2000;
    ready();
    let blocks: Vec<*mut libc::c_void> = (0..40_000)
        .map(|_| {
            // SAFETY: any size may be asked for.
            let block = unsafe { malloc(BLOCK) };
            assert!(!block.is_null());
            // SAFETY: the block has so many bytes.
            unsafe { memset(block, 1, BLOCK) }
        })
        .collect();
    for block in blocks.iter().step_by(2) {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(*block) };
    }
    let before = take();
    assert_eq!(find(&before, FindingId::GlibcMemory), None, "{before}");
    // And so it is: 38 MiB are free, and next to nothing of it goes.
    // SAFETY: it has no preconditions.
    unsafe { malloc_trim(0) };
    let went = before.figure(LineId::GlibcHeap) - take().figure(LineId::GlibcHeap);
    assert!(went.high().is_some_and(|bytes| bytes < MIB as i64), "{went} went");
    // The last one stays, and keeps all that lies below it.
    let (last, others) = blocks.split_last().expect("there are blocks");
    for block in others.iter().skip(1).step_by(2) {
        // SAFETY: it came from malloc and nobody has it.
        unsafe { free(*block) };
    }
    let together = take();
    let finding = found(&together, FindingId::GlibcMemory);
    assert_not_gained(&finding, &together, &take());
    // SAFETY: it has no preconditions.
    assert_eq!(unsafe { malloc_trim(0) }, 1);
    assert_gained(&finding, &together, &take());
    assert_eq!(find(&take(), FindingId::GlibcMemory), None, "the remedy was applied");
    // SAFETY: it came from malloc and nobody has it.
    unsafe { free(*last) };
}

#[test]
fn a_mapping_that_nobody_names_is_found_by_its_range() {
    alone("subject_unattributed");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_unattributed() {
    const BYTES: usize = 64 * MIB;
    const PAGE: usize = 4096;
    let map = |at: *mut libc::c_void, bytes: usize, access: i32, more: i32| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | more;
        // SAFETY: a new mapping, or one in place of a part of the one below, which nobody uses yet.
        let mapped = unsafe { libc::mmap(at, bytes, access, flags, -1, 0) };
        assert_ne!(mapped, libc::MAP_FAILED);
        mapped
    };
    ready();
    // Closed pages on both sides, so that it is joined with nobody's.
    let around = map(std::ptr::null_mut(), BYTES + 2 * PAGE, libc::PROT_NONE, 0);
    let inside = around.wrapping_byte_add(PAGE);
    let memory = map(inside, BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_FIXED);
    // SAFETY: the mapping has so many bytes, and nobody else has it.
    unsafe { libc::memset(memory, 1, BYTES) };

    let before = take();
    let finding = found(&before, FindingId::UnattributedMappings);
    let (start, end) = (memory.addr(), memory.addr() + BYTES);
    assert!(finding.says.contains(&format!("{start:x}-{end:x}")), "{finding}");
    assert_eq!((finding.gain_on, &finding.gain), (LineId::Unattributed, &Figure::Exact(BYTES as i64)));
    assert_not_gained(&finding, &before, &take());

    // To the letter: its two numbers, and no others.
    let condition = "once nobody needs it, and whoever mapped it does not unmap it: libc::munmap(";
    let arguments = finding.remedy.strip_prefix(condition).and_then(|rest| rest.strip_suffix(')'));
    let numbers: Vec<usize> = arguments
        .expect("it is a call of munmap")
        .split(", ")
        .map(|word| word.split(' ').next().and_then(|hex| hex.strip_prefix("0x")).expect("it is hexadecimal"))
        .map(|hex| usize::from_str_radix(hex, 16).expect("it is a number"))
        .collect();
    assert_eq!(numbers, [start, BYTES]);
    // SAFETY: it is the mapping of above, of which nothing is used any more.
    assert_eq!(unsafe { libc::munmap(memory.with_addr(numbers[0]), numbers[1]) }, 0);
    let after = take();
    assert_gained(&finding, &before, &after);
    assert_eq!(find(&after, FindingId::UnattributedMappings), None);
}

#[test]
fn a_leak_is_suspected_in_the_region_that_has_it_and_in_no_other() {
    alone("subject_leak");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_leak() {
    const REQUESTS: usize = 1_000;
    let mut leaked: Vec<Box<[u8; 1024]>> = Vec::with_capacity(5 * REQUESTS);
    let mut marks = vec![take()];
    for _ in 0..4 {
        for _ in 0..REQUESTS {
            leaked.push(A.scope(|| Box::new([1; 1024])));
            drop(std::hint::black_box(B.scope(|| vec![1_u8; 64 << 10])));
        }
        marks.push(take());
    }
    let (last, earlier) = marks.split_last().expect("there are five");
    let earlier: Vec<&Statement> = earlier.iter().collect();
    let suspects: Vec<Finding> =
        last.findings_since(&earlier).into_iter().filter(|finding| finding.id == FindingId::LeakSuspect).collect();
    assert_eq!(suspects.len(), 1, "{suspects:?}");
    assert_eq!(suspects[0].region.as_deref(), Some("A"));
    assert_eq!(suspects[0].gain, Figure::Exact((REQUESTS * 1024) as i64), "by arithmetic, and to the byte");
}

#[test]
fn a_program_without_regions_is_told_so() {
    alone("subject_untagged");
}

#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_untagged() {
    let blocks = std::hint::black_box(vec![1_u8; 64 * MIB]);
    let before = take();
    found(&before, FindingId::MostUntagged);
    drop(blocks);
    let blocks = A.scope(|| std::hint::black_box(vec![1_u8; 64 * MIB]));
    assert_eq!(find(&take(), FindingId::MostUntagged), None, "the remedy was applied");
    drop(blocks);
}

#[test]
fn a_region_that_was_to_be_isolated_and_is_not_is_doubted() {
    alone("subject_not_isolated");
}

/// The ledger of this program isolates nothing.
#[test]
#[ignore = "a process of its own: see `alone`"]
fn subject_not_isolated() {
    static ALONE: Region = Region::isolated("alone");
    let doubted = |statement: &Statement| {
        statement.doubts().iter().find(|doubt| doubt.key == "not_isolated").map(|doubt| doubt.says.to_string())
    };
    let before = take();
    assert_eq!(doubted(&before), None, "it was not used yet");
    let block = ALONE.scope(|| Box::new(1_u64));
    assert_eq!(ALONE.isolation(), Isolation::PlainLedger);
    let says = doubted(&take()).expect("it lies beside others");
    assert!(says.starts_with("alone has no arena of its own: the program's allocator isolates nothing"), "{says}");
    let quick = heapledger::quick().expect("the ledger is installed");
    assert!(quick.doubts().iter().any(|doubt| doubt.key == "not_isolated"), "{quick}");
    drop(block);
}
