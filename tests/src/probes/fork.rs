//! A process with threads that never stop allocating forks, again and again.
//!
//! Options: `threads`, `forks`, and `alone`, 1 = the other threads stand still while this one forks, so that the child
//! is of one moment. Prints how many children found the books wrong, of how many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::AcqRel, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use heapledger_alloc::table_use;
use heapledger_core::{OwnedRegion, Region, RegionId};
use heapledger_harness::fork::{Forked, end_after_seconds, fork, wait_for};
use serde_json::{Value, json};

use super::Options;
use crate::blocks::{Block, layout};
use crate::books::Balance;
use crate::os::process::run_alone;

const SIZE: usize = 100;
/// Of the class that `SIZE` is rounded up to.
const CLASS: u64 = 112;
const MOST_THREADS: usize = 16;
/// A child needs milliseconds; this only ends one that hangs.
const CHILD_SECONDS: u32 = 60;

/// What the threads have done, counted by themselves after each operation.
#[derive(Default)]
struct Done {
    made: AtomicU64,
    freed: AtomicU64,
}

static DONE: [Done; MOST_THREADS] =
    [const { Done { made: AtomicU64::new(0), freed: AtomicU64::new(0) } }; MOST_THREADS];
/// A block that the thread before has left for this one to free.
static MAIL: [AtomicPtr<u8>; MOST_THREADS] = [const { AtomicPtr::new(null_mut()) }; MOST_THREADS];
static STOP: AtomicBool = AtomicBool::new(false);
static CHILD: Region = Region::new("child");

/// Frees a block that `owner` made.
fn free(at: *mut u8, owner: usize) {
    // SAFETY: mail is taken by one thread only, and all of it are blocks of this layout.
    if let Some(block) = unsafe { Block::from_parts(at, layout(SIZE, 1)) } {
        drop(block);
        DONE[owner].freed.fetch_add(1, SeqCst);
    }
}

/// Makes blocks in its region, leaves them for the next thread, and frees what the one before has left.
fn work(me: usize, threads: usize, region: RegionId) {
    let (before, next) = ((me + threads - 1) % threads, (me + 1) % threads);
    while !STOP.load(Relaxed) {
        let block = region.scope(|| Block::new(SIZE));
        DONE[me].made.fetch_add(1, SeqCst);
        free(MAIL[next].swap(block.into_pointer(), AcqRel), me);
        free(MAIL[me].swap(null_mut(), AcqRel), before);
    }
}

/// What the threads have done as of now, by their own count.
fn done(threads: usize) -> Vec<(u64, u64)> {
    DONE[..threads].iter().map(|done| (done.made.load(SeqCst), done.freed.load(SeqCst))).collect()
}

/// What the child prints for its parent: made and freed blocks of each region by the ledger, and by the threads.
fn look(regions: &[OwnedRegion]) -> Vec<Balance> {
    regions.iter().map(|region| Balance::of(**region)).collect()
}

/// Whether the books of a moment differ from what the threads had done by no more than the operation each was in.
fn right_at_a_moment(books: &[Balance], done: &[(u64, u64)]) -> bool {
    let mut under_way = 0;
    for (book, &(made, freed)) in books.iter().zip(done) {
        // The ledger counts before the thread does. Bytes are counted last, so they may be one block behind.
        let (more_made, more_freed) = (book.blocks.allocated - made, book.blocks.freed - freed);
        under_way += more_made + more_freed;
        let bytes = book.requested;
        let behind = |blocks: u64, bytes: u64| (blocks * SIZE as u64).wrapping_sub(bytes);
        let behind = (behind(book.blocks.allocated, bytes.allocated), behind(book.blocks.freed, bytes.freed));
        if behind.0 > SIZE as u64
            || behind.1 > 2 * SIZE as u64
            || book.usable.allocated != CLASS * book.blocks.allocated
        {
            eprintln!("bytes are off: {book:?}");
            return false;
        }
    }
    if under_way > done.len() as u64 {
        eprintln!("blocks are off by {under_way}: {books:?} {done:?}");
    }
    under_way <= done.len() as u64
}

/// Whether the books of a child are between what the threads had done before the fork and after it. While the kernel
/// copies the pages of a process, threads on other processors go on writing to those that it has not copied yet.
fn right_within(books: &[Balance], before: &[(u64, u64)], after: &[(u64, u64)]) -> bool {
    books.iter().zip(before).zip(after).all(|((book, before), after)| {
        // The thread itself and the one that frees for it may each be one operation further than they have counted.
        let made = before.0..=after.0 + 1;
        let freed = before.1..=after.1 + 2;
        made.contains(&book.blocks.allocated) && freed.contains(&book.blocks.freed)
    })
}

/// All that a child may do: have threads of its own, look at its books, end.
fn child_goes_on() {
    let slots = table_use().thread_slots;
    assert_eq!(table_use().threads, 1, "only the thread that forked came along");
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| CHILD.scope(|| Block::new(SIZE)))).collect();
    let blocks: Vec<Block> = threads.into_iter().map(|thread| thread.join().expect("the thread ends well")).collect();
    assert_eq!(Balance::of(*CHILD), Balance::held(4, SIZE as u64, CLASS));
    drop(blocks);
    assert_eq!(Balance::of(*CHILD), Balance::passed(4, SIZE as u64, CLASS));
    assert_eq!(table_use().thread_slots, slots, "slots of the threads that did not come along are used again");
    assert_eq!(heapledger::live().self_bytes("child"), Some(0));
    let summary = heapledger::quick().expect("a child can be summed up");
    assert_eq!(summary.pid, Some(std::process::id()));
}

/// What a child tells its parent by its exit status.
const RIGHT: i32 = 0;
const WRONG: i32 = 1;

fn fork_once(regions: &[OwnedRegion], alone: bool) -> i32 {
    let threads = regions.len();
    let (mut reader, mut writer) = std::io::pipe().expect("there are pipes");
    let before = done(threads);
    match fork() {
        Forked::Child => {
            end_after_seconds(CHILD_SECONDS);
            // A panic must not unwind into the scope, which would wait for threads that are not here.
            let right = catch_unwind(AssertUnwindSafe(|| {
                let books = look(regions);
                let right = !alone || right_at_a_moment(&books, &done(threads));
                tell(&mut writer, &books);
                child_goes_on();
                right
            }));
            std::process::exit(if right.unwrap_or(false) { RIGHT } else { WRONG });
        }
        Forked::Parent(pid) => {
            // Otherwise the pipe would stay open when the child has ended.
            drop(writer);
            let after = done(threads);
            let books = hear(&mut reader, threads);
            let right = books.as_ref().is_some_and(|books| right_within(books, &before, &after));
            if !right {
                eprintln!("books {books:?} are not between {before:?} and {after:?}");
            }
            let code = wait_for(pid);
            if right { code } else { code.max(WRONG) }
        }
    }
}

/// Sends made and freed blocks of each region.
fn tell(writer: &mut impl std::io::Write, books: &[Balance]) {
    for book in books {
        for number in [book.blocks.allocated, book.blocks.freed] {
            writer.write_all(&number.to_ne_bytes()).expect("the parent listens");
        }
    }
}

/// What a child sent; `None` if it ended before it could.
fn hear(reader: &mut impl std::io::Read, count: usize) -> Option<Vec<Balance>> {
    let mut number = || {
        let mut bytes = [0; 8];
        reader.read_exact(&mut bytes).ok()?;
        Some(u64::from_ne_bytes(bytes))
    };
    let mut book = || {
        let mut balance = Balance::default();
        balance.blocks.allocated = number()?;
        balance.blocks.freed = number()?;
        Some(balance)
    };
    (0..count).map(|_| book()).collect()
}

pub(super) fn run(options: &Options) -> Value {
    let (threads, alone) = (options.count("threads"), options.get("alone") == 1);
    let regions: Vec<OwnedRegion> = (0..threads).map(|number| OwnedRegion::new(format!("fork/{number}"))).collect();
    let _ = CHILD.index();
    // Before there are other threads, because they are to run on the same processor.
    if alone && !run_alone() {
        return json!({ "skipped": "this process may not run before others (SCHED_FIFO)" });
    }
    let codes: Vec<i32> = std::thread::scope(|scope| {
        for (me, region) in regions.iter().enumerate() {
            scope.spawn(move || work(me, threads, **region));
        }
        // Forks must find a summary under way, too.
        scope.spawn(|| {
            while !alone && !STOP.load(Relaxed) {
                heapledger::quick().expect("a parent can be summed up");
            }
        });
        let fork_soon = |_| {
            // The others' turn: they run only while this thread does not, if it is to run alone.
            std::thread::sleep(Duration::from_millis(1));
            fork_once(&regions, alone)
        };
        while done(threads).iter().any(|&(made, _)| made == 0) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let codes = (0..options.count("forks")).map(fork_soon).collect();
        STOP.store(true, Relaxed);
        codes
    });
    for (me, mail) in MAIL.iter().enumerate().take(threads) {
        free(mail.swap(null_mut(), AcqRel), (me + threads - 1) % threads);
    }
    let books = look(&regions);
    let exact = books
        .iter()
        .zip(done(threads))
        .all(|(book, (made, freed))| made == freed && *book == Balance::passed(made, SIZE as u64, CLASS));
    json!({
        "forks": codes.len(), "right": codes.iter().filter(|&&code| code == RIGHT).count(),
        "other_codes": codes.iter().filter(|&&code| code != RIGHT).collect::<Vec<_>>(),
        "operations": books.iter().map(|book| book.blocks.allocated).sum::<u64>(), "exact_at_the_end": exact,
    })
}
