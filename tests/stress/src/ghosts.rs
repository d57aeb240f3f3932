//! Threads in teardown: the ledger has taken their counters back, and they go on allocating and freeing.
//!
//! A ghost is a thread of the C library's that does all its work in the destructor of a thread-specific key. The
//! ledger's key is older than any key of ours, so its destructor has run, and each operation takes the slow path with
//! the shared counters; `flip` may run beside it.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, OnceLock};

use heapledger_core::RegionId;

use crate::blocks::{Block, Make, allocate};
use crate::failure::fail;
use crate::oracle::Shared;
use crate::random::Random;
use crate::worker::{World, request};

/// What a ghost does, in the destructor; called again in the C library's next round of destructors if it returns true.
/// There are four rounds.
pub type Haunt = Box<dyn FnMut() -> bool + Send>;

/// What a ghost is given.
struct Errand {
    stays_in: Option<RegionId>,
    haunt: Haunt,
}

/// One running ghost.
pub struct Ghost(libc::pthread_t);

static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

impl Ghost {
    /// Starts a thread that registers with one operation, ends, and then does `haunt`; if it is to stay in a region, it
    /// enters that before it ends and never leaves it.
    pub fn start(stays_in: Option<RegionId>, haunt: Haunt) -> Ghost {
        let boxed: *mut Errand = Box::into_raw(Box::new(Errand { stays_in, haunt }));
        let mut thread: libc::pthread_t = 0;
        // SAFETY: `enter` takes what it is given as a box of an errand, which this is.
        if unsafe { libc::pthread_create(&raw mut thread, null(), enter, boxed.cast()) } != 0 {
            fail(format_args!("no thread could be made"));
        }
        Ghost(thread)
    }

    /// Waits until it is gone.
    pub fn join(self) {
        // SAFETY: the thread was made by `start` and is joined once.
        if unsafe { libc::pthread_join(self.0, null_mut()) } != 0 {
            fail(format_args!("a thread could not be joined"));
        }
    }
}

fn key() -> libc::pthread_key_t {
    *KEY.get_or_init(|| {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: `key` is a valid place, and the destructor has the right type.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(leave)) } != 0 {
            fail(format_args!("no key could be made"));
        }
        key
    })
}

fn arm(boxed: *mut c_void) {
    // SAFETY: the key was made by `key`; the value is only handed to `leave`.
    if unsafe { libc::pthread_setspecific(key(), boxed) } != 0 {
        fail(format_args!("the key could not be set"));
    }
}

extern "C" fn enter(boxed: *mut c_void) -> *mut c_void {
    // The first operation registers the thread, so that it has something to lose.
    drop(std::hint::black_box(Box::new(1_u8)));
    // SAFETY: it is the box that `start` made, and nobody else has it yet.
    let errand = unsafe { &*boxed.cast::<Errand>() };
    if let Some(region) = errand.stays_in {
        std::mem::forget(region.enter());
    }
    arm(boxed);
    null_mut()
}

unsafe extern "C" fn leave(boxed: *mut c_void) {
    // SAFETY: the value of the key is the box that `start` made, and the C library clears the key before it calls us.
    let mut errand = unsafe { Box::from_raw(boxed.cast::<Errand>()) };
    if (errand.haunt)() {
        arm(Box::into_raw(errand).cast());
    }
}

/// Blocks that a ghost of [`Ghosts`] holds at most.
const HELD: usize = 64;

/// Ghosts that go through a history until they are stopped.
pub struct Ghosts {
    stop: Arc<AtomicBool>,
    ghosts: Vec<Ghost>,
}

impl Ghosts {
    /// Starts `count` of them.
    pub fn start(count: usize, seed: u64, world: &'static World) -> Ghosts {
        let stop = Arc::new(AtomicBool::new(false));
        let ghost = |number| {
            let (stop, mut random) = (stop.clone(), Random::new(seed, number as u64));
            let stays_in = (number % 2 == 0).then(|| world.regions.pick(&mut random));
            Ghost::start(
                stays_in,
                Box::new(move || {
                    let mut held: [Option<Block>; HELD] = [None; HELD];
                    while !stop.load(Acquire) {
                        wander(&mut held, world, &mut random, stays_in);
                    }
                    held.into_iter().flatten().for_each(|block| world.send(block, &mut random, &mut Shared));
                    false
                }),
            )
        };
        let ghosts = (0..count).map(ghost).collect();
        Ghosts { stop, ghosts }
    }

    /// Stops them and waits until they are gone.
    pub fn join(self) {
        self.stop.store(true, Release);
        self.ghosts.into_iter().for_each(Ghost::join);
    }
}

/// One operation of a thread that has no tally of its own. It enters a region for each allocation, unless it stays in one.
pub fn wander(held: &mut [Option<Block>], world: &World, random: &mut Random, stays_in: Option<RegionId>) {
    let at = random.below(held.len());
    match held[at].take() {
        None if random.one_in(4) => held[at] = world.mailboxes[random.below(world.mailboxes.len())].pop(),
        None => {
            let region = stays_in.unwrap_or_else(|| world.regions.pick(random));
            let _in_region = stays_in.is_none().then(|| region.enter());
            held[at] = Some(allocate(Make::Plain, request(random), region.index(), &mut Shared));
        }
        Some(block) if random.one_in(4) => world.send(block, random, &mut Shared),
        Some(block) if random.one_in(4) => held[at] = Some(block.resize(request(random).size, &mut Shared)),
        Some(block) => block.free(&mut Shared),
    }
}
