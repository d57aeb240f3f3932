//! A process of its own: memory that is not jemalloc's stands where it belongs.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "maps and mallocs are what is tested, and std has no words for them")]

mod support;

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;

use heapledger_alloc::Ledger;
use heapledger_probe::Walker;
use heapledger_probe::attribute::Place;
use support::exact;
use support::maps::{map, read_all};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
/// Code that runs for the first time between two walks.
const CODE_BYTES: u64 = 1 << 20;

fn file_of(bytes: usize) -> File {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
    file.write_all(&vec![7; bytes]).expect("room for it");
    file
}

fn places(walker: &mut Walker) -> (Vec<u64>, u64, String) {
    let taken = support::take(walker);
    support::assert_quiet(&taken);
    let places = Place::ALL.iter().map(|place| exact(taken.walk.outside.get(*place))).collect();
    (places, support::unattributed(&taken.walk), support::describe(&taken))
}

#[test]
fn files_shared_memory_stacks_and_glibc_have_lines_of_their_own() {
    let mut walker = Walker::new().expect("buffers");
    // What the first walks and the first thread load and allocate is there before.
    std::thread::spawn(|| ()).join().expect("a thread");
    let _ = places(&mut walker);
    let (before, nameless_before, _) = places(&mut walker);

    let private = map(32 * MIB, 8 * MIB, libc::MAP_PRIVATE, file_of(32 * MIB).as_raw_fd());
    read_all(private, 32 * MIB);
    let shared = map(16 * MIB, 0, libc::MAP_SHARED, file_of(16 * MIB).as_raw_fd());
    read_all(shared, 16 * MIB);
    map(4 * MIB, 4 * MIB, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1);
    map(5 * MIB, 5 * MIB, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);

    let (places, nameless, text) = places(&mut walker);
    println!("{text}");
    let more = |place: Place| places[place as usize] - before[place as usize];
    assert!(more(Place::FilePages).abs_diff(24 * MIB as u64) <= CODE_BYTES, "{text}");
    assert_eq!(more(Place::FileWritten), 8 * MIB as u64, "{text}");
    assert_eq!(more(Place::SharedFile), 16 * MIB as u64, "{text}");
    assert_eq!(more(Place::SharedMemory), 4 * MIB as u64, "{text}");
    assert_eq!(nameless - nameless_before, 5 * MIB as u64, "{text}");

    threads_and_glibc(&mut walker);
}

fn threads_and_glibc(walker: &mut Walker) {
    let (before, nameless_before, _) = places(walker);
    const THREADS: usize = 8;
    let (ready, count) = channel();
    let mut gates = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..THREADS {
        let (gate, wait) = channel::<()>();
        let ready = ready.clone();
        gates.push(gate);
        threads.push(
            std::thread::Builder::new()
                .stack_size(8 * MIB)
                .spawn(move || {
                    let mut deep = [const { MaybeUninit::<u8>::uninit() }; MIB];
                    for page in std::hint::black_box(&mut deep).chunks_mut(PAGE) {
                        page[0].write(1);
                    }
                    // glibc makes a heap for the thread.
                    // SAFETY: no preconditions; the block is kept.
                    let block = std::hint::black_box(unsafe { libc::malloc(100 << 10) });
                    assert!(!block.is_null());
                    // SAFETY: the block was just made and has so many bytes.
                    unsafe { block.cast::<u8>().write_bytes(1, 100 << 10) };
                    ready.send(()).expect("the test waits");
                    let _ = wait.recv();
                    std::hint::black_box(&mut deep);
                })
                .expect("a thread"),
        );
    }
    for _ in 0..THREADS {
        count.recv().expect("a thread is ready");
    }
    for _ in 0..10 {
        // SAFETY: no preconditions; the block is kept.
        let block = std::hint::black_box(unsafe { libc::malloc(8 * MIB) });
        assert!(!block.is_null());
        // SAFETY: the block was just made and has so many bytes.
        unsafe { block.cast::<u8>().write_bytes(1, 8 * MIB) };
    }
    for _ in 0..800 {
        // SAFETY: no preconditions; the block is kept.
        let block = std::hint::black_box(unsafe { libc::malloc(64 << 10) });
        assert!(!block.is_null());
        // SAFETY: the block was just made and has so many bytes.
        unsafe { block.cast::<u8>().write_bytes(1, 64 << 10) };
    }
    let (places, nameless, text) = places(walker);
    println!("{text}");
    let more = |place: Place| places[place as usize] as usize - before[place as usize] as usize;
    assert!((THREADS * MIB..THREADS * (MIB + 128 * 1024)).contains(&more(Place::ThreadStacks)), "{text}");
    // Ten blocks, each with a page more for its header.
    assert_eq!(more(Place::GlibcMmapped), 10 * (8 * MIB + PAGE), "{text}");
    assert!(
        (50 * MIB..52 * MIB).contains(&(more(Place::GlibcHeap) + more(Place::GlibcArenas) - THREADS * 100 * 1024)),
        "{text}"
    );
    assert!(nameless <= nameless_before + 64 * 1024, "{text}");
    drop(gates);
    for thread in threads {
        thread.join().expect("a thread");
    }
}
