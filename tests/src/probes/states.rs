//! Processes in a known state that take statements of themselves, and another process looks on.
//!
//! Before each statement a probe prints `{"ready":PID,…}` and waits for a line; then it takes the statement and prints
//! it with what it knows of itself: where the ledger's tables are, stacks, and what it mapped. It ends with
//! `{"done":true}`. Who looks on is in `outside/`. Nothing of the protocol uses the heap before the statement is taken.

mod audited;
mod heap;
mod outside;
mod threads;

use std::io::Write;

use heapledger_alloc::table_ranges;
use heapledger_core::RegionId;
use heapledger_harness::fork::end_after_seconds;
use serde_json::{Map, Value, json};

use super::Options;
use crate::os::process;
use crate::os::threads::{Stacks, stacks_of_this_thread};

pub(super) use audited::audited;
pub(super) use heap::{half_read, large, mixed, mixed_to_the_end, muzzy, purged, small, thinned, untouched};
pub(super) use outside::{aligned, file, glibc, glibc_heaps, guarded_stacks, nameless_stacks, own_map, shared};
pub(super) use threads::{alive, ended, forked};

/// A probe whose watcher has gone ends itself, so that nothing waits for ever.
const LONGEST_SECONDS: u32 = 300;

/// Addresses and lengths, for the one who looks on.
type Ranges = Vec<(usize, usize)>;

/// What the probe knows of itself.
#[derive(Default)]
struct Facts {
    /// Stacks of other threads, and alternative stacks for signals.
    stacks: Ranges,
    /// Memory that the program mapped itself, anonymous and private.
    maps: Ranges,
    /// Blocks of the C library with mappings of their own.
    chunks: Ranges,
    /// Whatever a test wants to compare.
    more: Map<String, Value>,
}

impl Facts {
    /// Those of a program with one thread.
    fn new() -> Facts {
        end_after_seconds(LONGEST_SECONDS);
        Facts { stacks: stacks_of_this_thread().signals.into_iter().collect(), ..Facts::default() }
    }

    /// Notes the stacks of other threads, in place of those noted before.
    fn set_threads(&mut self, threads: &[Stacks]) {
        self.stacks.clear();
        self.stacks.extend(stacks_of_this_thread().signals);
        for stacks in threads {
            self.stacks.push(stacks.own);
            self.stacks.extend(stacks.signals);
        }
    }

    fn note(&mut self, key: &str, value: impl Into<Value>) {
        self.more.insert(key.to_owned(), value.into());
    }

    fn to_json(&self, statement: &str) -> Value {
        let mut object = self.more.clone();
        let mut tables = vec![(0, 0); table_ranges(&mut []) + 16];
        let listed = table_ranges(&mut tables);
        tables.truncate(listed);
        let ranges = [("tables", &tables), ("stacks", &self.stacks), ("maps", &self.maps), ("chunks", &self.chunks)];
        for (key, ranges) in ranges {
            object.insert(key.to_owned(), json!(ranges));
        }
        object.insert("statement".to_owned(), statement.into());
        object.into()
    }
}

/// Two statements: the first, and one that finds everything warm.
fn two(facts: &Facts) -> Value {
    one(facts);
    one(facts);
    json!({ "done": true })
}

fn one(facts: &Facts) {
    ready();
    let statement = heapledger::statement().expect("the ledger is installed");
    let line = RegionId::LEDGER.scope(|| facts.to_json(&statement.to_json()).to_string() + "\n");
    process::print(line.as_bytes());
}

/// Says that the statement comes next, and where a list of blocks is to be found if there is one; waits to be told.
fn ready() {
    let mut line = [0_u8; 128];
    let mut rest = &mut line[..];
    let (address, bytes) = crate::audit::table::place().unwrap_or_default();
    writeln!(rest, "{{\"ready\":{},\"list\":[{address},{bytes}]}}", std::process::id()).expect("there is room");
    let left = rest.len();
    process::print(&line[..line.len() - left]);
    process::wait_for_a_byte();
}

/// A new program.
pub(super) fn start(_: &Options) -> Value {
    two(&Facts::new())
}
