//! Benchmark engine `heapledger-tagged`: the ledger is the allocator, and regions are entered as a program enters them,
//! through statics and guards.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use heapledger::{Guard, Region};
use workloads::{REGIONS, Tagger};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static NAMES: [Region; REGIONS] =
    [Region::new("bench/first"), Region::new("bench/second"), Region::new("bench/third"), Region::new("bench/fourth")];

#[derive(Clone, Copy)]
struct Tagged;

impl Tagger for Tagged {
    type Guard = Guard;

    #[inline(always)]
    fn enter(self, region: usize) -> Guard {
        NAMES[region].enter()
    }
}

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "heapledger-tagged",
        tagger: Tagged,
        describe: workloads::jemalloc::describe,
    })
}
