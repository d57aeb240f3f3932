//! Threads that are there, and that were; a child.

use std::sync::{Arc, Barrier, Mutex};

use heapledger_core::{OwnedRegion, Region, RegionId};
use heapledger_harness::fork::{Forked, fork, wait_for};
use serde_json::{Value, json};

use super::{Facts, one, two};
use crate::os::threads::{Stacks, stacks_of_this_thread};
use crate::probes::Options;

const MIB: usize = 1 << 20;
static HELD: Region = Region::new("held");

/// Stacks of the threads, by their own word.
static STACKS: Mutex<Vec<Stacks>> = Mutex::new(Vec::new());

fn work(region: &OwnedRegion) -> (Vec<u8>, Vec<Box<[u8]>>) {
    region.scope(|| (vec![1_u8; MIB], (0..1_000).map(|index| vec![1_u8; 1 + index].into_boxed_slice()).collect()))
}

/// Runs threads, each with 1 MiB and a thousand small blocks in a region of its own, and `then` while they are there.
fn with_threads(count: usize, then: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts::new();
    let (begun, end) = (Arc::new(Barrier::new(count + 1)), Arc::new(Barrier::new(count + 1)));
    RegionId::LEDGER.scope(|| STACKS.lock().expect("nobody panics with it").reserve(count));
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
            std::thread::spawn(move || {
                let region = OwnedRegion::new(format!("thread/{number}"));
                let held = work(&region);
                STACKS.lock().expect("nobody panics with it").push(stacks_of_this_thread());
                begun.wait();
                end.wait();
                drop(held);
            })
        })
        .collect();
    begun.wait();
    facts.set_threads(&STACKS.lock().expect("nobody panics with it"));
    then(&mut facts);
    end.wait();
    for thread in threads {
        thread.join().expect("the thread ends well");
    }
    facts
}

/// Option `threads`: so many are alive.
pub(in crate::probes) fn alive(options: &Options) -> Value {
    with_threads(options.count("threads"), |facts| {
        two(facts);
    });
    json!({ "done": true })
}

/// The same number were, and have ended.
pub(in crate::probes) fn ended(options: &Options) -> Value {
    let facts = with_threads(options.count("threads"), |_| ());
    two(&facts)
}

/// A child that is forked while it has one thread states itself, and then its parent does.
pub(in crate::probes) fn forked(_: &Options) -> Value {
    let held = HELD.scope(|| vec![1_u8; 32 * MIB]);
    let mut facts = Facts::new();
    facts.note("in_child", true);
    let code = match fork() {
        Forked::Child => {
            one(&facts);
            one(&facts);
            std::process::exit(0);
        }
        Forked::Parent(pid) => wait_for(pid),
    };
    assert_eq!(code, 0, "the child ends well");
    facts.note("in_child", false);
    let done = two(&facts);
    drop(held);
    done
}
