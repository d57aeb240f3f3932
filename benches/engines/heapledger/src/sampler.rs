//! Benchmark engine `heapledger-sampler`: as `heapledger-tagged`, with a thread that reads `quick()` every second, as a
//! service does that publishes its figures.
#![forbid(unsafe_code)]

mod tagging;

use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

const EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // The first reading is taken at once, so that even a short run has one beside it.
    let reader = std::thread::Builder::new().name("sampler".into()).spawn(|| {
        loop {
            std::hint::black_box(heapledger::quick().is_ok());
            std::thread::sleep(EVERY);
        }
    });
    if let Err(error) = reader {
        eprintln!("the thread of the sampler did not start: {error}");
        return ExitCode::from(2);
    }
    workloads::main(workloads::Engine {
        id: "heapledger-sampler",
        tagger: tagging::Tagged,
        describe: workloads::jemalloc::describe,
    })
}
