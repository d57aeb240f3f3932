//! What works beside the main thread of a directed run.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::thread::{self, JoinHandle};

use super::{Field, HELPERS, pass};
use crate::blocks::{Block, Make, Request, allocate};
use crate::failure::fail;
use crate::ghosts::Ghost;
use crate::oracle::{Count, Shared};
use crate::random::Random;

/// Blocks that a helper holds at most.
const HELPER_HOLDS: usize = 6;
/// Blocks of a thread that comes and ends.
const VISITOR_BLOCKS: usize = 3;

/// A thread that works beside the main one.
pub(super) enum Helper {
    Ghost(Ghost),
    Registered(JoinHandle<()>),
}

impl Helper {
    pub(super) fn start(field: &'static Field, number: usize, seed: u64, crowd: bool) -> Helper {
        let random = Random::new(seed, 1 + number as u64);
        if crowd {
            Helper::Registered(thread::spawn(move || help(field, number, random)))
        } else {
            let mut random = Some(random);
            Helper::Ghost(Ghost::start(
                None,
                Box::new(move || {
                    random.take().into_iter().for_each(|random| help(field, number, random));
                    false
                }),
            ))
        }
    }

    pub(super) fn join(self) {
        match self {
            Helper::Ghost(ghost) => ghost.join(),
            Helper::Registered(thread) => thread.join().unwrap_or_else(|_| fail(format_args!("a helper panicked"))),
        }
    }
}

/// Works, and rests at each point, until told to stop. The last helper sends visitors instead.
fn help(field: &'static Field, number: usize, mut random: Random) {
    let mut held: [Option<Block>; HELPER_HOLDS] = [None; HELPER_HOLDS];
    let (mut operations, mut point) = (0, 0);
    loop {
        if field.come_to.load(Acquire) > point {
            point += 1;
            field.helper_operations.fetch_add(operations, Relaxed);
            operations = 0;
            field.arrived.fetch_add(1, AcqRel);
            while field.go_on_from.load(Acquire) < point {
                pass();
            }
            if field.stop.load(Relaxed) {
                return held.into_iter().flatten().for_each(|block| block.free(&mut Shared));
            }
        }
        if number == HELPERS {
            visit(field, &mut random);
        } else {
            operations += 1;
            helper_step(field, &mut held[random.below(HELPER_HOLDS)], &mut random);
        }
    }
}

fn helper_step(field: &Field, place: &mut Option<Block>, random: &mut Random) {
    let size = field.size.load(Relaxed);
    match place.take() {
        None if random.one_in(3) => *place = Some(made(field, size, random, &mut Shared)),
        None => {
            if let Some(block) = field.exchange.pop() {
                block.free(&mut Shared);
            }
        }
        Some(block) if random.one_in(4) => *place = Some(block.resize(size, &mut Shared)),
        Some(block) if random.one_in(2) => block.free(&mut Shared),
        Some(block) => {
            if let Err(block) = field.exchange.push(block) {
                block.free(&mut Shared);
            }
        }
    }
}

/// A block, mostly of the region that the main thread is not in.
fn made(field: &Field, size: usize, random: &mut Random, count: &mut impl Count) -> Block {
    let other = usize::from(random.below(4) > 0);
    let region = field.regions[field.main_region.load(Relaxed) ^ other];
    let _in_region = region.enter();
    allocate(Make::Plain, Request::bytes(size), region.index(), count)
}

/// Sends one thread: while it lives two are registered, and the main thread must not flip what it writes to.
fn visit(field: &'static Field, random: &mut Random) {
    for _ in 0..random.below(8) {
        pass();
    }
    let mut thread: libc::pthread_t = 0;
    let argument = core::ptr::from_ref(field).cast_mut().cast();
    // SAFETY: `visitor` takes what it is given as a field, which this is.
    if unsafe { libc::pthread_create(&raw mut thread, null(), visitor, argument) } != 0 {
        fail(format_args!("no thread could be made"));
    }
    // SAFETY: the thread was made above and is joined once.
    if unsafe { libc::pthread_join(thread, null_mut()) } != 0 {
        fail(format_args!("a thread could not be joined"));
    }
}

extern "C" fn visitor(field: *mut c_void) -> *mut c_void {
    // SAFETY: by `visit`, it is a field, which lives as long as the process.
    let field: &'static Field = unsafe { &*field.cast::<Field>() };
    field.visitors.fetch_add(1, Relaxed);
    let mut random = Random::new(field.visitor_seed.fetch_add(1, Relaxed), 0);
    for _ in 0..VISITOR_BLOCKS {
        let block = made(field, field.size.load(Relaxed), &mut random, &mut Shared);
        if let Err(block) = field.exchange.push(block) {
            block.free(&mut Shared);
        }
    }
    null_mut()
}
