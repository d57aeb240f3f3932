//! Isolated regions: what lies in their arenas, who may put something there, and what comes back.
//!
//! Which arena a block lies in, and how many slots of an arena are out, is what jemalloc says.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::HashSet;
use std::ffi::{CString, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::mpsc::sync_channel;

use heapledger_alloc::{
    CLASS_BYTES, IsolatingLedger, PageOwner, RegionTotals, block_owner, page_owner, page_word, read_totals,
};
use heapledger_core::{AdoptError, Isolation, OwnedRegion, Region, RegionId, region_count, region_info};

#[global_allocator]
static LEDGER: IsolatingLedger = IsolatingLedger::new();

const LARGE_BYTES: [usize; 3] = [16_384, 100_000, 9 << 20];

struct Block {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}

impl Block {
    fn new(bytes: usize, align: usize) -> Block {
        let layout = Layout::from_size_align(bytes, align).expect("a layout");
        // SAFETY: the size is not 0.
        let at = NonNull::new(unsafe { LEDGER.alloc(layout) }).expect("memory");
        Block { at, layout }
    }

    fn zeroed(bytes: usize) -> Block {
        let layout = Layout::from_size_align(bytes, 1).expect("a layout");
        // SAFETY: the size is not 0.
        let at = NonNull::new(unsafe { LEDGER.alloc_zeroed(layout) }).expect("memory");
        Block { at, layout }
    }

    fn resize(&mut self, bytes: usize) {
        // SAFETY: the block is live with this layout, and the size is not 0.
        self.at = NonNull::new(unsafe { LEDGER.realloc(self.at.as_ptr(), self.layout, bytes) }).expect("memory");
        self.layout = Layout::from_size_align(bytes, self.layout.align()).expect("a layout");
    }

    fn fill(&mut self, byte: u8) {
        // SAFETY: the block is live and has so many bytes.
        unsafe { self.at.as_ptr().write_bytes(byte, self.layout.size()) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: callers have filled the block, or asked for zeroes.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.layout.size()) }
    }

    fn arena(&self) -> u32 {
        let mut arena = 0_u32;
        let mut len = size_of::<u32>();
        let mut at: *mut c_void = self.at.as_ptr().cast();
        // SAFETY: the control takes an address and returns the number of its arena.
        let code = unsafe {
            tikv_jemalloc_sys::mallctl(
                c"arenas.lookup".as_ptr(),
                (&raw mut arena).cast(),
                &raw mut len,
                (&raw mut at).cast(),
                size_of::<*mut c_void>(),
            )
        };
        assert_eq!(code, 0);
        arena
    }

    fn owner(&self) -> usize {
        block_owner(self.at.as_ptr(), self.layout)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block is live with this layout.
        unsafe { LEDGER.dealloc(self.at.as_ptr(), self.layout) }
    }
}

/// Blocks of every class, and large ones, some at alignments of their own.
fn blocks(region: RegionId) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(400);
    region.scope(|| {
        for bytes in CLASS_BYTES.iter().map(|&bytes| bytes as usize).chain(LARGE_BYTES) {
            blocks.extend((0..8).map(|_| Block::new(bytes, 1)));
        }
        blocks.extend([64, 4096, 1 << 16, 1 << 21].map(|align| Block::new(1000, align)));
    });
    blocks
}

fn arenas(blocks: &[Block]) -> HashSet<u32> {
    blocks.iter().map(Block::arena).collect()
}

fn totals(region: RegionId) -> RegionTotals {
    let mut totals = vec![RegionTotals::default(); region_count()];
    read_totals(&mut totals);
    totals[region.index()]
}

fn live(region: RegionId) -> (u64, u64) {
    let totals = totals(region);
    (totals.blocks().live(), totals.requested_bytes.live())
}

/// Reads a figure of jemalloc's, as of now.
fn statistic(name: &str) -> usize {
    let mut epoch = 1_u64;
    // SAFETY: the control takes one number of this size.
    let code = unsafe {
        tikv_jemalloc_sys::mallctl(c"epoch".as_ptr(), null_mut(), null_mut(), (&raw mut epoch).cast(), size_of::<u64>())
    };
    assert_eq!(code, 0);
    let name = CString::new(name).expect("a name");
    let mut value = 0_usize;
    let mut len = size_of::<usize>();
    // SAFETY: the figures that are asked for are of this size.
    let code =
        unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), (&raw mut value).cast(), &raw mut len, null_mut(), 0) };
    assert_eq!(code, 0, "{name:?}");
    value
}

fn flush() {
    // SAFETY: the control takes no value and returns none.
    let code =
        unsafe { tikv_jemalloc_sys::mallctl(c"thread.tcache.flush".as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    assert_eq!(code, 0);
}

#[test]
fn its_blocks_lie_in_an_arena_where_nothing_else_lies() {
    static ALONE: Region = Region::isolated("arena/alone");
    static BESIDE: Region = Region::isolated("arena/beside");
    let shared = OwnedRegion::new("arena/shared");
    let (alone, beside, others) = (blocks(*ALONE), blocks(*BESIDE), blocks(*shared));
    assert_eq!((ALONE.isolation(), shared.isolation()), (Isolation::Isolated, Isolation::Shared));
    assert_eq!(region_info(ALONE.index()).expect("named").isolation, Isolation::Isolated);
    let (a, b, o) = (arenas(&alone), arenas(&beside), arenas(&others));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert!(a.is_disjoint(&b) && a.is_disjoint(&o) && b.is_disjoint(&o));
    for block in &alone {
        assert_eq!(block.owner(), ALONE.index(), "{:?}", block.layout);
        assert!(page_word(block.at.as_ptr().addr()).is_isolated());
        assert_eq!(page_owner(block.at.as_ptr().addr()), PageOwner::Region(ALONE.index()));
    }
    let bytes: usize = alone.iter().map(|block| block.layout.size()).sum();
    assert_eq!(live(*ALONE), (alone.len() as u64, bytes as u64));
    // Freed inside, outside, and in another isolated region.
    for (number, block) in alone.into_iter().enumerate() {
        match number % 3 {
            0 => ALONE.scope(|| drop(block)),
            1 => BESIDE.scope(|| drop(block)),
            _ => drop(block),
        }
    }
    assert_eq!(live(*ALONE), (0, 0));
    drop((beside, others));
    assert_eq!((live(*BESIDE), live(*shared)), ((0, 0), (0, 0)));
}

#[test]
fn a_block_stays_in_its_arena_when_it_is_resized_and_keeps_its_bytes() {
    let (alone, shared) = (OwnedRegion::isolated("resize/alone"), OwnedRegion::new("resize/shared"));
    let mut block = alone.scope(|| Block::new(24, 1));
    let arena = block.arena();
    let mut of_others = shared.scope(|| Block::new(24, 1));
    block.fill(7);
    of_others.fill(7);
    for bytes in [24, 32, 100, 4096, 5000, 14_336, 20_000, 5 << 20, 1 << 20, 17_000, 600, 24] {
        alone.scope(|| of_others.resize(bytes));
        shared.scope(|| block.resize(bytes));
        assert_eq!((block.arena(), block.owner()), (arena, alone.index()), "{bytes} bytes");
        assert_ne!(of_others.arena(), arena, "{bytes} bytes");
        assert_eq!(of_others.owner(), shared.index());
        assert!(block.bytes()[..24].iter().chain(&of_others.bytes()[..24]).all(|&byte| byte == 7), "{bytes} bytes");
        assert_eq!((live(*alone), live(*shared)), ((1, bytes as u64), (1, bytes as u64)));
    }
}

#[test]
fn zeroed_blocks_are_zero() {
    let alone = OwnedRegion::isolated("zeroed");
    for bytes in [1, 100, 4096, 10_000, 1 << 20] {
        for _ in 0..20 {
            let mut block = alone.scope(|| Block::zeroed(bytes));
            assert!(block.bytes().iter().all(|&byte| byte == 0), "{bytes} bytes");
            block.fill(255);
        }
    }
    assert_eq!(live(*alone), (0, 0));
}

#[test]
fn a_scope_inside_or_around_another_region_is_right_on_both_sides() {
    let (alone, shared) = (OwnedRegion::isolated("nested/alone"), OwnedRegion::new("nested/shared"));
    let make = |bytes| Block::new(bytes, 1);
    let blocks = alone.scope(|| {
        let (first, inner) = (make(100), shared.scope(|| (make(100), make(20_000))));
        (first, inner, make(100))
    });
    let around = shared.scope(|| (make(100), alone.scope(|| make(100)), make(100)));
    assert_eq!((live(*alone).0, live(*shared).0), (3, 4));
    assert!(page_word(around.1.at.as_ptr().addr()).is_isolated());
    for block in [&blocks.1.0, &blocks.1.1, &around.0, &around.2] {
        assert_eq!((block.owner(), page_word(block.at.as_ptr().addr()).is_isolated()), (shared.index(), false));
    }
    drop((blocks, around));
    assert_eq!((live(*alone), live(*shared)), ((0, 0), (0, 0)));
}

/// Two threads free what a third allocates; then no slot of the arena is out, so none is in a thread's cache.
#[test]
fn a_million_frees_by_other_threads_leave_nothing_in_their_caches() {
    const BLOCKS: usize = 1_000_000;
    static BUSY: Region = Region::isolated("busy/alone");
    let other = OwnedRegion::new("busy/other");
    let arena = BUSY.scope(|| Block::new(8, 1)).arena();
    std::thread::scope(|scope| {
        let (sends, receives): (Vec<_>, Vec<_>) = (0..2).map(|_| sync_channel::<Vec<Block>>(8)).unzip();
        let mut threads = Vec::with_capacity(2);
        for receive in receives {
            let other = &other;
            threads.push(scope.spawn(move || {
                let _in_other = other.enter();
                for batch in receive {
                    drop(batch);
                    // Blocks of their own, such as the freed slots must never become: a cache gives out first what it
                    // was given last.
                    let mine: Vec<Block> = (0..16).map(|number| Block::new(8 << (number % 8), 1)).collect();
                    assert!(mine.iter().all(|block| block.arena() != arena), "a freed slot is another region's block");
                }
            }));
        }
        for batch in 0..BLOCKS / 1000 {
            let mut blocks = Vec::with_capacity(1000);
            BUSY.scope(|| blocks.extend((0..1000).map(|number| Block::new(8 << (number % 10), 1))));
            assert!(batch % 100 != 0 || blocks.iter().all(|block| block.arena() == arena));
            sends[batch % 2].send(blocks).expect("the thread lives");
        }
        drop(sends);
        // The scope alone waits for their work; what a thread has of its own, in `other` too, goes after that.
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panicked"));
    });
    let out: usize =
        (0..CLASS_BYTES.len()).map(|class| statistic(&format!("stats.arenas.{arena}.bins.{class}.curregs"))).sum();
    assert_eq!(out, 0, "slots of the arena that are neither live nor in its slabs");
    assert_eq!(statistic(&format!("stats.arenas.{arena}.pactive")), 0);
    assert_eq!(statistic(&format!("stats.arenas.{arena}.pdirty")), 0, "its decay time is 0");
    assert_eq!((live(*BUSY), live(*other)), ((0, 0), (0, 0)));
}

/// Every 64th of a million little blocks lives on: beside the others it pins nearly every slab, in an arena of its own
/// none.
#[test]
fn what_lives_on_elsewhere_pins_nothing() {
    const BLOCKS: usize = 1 << 18;
    const BYTES: usize = 64;
    // On a thread of its own: an arena that no other test uses while slabs are counted.
    let slabs_left = |survivor: RegionId| {
        let passing = OwnedRegion::new("pins/passing");
        let mut kept = Vec::with_capacity(BLOCKS / 64);
        let mut gone = Vec::with_capacity(BLOCKS);
        for number in 0..BLOCKS {
            if number % 64 == 0 {
                kept.push(survivor.scope(|| Block::new(BYTES, 1)));
            } else {
                gone.push(passing.scope(|| Block::new(BYTES, 1)));
            }
        }
        let arena = gone[0].arena();
        drop(gone);
        flush();
        let class = CLASS_BYTES.iter().position(|&bytes| bytes as usize == BYTES).expect("a class");
        let slabs = statistic(&format!("stats.arenas.{arena}.bins.{class}.curslabs"));
        drop(kept);
        flush();
        slabs
    };
    let (beside, alone) = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let (shared, alone) = (OwnedRegion::new("pins/shared"), OwnedRegion::isolated("pins/alone"));
                (slabs_left(*shared), slabs_left(*alone))
            })
            .join()
            .expect("counted")
    });
    // 64 blocks of 64 bytes to a slab of one page.
    assert!(beside >= BLOCKS / 64 - 2, "{beside} slabs are pinned by their one survivor");
    assert!(alone <= 4, "{alone} slabs are left: what tests beside this one hold of the same arena");
}

#[test]
fn its_blocks_cannot_be_adopted_and_what_it_adopts_stays_where_it_is() {
    let (alone, shared) = (OwnedRegion::isolated("adopt/alone"), OwnedRegion::new("adopt/shared"));
    let mine = alone.scope(|| Block::new(100, 1));
    // SAFETY: the block is live with this layout, and this thread's.
    let refused = unsafe { shared.adopt_raw(mine.at.as_ptr(), mine.layout) };
    assert_eq!(refused, Err(AdoptError::Isolated));
    let mut text = shared.scope(|| String::from("of the shared region"));
    assert_eq!(alone.adopt(&mut text).blocks, 1);
    assert!(!page_word(text.as_ptr().addr()).is_isolated());
    assert_eq!((live(*alone).0, live(*shared).0), (2, 0));
    drop((mine, text));
    assert_eq!(live(*alone), (0, 0));
}

#[test]
fn a_reassigned_region_goes_on_in_an_arena_of_its_own() {
    let (alone, shared) = (OwnedRegion::isolated("given/alone"), OwnedRegion::new("given/shared"));
    let before = alone.scope(|| Block::new(100, 1));
    alone.reassign_to(&shared).expect("given");
    let after = alone.scope(|| Block::new(100, 1));
    assert_eq!((before.owner(), after.owner()), (shared.index(), alone.index()));
    assert_ne!(before.arena(), after.arena());
    assert_eq!((live(*alone).0, live(*shared).0), (1, 1));
    drop((before, after));
    assert_eq!((live(*alone).0, live(*shared).0), (0, 0));
}
