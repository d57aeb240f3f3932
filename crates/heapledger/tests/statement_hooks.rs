//! A process of its own, in which arenas have extent hooks of the program's: where their pages lie, and what becomes of
//! pages that were freed, is then not what jemalloc's settings say. Every page stands on its line all the same.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::ffi::{CString, c_int, c_uint, c_void};
use std::ptr::{null_mut, without_provenance_mut};

use heapledger::{Figure, Flow, LineId, Region, Statement};
use support::{exact, sum};
use tikv_jemalloc_sys::{extent_hooks_t, mallctl};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static LARGE: Region = Region::new("large");
static SMALL: Region = Region::new("small");

const MIB: usize = 1 << 20;
const BLOCKS: usize = 64;

/// Of this size, and the class that jemalloc has for it.
const SMALL_BYTES: usize = 100;
const SMALL_USABLE_BYTES: i64 = 112;
const SMALL_BLOCKS: usize = 10_000;

/// A block of 1 MiB begins anywhere in the first page of its extent, so it may reach into one page more.
const EDGES_BYTES: i64 = (BLOCKS * 4096) as i64;

/// What jemalloc makes for the small blocks' class, and for no other class more: seven pages.
const SLAB_BYTES: usize = 7 * 4096;

/// jemalloc's pages that are free besides: the slabs that the small blocks before left, and one of each class.
const BESIDE_BYTES: i64 =
    (((SMALL_BLOCKS * SMALL_USABLE_BYTES as usize).div_ceil(SLAB_BYTES) + SMALL_CLASSES) * SLAB_BYTES) as i64;

/// With pages of 4 KiB.
const SMALL_CLASSES: usize = 36;

/// Addresses from the kernel, aligned as is asked; the edges are never touched.
unsafe extern "C" fn map(
    _: *mut extent_hooks_t,
    wanted: *mut c_void,
    bytes: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    _: c_uint,
) -> *mut c_void {
    if !wanted.is_null() {
        return null_mut();
    }
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at any address.
    let start = unsafe { libc::mmap(null_mut(), bytes + alignment, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return null_mut();
    }
    // SAFETY: jemalloc passes a place for the answer.
    unsafe { *zero = true };
    // SAFETY: this too.
    unsafe { *commit = true };
    without_provenance_mut(start.addr().next_multiple_of(alignment))
}

unsafe extern "C" fn unmap(_: *mut extent_hooks_t, start: *mut c_void, bytes: usize, _: bool, _: c_uint) -> bool {
    // SAFETY: jemalloc gives up a range that it has from `map` and that nobody uses any more.
    unsafe { libc::munmap(start, bytes) != 0 }
}

unsafe extern "C" fn may_split(
    _: *mut extent_hooks_t,
    _: *mut c_void,
    _: usize,
    _: usize,
    _: usize,
    _: bool,
    _: c_uint,
) -> bool {
    false
}

unsafe extern "C" fn may_merge(
    _: *mut extent_hooks_t,
    _: *mut c_void,
    _: usize,
    _: *mut c_void,
    _: usize,
    _: bool,
    _: c_uint,
) -> bool {
    false
}

/// No page is ever given back: not unmapped, not purged.
const KEEPS: extent_hooks_t = extent_hooks_t {
    alloc: Some(map),
    dalloc: None,
    destroy: None,
    commit: None,
    decommit: None,
    purge_lazy: None,
    purge_forced: None,
    split: Some(may_split),
    merge: Some(may_merge),
};

/// Every extent that goes is unmapped, whatever `retain` says.
const GIVES_BACK: extent_hooks_t = extent_hooks_t { dalloc: Some(unmap), ..KEEPS };

/// A key that is written, or read where there is nothing to write.
fn control<T: Copy + Default>(key: &str, new: Option<T>) -> T {
    let name = CString::new(key).expect("a name");
    let (mut old, mut old_bytes) = (T::default(), size_of::<T>());
    let (mut new_value, new_bytes) = (new.unwrap_or_default(), new.map_or(0, |_| size_of::<T>()));
    let new_pointer: *mut c_void = if new.is_some() { (&raw mut new_value).cast() } else { null_mut() };
    // SAFETY: the key's type is `T`, or jemalloc refuses its size; both values outlive the call.
    let code: c_int =
        unsafe { mallctl(name.as_ptr(), (&raw mut old).cast(), &raw mut old_bytes, new_pointer, new_bytes) };
    assert_eq!(code, 0, "{key}");
    old
}

fn command(key: &str) {
    let name = CString::new(key).expect("a name");
    // SAFETY: nothing is read and nothing is written.
    let code = unsafe { mallctl(name.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    assert_eq!(code, 0, "{key}");
}

/// A new arena with these hooks.
fn arena(hooks: extent_hooks_t) -> c_uint {
    // jemalloc calls them for as long as the arena exists.
    let hooks: *mut extent_hooks_t = Box::leak(Box::new(hooks));
    let name = c"arenas.create";
    let (mut arena, mut bytes, mut hooks) = (c_uint::default(), size_of::<c_uint>(), hooks);
    let (old, new) = ((&raw mut arena).cast(), (&raw mut hooks).cast());
    // SAFETY: unsigned is read, a pointer to hooks that are never freed is written.
    let code = unsafe { mallctl(name.as_ptr(), old, &raw mut bytes, new, size_of::<*mut extent_hooks_t>()) };
    assert_eq!(code, 0, "arenas.create");
    arena
}

fn take(stage: &str) -> Statement {
    let statement = support::take().with_stage(stage);
    println!("{statement}");
    assert_eq!(statement.traffic_bytes(), Some(Flow::default()), "{statement}");
    assert_eq!(statement.figure(LineId::Unexplained), Figure::Exact(0), "{statement}");
    for check in statement.checks() {
        assert_eq!(check.holds(), Some(true), "{}: {}\n{statement}", check.id.key(), check.difference);
    }
    let sum = sum(&statement);
    assert!(sum.admits(exact(&statement, LineId::Rss)), "{sum}\n{statement}");
    assert_eq!(exact(&statement, LineId::PastAllocated), 0, "{statement}");
    statement
}

/// Blocks of this thread in an arena with these hooks, then freed, then purged; each stage's statement.
fn stages(hooks: extent_hooks_t) -> [Statement; 3] {
    let arena = arena(hooks);
    let mut large: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    let mut small: Vec<Box<[u8; SMALL_BYTES]>> = Vec::with_capacity(SMALL_BLOCKS);
    let before: c_uint = control("thread.arena", Some(arena));
    command("thread.tcache.flush");
    LARGE.scope(|| large.extend((0..BLOCKS).map(|_| vec![1; MIB])));
    SMALL.scope(|| small.extend((0..SMALL_BLOCKS).map(|_| Box::new([1; SMALL_BYTES]))));
    command("thread.tcache.flush");
    control("thread.arena", Some(before));
    let held = take("held");
    large.clear();
    small.clear();
    command("thread.tcache.flush");
    let freed = take("freed");
    command(&format!("arena.{arena}.purge"));
    [held, freed, take("purged")]
}

fn assert_held(statement: &Statement) {
    assert_eq!(statement.part(LineId::Live, "large"), Some(Figure::Exact((BLOCKS * MIB) as i64)), "{statement}");
    let small = statement.part(LineId::Live, "small").expect("the region has blocks");
    assert!(small.admits(SMALL_BLOCKS as i64 * SMALL_USABLE_BYTES), "{small}\n{statement}");
}

#[test]
fn pages_of_arenas_with_hooks_stand_on_their_lines() {
    heapledger_harness::thread::wait_until_it_sleeps();
    assert_eq!(control::<u8>("opt.retain", None), 1, "this is of jemalloc's default");
    take("before");
    let (blocks, most) = ((BLOCKS * MIB) as i64, (BLOCKS * MIB) as i64 + EDGES_BYTES + BESIDE_BYTES);

    // Nothing can be given back, so after a purge jemalloc calls it retained, and every page is there as before.
    let [held, freed, purged] = stages(KEEPS);
    assert_held(&held);
    assert!((blocks..=most).contains(&exact(&freed, LineId::Dirty)), "{freed}");
    assert!((blocks..=most).contains(&exact(&purged, LineId::RetainedResident)), "{purged}");
    let dirty = exact(&purged, LineId::Dirty);
    assert!(dirty <= BESIDE_BYTES, "of other arenas: {dirty}\n{purged}");
    let fell = exact(&freed, LineId::Rss) - exact(&purged, LineId::Rss);
    assert!(fell.abs() <= BESIDE_BYTES, "{fell}");

    // Unmapped although extents are to be retained: the pages are nowhere, and the ones of the other arena are where
    // they were.
    let retained = exact(&purged, LineId::RetainedResident);
    let [held, freed, purged] = stages(GIVES_BACK);
    assert_held(&held);
    assert!((blocks..=most).contains(&exact(&freed, LineId::Dirty)), "{freed}");
    assert_eq!(exact(&purged, LineId::RetainedResident), retained, "{purged}");
    let fell = exact(&freed, LineId::Rss) - exact(&purged, LineId::Rss);
    assert!((blocks..=most).contains(&fell), "{fell}\n{purged}");
}
