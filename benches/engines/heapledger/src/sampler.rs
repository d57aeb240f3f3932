//! Benchmark engine `heapledger-sampler`: as `heapledger-tagged`, with a `Sampler` that takes a summary every second,
//! as a service does that publishes its figures.
#![forbid(unsafe_code)]

mod tagging;

use std::process::ExitCode;
use std::time::Duration;

use heapledger::SamplerOptions;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

const EVERY: Duration = Duration::from_secs(1);
/// Summaries that are kept.
const HISTORY: usize = 60;

fn main() -> ExitCode {
    let sampler = match SamplerOptions::every(EVERY).keep(HISTORY).start() {
        Ok(sampler) => sampler,
        Err(error) => {
            eprintln!("the sampler did not start: {error}");
            return ExitCode::from(2);
        }
    };
    let code = workloads::main(workloads::Engine {
        id: "heapledger-sampler",
        tagger: tagging::Tagged,
        describe: workloads::jemalloc::describe,
    });
    match sampler.stop() {
        Ok(_) => code,
        Err(error) => {
            eprintln!("the sampler did not stop: {error}");
            ExitCode::from(2)
        }
    }
}
