//! A process of its own, whose counters in the kernel lag behind its pages: from Linux 6.2 on each processor keeps a part
//! of every count, up to some dozen pages, and puts it to the rest when there is more. Whether that is seen depends on
//! who reads: `stat` leaves those parts out; `status`, which a statement takes for RSS, adds them up on newer kernels
//! (6.18, where this was written), and left them out before.
//!
//! So the scenario makes `stat` lag, page by page on each processor, and asks the kernel what `status` says meanwhile:
//! the statement's counter gap must be just what `status` and the page tables (`smaps_rollup`) are apart, read beside it.
//! Where that is 0 nothing is to be judged; where it is not, the page tables must have been asked, and side with the
//! pages.
//!
//! Where `status` is exact that judgement has nothing to do, so a second process sees a file in place of its `status`, which is
//! what the kernel says but for some dozen pages. That takes root and util-linux.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::sync::mpsc;
use std::thread;

use heapledger::{CheckId, Figure, LineId, Region};
use heapledger_harness::{again, skipped};
use support::{exact, take};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static TOUCHED: Region = Region::new("touched");

const PAGE_BYTES: usize = 4096;

/// The kernel lets a processor keep at least this many pages of a count to itself (`percpu_counter_batch`).
const BATCH_PAGES: usize = 32;
/// Two rounds: whatever a processor keeps at first, within these it keeps half a batch once.
const STEPS: usize = 2 * BATCH_PAGES;
/// So much of each processor's is looked for.
const LAG_PAGES: u64 = BATCH_PAGES as u64 / 2;
/// And so much in all is enough: what else a processor counts meanwhile can make it put its part to the rest.
const ENOUGH_PAGES: u64 = LAG_PAGES / 2;
/// Processors that are asked for their part.
const PROCESSORS_MAX: usize = 8;
/// Something else in the process may touch a page while the kernel is read; not every time.
const TRIES: usize = 20;

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{file} has no {name}"));
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

/// RSS as the page tables have it.
fn tables() -> u64 {
    field("/proc/self/smaps_rollup", "Rss:")
}

/// RSS as `status` has it.
fn status() -> u64 {
    field("/proc/self/status", "VmRSS:")
}

/// Pages by which `stat` is behind the page tables; none while it is ahead of them, which is no lag yet.
fn lag_pages() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").expect("stat can be read");
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    // The 24th field of all, of which the third is the first behind the name.
    let pages: u64 = fields.split_ascii_whitespace().nth(24 - 3).expect("rss").parse().expect("a number");
    (tables() / PAGE_BYTES as u64).saturating_sub(pages)
}

/// The processors that this process may run on.
fn processors() -> Vec<usize> {
    // SAFETY: a set of processors is a row of bits, of which none set is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes as many bytes as is said.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: each is below the size of the set.
    all.filter(|processor| unsafe { libc::CPU_ISSET(*processor, &set) }).take(PROCESSORS_MAX).collect()
}

/// Has this thread run there and nowhere else.
fn run_on(processor: usize) {
    // SAFETY: as above.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the processor is one of a set of the same size.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the kernel reads as many bytes as is said.
    let code = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
}

/// Writes to one page after the other until `stat` is so far behind.
fn touch(pages: &mut [u8], wanted: u64) {
    for page in pages.chunks_mut(PAGE_BYTES) {
        if lag_pages() >= wanted {
            return;
        }
        page[0] = 1;
    }
}

#[test]
fn the_counter_gap_is_what_status_lacks_of_the_page_tables() {
    heapledger_harness::thread::wait_until_it_sleeps();
    let processors = processors();
    let mut pages = TOUCHED.scope(|| vec![0_u8; processors.len() * STEPS * PAGE_BYTES]);
    take();
    take();
    thread::scope(|scope| {
        // The threads stay while the statement is taken.
        let mut waiting = Vec::new();
        for ((index, processor), pages) in (1..).zip(&processors).zip(pages.chunks_mut(STEPS * PAGE_BYTES)) {
            let ((stop, stopped), (done, is_done)) = (mpsc::channel::<()>(), mpsc::channel());
            scope.spawn(move || {
                run_on(*processor);
                touch(pages, index * LAG_PAGES);
                done.send(()).expect("who waits is there");
                let _ = stopped.recv();
            });
            is_done.recv().expect("the thread is well");
            waiting.push(stop);
        }
        let lag = lag_pages();
        if lag < ENOUGH_PAGES {
            return skipped("counters that lag", &format!("this kernel's are {lag} pages behind"));
        }
        let judged = (0..TRIES).any(|_| judge(lag));
        assert!(judged, "something touches pages all the time");
    });
}

/// So many pages is `status` made to differ: more than one processor keeps, in either direction.
const OFF_PAGES: i64 = BATCH_PAGES as i64 + 8;

/// Where the child finds the file that lies over its `status`.
const FILE: &str = "HEAPLEDGER_TEST_STATUS";

#[test]
fn where_status_is_off_the_page_tables_are_asked_and_side_with_the_pages() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("a path of characters");
    let mounts = format!("cat /proc/$$/status > {path} && mount --bind {path} /proc/$$/status");
    if let Err(why) = again::run_where(&mounts, "a_process_whose_status_is_off", &[(FILE, path)]) {
        skipped("where_status_is_off_the_page_tables_are_asked_and_side_with_the_pages", &why);
    }
}

/// The task's own file has the same figures, and nothing lies over it.
const TASK: &str = "/proc/thread-self/status";

/// What the kernel says of this process, with so many pages more in VmRSS and RssAnon.
fn status_off_by(pages: i64) -> String {
    let text = fs::read_to_string(TASK).expect("status can be read");
    let off = |line: &str| {
        let (name, value) = line.split_once(':').expect("names and values");
        if !["VmRSS", "RssAnon"].contains(&name) {
            return format!("{line}\n");
        }
        let kib: i64 = value.trim().trim_end_matches("kB").trim().parse().expect("a number");
        format!("{name}:\t{} kB\n", kib + pages * PAGE_BYTES as i64 / 1024)
    };
    text.lines().map(off).collect()
}

#[test]
#[ignore = "run by the other test, where a file lies over status"]
fn a_process_whose_status_is_off() {
    let file = std::env::var(FILE).expect("the other test says which");
    heapledger_harness::thread::wait_until_it_sleeps();
    let held = TOUCHED.scope(|| vec![1_u8; 1 << 20]);
    take();
    for pages in [-OFF_PAGES, OFF_PAGES] {
        assert!((0..TRIES).any(|_| judge_off(&file, pages)), "something touches pages all the time");
    }
    drop(held);
}

/// Whether the file was of the pages that the statement found, and what must hold of it then.
fn judge_off(file: &str, pages: i64) -> bool {
    fs::write(file, status_off_by(pages)).expect("the file can be written");
    let statement = take();
    let off = pages * PAGE_BYTES as i64;
    let rss = exact(&statement, LineId::Rss);
    let truth = field(TASK, "VmRSS:").cast_signed();
    if rss - off != truth || tables().cast_signed() != truth || statement.skew() != &Figure::Exact(0) {
        return false;
    }
    assert_eq!(exact(&statement, LineId::CounterGap), off, "{statement}");
    let check = |id| statement.checks().iter().find(|check| check.id == id).expect("the tables were asked");
    assert_eq!(check(CheckId::TablesAnonCounted).difference, Figure::Exact(off), "{statement}");
    assert_eq!(check(CheckId::TablesAnonCounted).holds(), Some(false), "{statement}");
    for id in [CheckId::TablesAnonFound, CheckId::TablesMappedFound, CheckId::TablesMappedCounted] {
        assert_eq!(check(id).holds(), Some(true), "{}\n{statement}", id.key());
    }
    let told = |key| statement.doubts().iter().any(|doubt| doubt.key == key);
    assert!(told("counters_drift") && !told("pages_missed"), "{statement}");
    let sum = support::sum(&statement);
    assert!(sum.admits(rss), "{sum}\n{statement}");
    true
}

/// Whether no page came or went while a statement was taken, and what must hold of it then.
fn judge(lag: u64) -> bool {
    let (tables_before, status_before) = (tables(), status());
    let statement = take();
    if (tables(), status()) != (tables_before, status_before) || statement.skew() != &Figure::Exact(0) {
        return false;
    }
    let rss = exact(&statement, LineId::Rss);
    assert_eq!(rss, status_before.cast_signed(), "{statement}");
    let gap = rss - tables_before.cast_signed();
    println!("stat is {lag} pages behind the page tables, status {} bytes", -gap);
    assert_eq!(exact(&statement, LineId::CounterGap), gap, "{statement}");
    let holds = |id| statement.checks().iter().find(|check| check.id == id).and_then(heapledger::Check::holds);
    let expected = if gap == 0 { [None; 3] } else { [Some(true), Some(true), Some(false)] };
    let ids = [CheckId::TablesAnonFound, CheckId::TablesMappedFound, CheckId::TablesAnonCounted];
    assert_eq!(ids.map(holds), expected, "{statement}");
    true
}
