//! Blocks of isolated regions: an arena each, without decay, past the caches of threads.
//!
//! Arenas are never destroyed, because that would free their live blocks. A page of such an arena has one region's tag
//! in its word, out of reach of the fast path (`words.rs`), so every free of such a block comes here, from any thread.
//!
//! A thread that is being torn down gets blocks of jemalloc's first arena, whichever it asks for. Such a block must not
//! mark its page, which others use, so each block's place is known before it is charged (`lies_in`).

use core::alloc::Layout;
use core::ffi::{CStr, c_void};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use heapledger_core::{Isolation, MAX_REGIONS};
use tikv_jemalloc_sys as jemalloc;

use crate::rounding::align_flag;

/// Isolated regions that a process can have. jemalloc has a few thousand arenas at most, and each takes some 100 KiB.
const ISOLATED_MAX: usize = 256;

/// By index of a region: the number of its arena plus one, or 0.
static ARENAS: [AtomicU32; MAX_REGIONS] = [const { AtomicU32::new(0) }; MAX_REGIONS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Arenas (plus one) whose regions are gone.
static SPARE: [AtomicU32; ISOLATED_MAX] = [const { AtomicU32::new(0) }; ISOLATED_MAX];

/// Whether the program's allocator is one that asks `any.rs` which arena to allocate from.
static ISOLATING: AtomicBool = AtomicBool::new(false);

/// Called by such an allocator whenever it takes the slow path, which is what each thread begins with.
#[inline]
pub(crate) fn note_isolating() {
    if !ISOLATING.load(Relaxed) {
        ISOLATING.store(true, Relaxed);
    }
}

/// Gets an arena for a region. Not on the path of an allocation: jemalloc allocates for it.
pub(crate) fn isolate(index: usize) -> Isolation {
    let Some(place) = ARENAS.get(index) else { return Isolation::TooMany };
    if place.load(Relaxed) != 0 {
        return Isolation::Isolated;
    }
    if !ISOLATING.load(Relaxed) {
        return Isolation::PlainLedger;
    }
    if let Some(arena) = SPARE.iter().find_map(|spare| spare.swap(0, Acquire).checked_sub(1)) {
        place.store(arena + 1, Release);
        return Isolation::Isolated;
    }
    if COUNT.fetch_update(Relaxed, Relaxed, |count| (count < ISOLATED_MAX).then_some(count + 1)).is_err() {
        return Isolation::TooMany;
    }
    let Some(arena) = retains().then(new_arena).flatten() else {
        COUNT.fetch_sub(1, Relaxed);
        return Isolation::NoArena;
    };
    // Release: the arena's settings come before anybody allocates there. Who loses a race leaves an empty arena behind.
    let _ = place.compare_exchange(0, arena + 1, Release, Relaxed);
    Isolation::Isolated
}

/// Keeps the arena of a region that is gone, with all its blocks, for another one.
pub(crate) fn release(index: usize) {
    // Relaxed: most regions have none, and nobody asks for one of a region that is gone.
    if ARENAS[index].load(Relaxed) != 0 {
        let arena = ARENAS[index].swap(0, Acquire);
        // There is a place for each arena that was ever made. If a race leaves none, the arena stays unused.
        let _ = SPARE.iter().find(|spare| spare.compare_exchange(0, arena, Release, Relaxed).is_ok());
    }
}

/// The arena of a region with this tag.
fn arena_of(tag: u16) -> Option<u32> {
    // Acquire pairs with `isolate`.
    ARENAS.get(usize::from(tag).checked_sub(1)?)?.load(Acquire).checked_sub(1)
}

fn new_arena() -> Option<u32> {
    let mut arena: u32 = 0;
    let mut len = size_of::<u32>();
    // SAFETY: the control writes one unsigned number to a place of its size.
    let code =
        unsafe { jemalloc::mallctl(c"arenas.create".as_ptr(), (&raw mut arena).cast(), &raw mut len, null_mut(), 0) };
    // An arena that keeps its pages for ten seconds is not what was asked for.
    let settled =
        code == 0 && [c"arena.0.dirty_decay_ms", c"arena.0.muzzy_decay_ms"].iter().all(|name| settle(name, arena));
    settled.then_some(arena)
}

/// Sets a decay time of an arena to 0.
fn settle(name: &CStr, arena: u32) -> bool {
    let mut mib = [0_usize; 3];
    let mut len = mib.len();
    // SAFETY: the name has three parts, and there is room for three.
    if unsafe { jemalloc::mallctlnametomib(name.as_ptr(), mib.as_mut_ptr(), &raw mut len) } != 0 {
        return false;
    }
    mib[1] = arena as usize;
    let mut decay_ms: isize = 0;
    // SAFETY: the control takes one signed number of this size, and nothing is read back.
    let code = unsafe {
        jemalloc::mallctlbymib(
            mib.as_ptr(),
            len,
            null_mut(),
            null_mut(),
            (&raw mut decay_ms).cast::<c_void>(),
            size_of::<isize>(),
        )
    };
    code == 0
}

fn flags(arena: u32, size: usize, align: usize) -> i32 {
    jemalloc::MALLOCX_ARENA(arena as usize) | jemalloc::MALLOCX_TCACHE_NONE | align_flag(size, align)
}

/// A block in the arena of the region with this tag, zeroed if asked for; null if it has none, or no memory.
pub(crate) fn allocate(tag: u16, layout: Layout, zeroed: bool) -> *mut u8 {
    let Some(arena) = arena_of(tag) else { return null_mut() };
    let zero = if zeroed { jemalloc::MALLOCX_ZERO } else { 0 };
    let size = layout.size().max(1);
    // SAFETY: the size is not 0, and the arena exists for good.
    unsafe { jemalloc::mallocx(size, flags(arena, size, layout.align()) | zero).cast() }
}

/// Whether a block lies in the arena of the region with this tag. `known` says that its page is marked already: pages
/// of an arena stay there, because a region is isolated only where jemalloc keeps what it has mapped (`opt.retain`).
pub(crate) fn lies_in(tag: u16, block: *mut u8, known: bool) -> bool {
    if known {
        return true;
    }
    let mut arena = u32::MAX;
    let mut len = size_of::<u32>();
    let mut address: *mut c_void = block.cast();
    // SAFETY: the control takes an address and writes the number of its arena to a place of its size.
    let code = unsafe {
        jemalloc::mallctl(
            c"arenas.lookup".as_ptr(),
            (&raw mut arena).cast(),
            &raw mut len,
            (&raw mut address).cast(),
            size_of::<*mut c_void>(),
        )
    };
    code == 0 && arena_of(tag) == Some(arena)
}

/// Whether jemalloc keeps the addresses that it has mapped, so that no other arena gets them.
fn retains() -> bool {
    let mut retain = false;
    let mut len = size_of::<bool>();
    // SAFETY: the control writes one truth value to a place of its size.
    let code =
        unsafe { jemalloc::mallctl(c"opt.retain".as_ptr(), (&raw mut retain).cast(), &raw mut len, null_mut(), 0) };
    code == 0 && retain
}

/// Frees a block of an isolated region's arena, past this thread's cache.
///
/// # Safety
/// * The block is live, lies in such an arena, and has this layout.
pub(crate) unsafe fn free(block: *mut u8, layout: Layout) {
    let size = layout.size().max(1);
    let flags = jemalloc::MALLOCX_TCACHE_NONE | align_flag(size, layout.align());
    // SAFETY: by the caller.
    unsafe { jemalloc::sdallocx(block.cast(), size, flags) }
}

/// Resizes a block of the arena of the region with this tag, within that arena.
///
/// # Safety
/// * The block is live, lies in the arena of the region with this tag, and has an alignment of `align`.
pub(crate) unsafe fn resize(tag: u16, block: *mut u8, new_size: usize, align: usize) -> *mut u8 {
    let Some(arena) = arena_of(tag) else { return null_mut() };
    let size = new_size.max(1);
    // SAFETY: by the caller, and the size is not 0.
    unsafe { jemalloc::rallocx(block.cast(), size, flags(arena, size, align)).cast() }
}
