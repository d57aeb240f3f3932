//! Histories of the counting allocator against an oracle.
//!
//! The allocator under test is this program's own, so threads, tasks and panics use it as in any program; the regions
//! under test are charged only by the histories, whose every call the oracle counts. What differs at a quiescent point,
//! or what a single block says of itself, ends the run with the seed that repeats it.

mod args;
mod blocks;
mod directed;
mod failure;
mod ghosts;
mod oracle;
mod random;
mod reader;
mod record;
mod regions;
mod rounds;
mod shows;
mod worker;

use std::process::ExitCode;

use args::{Args, Mode, USAGE};

#[global_allocator]
static LEDGER: heapledger_alloc::IsolatingLedger = heapledger_alloc::IsolatingLedger::new();

/// One arena, so that threads meet on the same pages; `_RJEM_MALLOC_CONF` comes after it and may say otherwise.
const OWN_MALLOC_CONF: &core::ffi::CStr = c"narenas:1";

#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Option<&'static core::ffi::c_char> = Some(first(OWN_MALLOC_CONF));

const fn first(text: &'static core::ffi::CStr) -> &'static core::ffi::c_char {
    // SAFETY: a C string has at least its terminating zero, and a static one lives for ever.
    unsafe { &*text.as_ptr() }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let args = match Args::parse(words.into_iter()) {
        Ok(args) => args,
        Err(mistake) => {
            eprintln!("{mistake}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    failure::set_repeat(args.command());
    let began = std::time::Instant::now();
    let report = match args.mode {
        Mode::Random => rounds::run(&args),
        Mode::Directed => directed::run(&args, false),
        Mode::Crowd => directed::run(&args, true),
        Mode::Reader => reader::run(&args),
    };
    let seconds = began.elapsed().as_secs();
    println!("{report}passed, {seconds} s");
    match args.record.as_deref().map(|file| record::write(file, &args, &report, seconds)) {
        Some(Err(error)) => {
            eprintln!("the record was not written: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
