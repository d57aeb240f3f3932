//! Blocks of all sizes that come and go in eight regions, on several threads that free each other's; for a program that
//! keeps a list of them.

use std::sync::{Barrier, Mutex};

use heapledger_core::{OwnedRegion, RegionId, region_count, region_info};
use serde_json::{Value, json};

use super::{Facts, one};
use crate::audit::{compare, table};
use crate::blocks::Block;
use crate::os::threads::stacks_of_this_thread;
use crate::probes::Options;
use crate::random::Random;

const REGIONS: usize = 8;
/// What each thread holds at most.
const HELD: usize = 15_000;
/// What each thread still holds in the end.
const LEFT: usize = 40;

/// Mostly small, some of the widest small classes, few with pages of their own.
fn size(random: &mut Random) -> usize {
    match random.below(100) {
        0..70 => 1 + random.below(512),
        70..98 => 513 + random.below(14_336 - 512),
        _ => 14_337 + random.below(200_000),
    }
}

/// Allocates, frees, resizes and hands over, so many times.
fn work(regions: &[OwnedRegion], random: &mut Random, held: &mut Vec<Block>, pool: &Mutex<Vec<Block>>, steps: usize) {
    for _ in 0..steps {
        let region = &regions[random.below(REGIONS)];
        match random.below(100) {
            0..55 if held.len() < HELD => {
                let mut block = region.scope(|| Block::new(size(random)));
                // All of it is resident, or which of its slab's pages are would leave intervals.
                block.fill(1);
                held.push(block);
            }
            55..70 if !held.is_empty() => {
                let (at, size) = (random.below(held.len()), size(random));
                region.scope(|| held[at].resize(size));
                held[at].fill(1);
            }
            70..75 if !held.is_empty() => {
                let block = held.swap_remove(random.below(held.len()));
                let mut pool = pool.lock().expect("nobody panics with it");
                if pool.len() < pool.capacity() {
                    pool.push(block);
                }
            }
            75..80 => held.extend(pool.lock().expect("nobody panics with it").pop().filter(|_| held.len() < HELD)),
            _ if !held.is_empty() => drop(held.swap_remove(random.below(held.len()))),
            _ => {}
        }
    }
}

fn keep(random: &mut Random, held: &mut Vec<Block>, left: usize) {
    while held.len() > left {
        drop(held.swap_remove(random.below(held.len())));
    }
}

/// A statement, and then the owner map slot by slot, while all other threads wait.
fn look(facts: &mut Facts) {
    facts.maps = table::place().into_iter().collect();
    facts.note("regions", names());
    // What is noted is printed with the statement that comes after; between the two the map is the same but for blocks
    // of the ledger's own.
    facts.note("owners", compare::owners());
    one(facts);
}

fn names() -> Value {
    (0..region_count()).map(|index| region_info(index).map_or("", |region| region.name)).collect()
}

/// Options `threads`, `steps`, `seed`: three statements, after the steps, when a third is left, when hardly any is.
pub(in crate::probes) fn audited(options: &Options) -> Value {
    let (threads, steps, seed) = (options.count("threads"), options.count("steps"), options.get("seed"));
    let mut facts = Facts::new();
    let regions: Vec<OwnedRegion> = (0..REGIONS).map(|number| OwnedRegion::new(format!("audited/{number}"))).collect();
    let pool = Mutex::new(RegionId::LEDGER.scope(|| Vec::with_capacity(1_000)));
    let barrier = Barrier::new(threads);
    let stacks = Mutex::new(RegionId::LEDGER.scope(|| Vec::with_capacity(threads)));
    let run = |number: usize, mut facts: Option<&mut Facts>| {
        if number > 0 {
            stacks.lock().expect("nobody panics with it").push(stacks_of_this_thread());
        }
        let mut random = Random::new(seed + number as u64);
        let mut held = RegionId::LEDGER.scope(|| Vec::with_capacity(HELD));
        let mut pause = || {
            barrier.wait();
            if let Some(facts) = &mut facts {
                facts.set_threads(&stacks.lock().expect("nobody panics with it"));
                look(facts);
            }
            barrier.wait();
        };
        work(&regions, &mut random, &mut held, &pool, steps);
        pause();
        keep(&mut random, &mut held, HELD / 3);
        pause();
        keep(&mut random, &mut held, LEFT);
        pause();
    };
    std::thread::scope(|scope| {
        let run = &run;
        let others: Vec<_> = (1..threads).map(|number| scope.spawn(move || run(number, None))).collect();
        run(0, Some(&mut facts));
        for other in others {
            other.join().expect("the thread ends well");
        }
    });
    json!({ "done": true })
}
