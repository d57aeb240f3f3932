//! Benchmark engine `heapledger-tagged`: the ledger is the allocator, and regions are entered as a program enters them.
#![forbid(unsafe_code)]

mod tagging;

use std::process::ExitCode;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

fn main() -> ExitCode {
    workloads::main(workloads::Engine {
        id: "heapledger-tagged",
        tagger: tagging::Tagged,
        describe: workloads::jemalloc::describe,
    })
}

#[cfg(test)]
mod tests {
    use super::tagging::Tagged;

    /// More requests than a process can have regions at a time, several times over.
    #[test]
    fn a_region_for_each_request_has_its_own_name_every_time() {
        workloads::run("requests_own", Tagged, Some(2)).expect("it is in the list");
        let regions = heapledger::live().regions;
        let other = regions.iter().find(|region| region.name == "~other").expect("it is always there");
        assert_eq!(other.allocated_bytes, 0, "a name found no region");
    }
}
