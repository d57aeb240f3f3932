//! A random history of one thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam::queue::ArrayQueue;

use crate::blocks::{Block, Make, Request, allocate, allocate_too_much};
use crate::oracle::{Count, Tally};
use crate::random::Random;
use crate::regions::{Regions, Scopes};

/// Blocks that a thread holds at most; about half of the places are taken.
const PLACES: usize = 2048;
/// Blocks that can be on their way to a thread.
const MAILBOX: usize = 512;

/// More bytes than an address space has, and less than `isize::MAX` at every alignment.
pub const TOO_MUCH: usize = isize::MAX as usize - (4 << 20);

/// What all threads share.
pub struct World {
    /// The regions under test.
    pub regions: Regions,
    /// Blocks on their way, by receiver.
    pub mailboxes: Vec<ArrayQueue<Block>>,
    /// What each thread counted; the thread holds its lock while it works.
    tallies: Vec<Mutex<Tally>>,
}

impl World {
    /// For `threads` receivers.
    pub fn new(threads: usize) -> World {
        World {
            regions: Regions::new(),
            mailboxes: (0..threads).map(|_| ArrayQueue::new(MAILBOX)).collect(),
            tallies: (0..threads).map(|_| Mutex::new(Tally::new())).collect(),
        }
    }

    /// What a thread counted; waits until it is at a quiescent point.
    pub fn tally(&self, number: usize) -> MutexGuard<'_, Tally> {
        // A thread that panicked has ended the run.
        self.tallies[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every thread counted.
    pub fn tallies(&self) -> impl Iterator<Item = MutexGuard<'_, Tally>> {
        (0..self.tallies.len()).map(|number| self.tally(number))
    }

    /// Sends a block to a random thread; a block that does not fit is freed here.
    #[inline]
    pub fn send(&self, block: Block, random: &mut Random, count: &mut impl Count) {
        if let Err(block) = self.mailboxes[random.below(self.mailboxes.len())].push(block) {
            block.free(count);
        }
    }
}

/// How often a history changes its region.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Operations per change.
    pub steps_per_change: usize,
}

/// What a thread takes with it from round to round: the thread ends, its blocks stay.
pub struct Worker {
    number: usize,
    random: Random,
    blocks: Vec<Option<Block>>,
    /// Calls of the allocator.
    pub operations: u64,
}

impl Worker {
    /// The thread with this number, of a run with this seed.
    pub fn new(number: usize, seed: u64) -> Worker {
        let blocks = std::iter::repeat_with(|| None).take(PLACES).collect();
        Worker { number, random: Random::new(seed, number as u64), blocks, operations: 0 }
    }

    /// Goes on with the history for `steps` operations.
    pub fn run(&mut self, steps: u64, pace: Pace, world: &World, scopes: &mut Scopes) {
        let tally = &mut *world.tally(self.number);
        let end = self.operations + steps;
        while self.operations < end {
            if self.random.one_in(pace.steps_per_change) {
                scopes.change(&world.regions, &mut self.random);
            }
            if self.random.one_in(8) {
                self.receive(world, tally);
            }
            self.step(world, scopes.region(), tally);
        }
    }

    #[inline]
    fn step(&mut self, world: &World, region: usize, tally: &mut Tally) {
        let at = self.random.below(PLACES);
        self.operations += 1;
        match self.blocks[at].take() {
            None => self.blocks[at] = self.make(region, tally),
            Some(block) => self.blocks[at] = self.change(block, world, tally),
        }
    }

    #[inline]
    fn make(&mut self, region: usize, tally: &mut Tally) -> Option<Block> {
        let make = if self.random.one_in(12) { Make::Zeroed } else { Make::Plain };
        if self.random.one_in(1024) {
            allocate_too_much(make, TOO_MUCH);
            return None;
        }
        Some(allocate(make, request(&mut self.random), region, tally))
    }

    /// What becomes of a block: mostly it is freed.
    #[inline]
    fn change(&mut self, block: Block, world: &World, tally: &mut Tally) -> Option<Block> {
        match self.random.below(64) {
            0..48 => block.free(tally),
            48..56 => {
                self.operations -= 1;
                world.send(block, &mut self.random, tally);
            }
            56 if self.random.one_in(8) => {
                block.resize_too_much(TOO_MUCH);
                return Some(block);
            }
            57 => return Some(block.adopt(world.regions.pick(&mut self.random), tally)),
            _ => {
                let size = new_size(block.request().size, &mut self.random);
                return Some(block.resize(size, tally));
            }
        }
        None
    }

    /// Another thread's block comes in: it is freed here, or stays for a while.
    #[inline]
    fn receive(&mut self, world: &World, tally: &mut Tally) {
        let Some(block) = world.mailboxes[self.number].pop() else { return };
        let at = self.random.below(PLACES);
        match self.blocks[at] {
            None if self.random.one_in(2) => self.blocks[at] = Some(block),
            _ => {
                self.operations += 1;
                block.free(tally);
            }
        }
    }

    /// Frees about one block in `n` and puts blocks of the same sizes in their places, in the region of the caller:
    /// the phase after which pages belong to one region again.
    pub fn refill(&mut self, n: usize, region: usize, world: &World) {
        let tally = &mut *world.tally(self.number);
        for at in 0..PLACES {
            if self.random.one_in(n)
                && let Some(block) = self.blocks[at].take()
            {
                let request = block.request();
                block.free(tally);
                self.blocks[at] = Some(allocate(Make::Plain, request, region, tally));
                self.operations += 2;
            }
        }
    }

    /// Frees everything.
    pub fn clear(&mut self, world: &World) {
        let tally = &mut *world.tally(self.number);
        for block in self.blocks.iter_mut().filter_map(Option::take) {
            self.operations += 1;
            block.free(tally);
        }
        while let Some(block) = world.mailboxes[self.number].pop() {
            self.operations += 1;
            block.free(tally);
        }
    }
}

/// Sizes up to 5 MiB, mostly small; alignments up to 2 MiB, mostly natural.
#[inline]
pub fn request(random: &mut Random) -> Request {
    let size = match random.below(2048) {
        0..1300 => 1 + random.below(256),
        1300..1750 => 1 + random.below(1024),
        1750..1940 => 1 + random.below(4200),
        1940..2015 => 1 + random.below(14_400),
        2015..2030 => 1 + random.below(65_536),
        2030..2044 => 0,
        _ => 1 + random.below(5 << 20),
    };
    let align_shift = match random.below(1024) {
        0..960 => random.below(5),
        960..1020 => random.below(13),
        _ => random.below(22),
    };
    Request { size, align_shift: align_shift as u8 }
}

/// In place, a little more or less, or another kind of block altogether.
#[inline]
fn new_size(size: usize, random: &mut Random) -> usize {
    match random.below(8) {
        0 | 1 => size + random.below(16),
        2 | 3 => size * 2 % (5 << 20),
        4 => size / 2,
        5 => size - random.below(size.min(8192) + 1),
        _ => request(random).size,
    }
}
