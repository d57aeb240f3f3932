//! Memory that is not jemalloc's.

use std::fs::File;
use std::io::Write;
use std::sync::{Barrier, Mutex};

use serde_json::Value;

use super::{Facts, two};
use crate::os::memory::{self, Memory, PAGE_BYTES, Sharing};
use crate::os::stacks;
use crate::os::threads::{Start, Thread};
use crate::probes::Options;

const MIB: usize = 1 << 20;

/// A file of 64 MiB is mapped privately, read, and a quarter of it written; one of 32 MiB is mapped for sharing.
pub(in crate::probes) fn file(_: &Options) -> Value {
    let private = memory::map(64 * MIB, Sharing::Private, Some(&file_of(64 * MIB)));
    private.read();
    private.write(16 * MIB);
    let shared = memory::map(32 * MIB, Sharing::Shared, Some(&file_of(32 * MIB)));
    shared.read();
    two(&Facts::new())
}

fn file_of(bytes: usize) -> File {
    let folder = std::env::var_os("HEAPLEDGER_TEST_FOLDER").expect("the test gives a folder on a disk");
    let path = std::path::Path::new(&folder).join(format!("mapped-{}-{bytes}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).expect("a new file");
    std::fs::remove_file(&path).expect("a file of ours");
    let piece = vec![7_u8; MIB];
    for _ in 0..bytes / MIB {
        file.write_all(&piece).expect("room on the disk");
    }
    file
}

/// 8 MiB of shared anonymous memory, and 4 MiB that is mapped and not touched.
pub(in crate::probes) fn shared(_: &Options) -> Value {
    memory::map(8 * MIB, Sharing::Shared, None).write(8 * MIB);
    memory::map(4 * MIB, Sharing::Shared, None);
    two(&Facts::new())
}

/// 5 MiB of private anonymous memory, of which 3 are written; the same between pages that nobody may touch, as a stack
/// has one before it; and many small mappings, of which some lie in the holes beside the dynamic loader's.
pub(in crate::probes) fn own_map(_: &Options) -> Value {
    let mut facts = Facts::new();
    for map in [memory::map(5 * MIB, Sharing::Private, None), memory::map_guarded(5 * MIB)] {
        map.write(3 * MIB);
        facts.maps.push((map.address(), 5 * MIB));
    }
    for pages in 1..=SMALL_MAPS {
        let map = memory::map(pages * PAGE_BYTES, Sharing::Private, None);
        map.write(pages * PAGE_BYTES);
        facts.maps.push((map.address(), pages * PAGE_BYTES));
    }
    two(&facts)
}

/// Of one page, two pages and so on.
const SMALL_MAPS: usize = 12;

const IN_THREAD: usize = 320;
const LITTLE: usize = 64 << 10;
const BIG: usize = 8 * MIB;

extern "C" fn malloc_in_a_thread(_: *mut libc::c_void) -> *mut libc::c_void {
    for _ in 0..IN_THREAD {
        memory::c_malloc(LITTLE).write(LITTLE);
    }
    std::ptr::null_mut()
}

/// The C library's malloc: 800 blocks of 64 KiB, 10 of 8 MiB, and 320 of 64 KiB in another thread.
pub(in crate::probes) fn glibc(_: &Options) -> Value {
    let thread = Thread::start(malloc_in_a_thread, 0);
    let stack = thread.stack();
    thread.join();
    for _ in 0..800 {
        memory::c_malloc(LITTLE).write(LITTLE);
    }
    let mut facts = Facts::new();
    facts.stacks.push(stack);
    for _ in 0..10 {
        let block = memory::c_malloc(BIG);
        block.write(BIG);
        // A header of two words before the block, and whole pages.
        let start = block.address() - 2 * size_of::<usize>();
        facts.chunks.push((start, (BIG + 2 * size_of::<usize>()).next_multiple_of(PAGE_BYTES)));
    }
    two(&facts)
}

/// More blocks than three of the C library's heaps for threads hold.
const IN_HEAPS: usize = 3_600;

/// The threads below, so that one has its arena before the other, and nothing is mapped in between.
static STACKS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
static ARENA_KEPT: Barrier = Barrier::new(2);

extern "C" fn fill_heaps(_: *mut libc::c_void) -> *mut libc::c_void {
    ARENA_KEPT.wait();
    for _ in 0..IN_HEAPS {
        memory::c_malloc(LITTLE).write(LITTLE);
    }
    std::ptr::null_mut()
}

extern "C" fn keep_an_arena(_: *mut libc::c_void) -> *mut libc::c_void {
    let other = noted(fill_heaps);
    memory::c_malloc(LITTLE).write(LITTLE);
    ARENA_KEPT.wait();
    other.join();
    std::ptr::null_mut()
}

fn noted(start: Start) -> Thread {
    let thread = Thread::start(start, 0);
    STACKS.lock().expect("nobody panics with it").push(thread.stack());
    thread
}

/// The C library's malloc: 3600 blocks of 64 KiB in one thread, which takes four heaps, while another has one block. The
/// kernel mostly puts the second heap above the first, and the third below it.
pub(in crate::probes) fn glibc_heaps(_: &Options) -> Value {
    noted(keep_an_arena).join();
    let mut facts = Facts::new();
    facts.stacks.append(&mut STACKS.lock().expect("nobody panics with it"));
    two(&facts)
}

/// As many bytes before the block at most: whole pages, and one of them for the header.
fn chunk(block: Memory, bytes: usize) -> (usize, usize) {
    let start = memory::c_mapping_of(block);
    (start, (block.address() + bytes - start).next_multiple_of(PAGE_BYTES))
}

/// The C library's aligned blocks, with mappings of their own: by a cache line, by 64 KiB, by 4 MiB.
pub(in crate::probes) fn aligned(_: &Options) -> Value {
    let mut facts = Facts::new();
    for align in [64, 64 << 10, 4 * MIB] {
        for _ in 0..3 {
            let block = memory::c_aligned(BIG, align);
            assert!(block.address().is_multiple_of(align));
            block.write(BIG);
            facts.chunks.push(chunk(block, BIG));
        }
    }
    two(&facts)
}

/// A stack of this many bytes, its lowest page closed.
const STACK: usize = 256 << 10;

/// Three threads on stacks whose guards are pages inside their mappings: one alone, and two side by side in one.
pub(in crate::probes) fn guarded_stacks(_: &Options) -> Value {
    let mut facts = Facts::new();
    let mut guarded = Vec::new();
    for count in [1, 2] {
        let memory = stacks::apart(count * STACK);
        for offset in (0..count).map(|index| index * STACK) {
            assert!(stacks::guard(memory, offset), "the test looked before");
            stacks::wait_on(memory, offset, STACK);
            guarded.push((memory.address() + offset, STACK));
        }
    }
    // Their mappings do not show where they are, so the judge takes the probe's word.
    facts.note("guarded", serde_json::json!(guarded));
    two(&facts)
}

/// Threads on stacks of which nothing tells where they begin: without a guard, and above or below other memory of the
/// program in the same mapping.
pub(in crate::probes) fn nameless_stacks(_: &Options) -> Value {
    let mut facts = Facts::new();
    let bare = stacks::apart(STACK);
    stacks::wait_on(bare, 0, STACK);
    let above = stacks::apart(2 * STACK);
    assert!(stacks::guard(above, STACK), "the test looked before");
    above.write(STACK);
    stacks::wait_on(above, STACK, STACK);
    let below = stacks::apart(2 * STACK);
    assert!(stacks::guard(below, 0), "the test looked before");
    for offset in (STACK..2 * STACK).step_by(PAGE_BYTES) {
        below.write_at(offset);
    }
    stacks::wait_on(below, 0, STACK);
    let between = stacks::apart(3 * STACK);
    for offset in (STACK..2 * STACK).step_by(PAGE_BYTES) {
        between.write_at(offset);
    }
    for offset in [0, 2 * STACK] {
        assert!(stacks::guard(between, offset), "the test looked before");
        stacks::wait_on(between, offset, STACK);
    }
    let maps = [(bare, STACK), (above, 2 * STACK), (below, 2 * STACK), (between, 3 * STACK)];
    facts.maps.extend(maps.map(|(memory, bytes)| (memory.address(), bytes)));
    two(&facts)
}
