//! The main thread of a directed run: alone registered, unless in a crowd.

use std::sync::atomic::Ordering::Relaxed;

use heapledger_alloc::page_word;
use heapledger_core::RegionId;

use super::Field;
use crate::blocks::{Block, Make, Request, allocate};
use crate::oracle::Tally;
use crate::random::Random;

/// Blocks that the main thread holds at most: a few slabs.
const MAIN_HOLDS: usize = 48;
/// The bytes of a page.
const PAGE_BYTES: usize = 4096;

/// It, and what it saw.
pub(super) struct Main {
    pub(super) random: Random,
    pub(super) tally: Tally,
    held: Vec<Block>,
    pub(super) operations: u64,
    /// Pages that were mixed when last seen, by their number modulo the length.
    mixed_pages: Vec<usize>,
    pub(super) mixed: u64,
    pub(super) pure_again: u64,
}

impl Main {
    pub(super) fn new(seed: u64) -> Main {
        Main {
            random: Random::new(seed, 0),
            tally: Tally::new(),
            held: Vec::with_capacity(MAIN_HOLDS),
            operations: 0,
            mixed_pages: vec![0; 1 << 12],
            mixed: 0,
            pure_again: 0,
        }
    }

    /// Fills slots with blocks of one region, then of the other, and so on.
    pub(super) fn stretch(&mut self, field: &Field, steps: u64) {
        let end = self.operations + steps;
        while self.operations < end {
            let number = self.random.below(2);
            field.main_region.store(number, Relaxed);
            let region = field.regions[number];
            let _in_region = region.enter();
            for _ in 0..1 + self.random.below(2 * MAIN_HOLDS) {
                self.step(field, region);
            }
        }
    }

    fn step(&mut self, field: &Field, region: RegionId) {
        self.operations += 1;
        let full = self.held.len() == MAIN_HOLDS;
        match self.random.below(16) {
            0..9 if !full => {
                let size = field.size.load(Relaxed);
                let block = allocate(Make::Plain, Request::bytes(size), region.index(), &mut self.tally);
                self.look_at(&block);
                self.held.push(block);
            }
            9..11 => match field.exchange.pop() {
                Some(block) => block.free(&mut self.tally),
                None => self.free_one(),
            },
            11 if !self.held.is_empty() => {
                let at = self.random.below(self.held.len());
                let size = field.size.load(Relaxed);
                self.held[at] = self.held[at].resize(size - self.random.below(2), &mut self.tally);
            }
            12..14 => self.hand_out(field),
            _ => self.free_one(),
        }
    }

    fn free_one(&mut self) {
        if let Some(block) = pick(&mut self.held, &mut self.random) {
            block.free(&mut self.tally);
        }
    }

    fn hand_out(&mut self, field: &Field) {
        if let Some(block) = pick(&mut self.held, &mut self.random)
            && let Err(block) = field.exchange.push(block)
        {
            block.free(&mut self.tally);
        }
    }

    /// Between two sizes nothing stays: the next class finds the same pages.
    pub(super) fn clear(&mut self, field: &Field) {
        while let Some(block) = self.held.pop().or_else(|| field.exchange.pop()) {
            block.free(&mut self.tally);
        }
        self.mixed_pages.fill(0);
    }

    /// Counts pages that were mixed and are pure again. As all blocks have one class meanwhile, they were flipped.
    fn look_at(&mut self, block: &Block) {
        let page = block.address() / PAGE_BYTES;
        let at = page % self.mixed_pages.len();
        if page_word(block.address()).is_mixed() {
            self.mixed += u64::from(self.mixed_pages[at] != page);
            self.mixed_pages[at] = page;
        } else if self.mixed_pages[at] == page {
            self.pure_again += 1;
            self.mixed_pages[at] = 0;
        }
    }
}

fn pick(held: &mut Vec<Block>, random: &mut Random) -> Option<Block> {
    let at = random.below(held.len().max(1));
    (at < held.len()).then(|| held.swap_remove(at))
}
