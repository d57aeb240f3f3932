//! Shows that the checks are not blind: builds copies of the allocator, each with one mistake, and each check that
//! should notice must fail.
//!
//! `heapledger-mutants [WORD...]` runs the mutants whose name contains a word, or all. The copies also yield the
//! processor in the windows of the races; the unchanged copy with these yields must pass every check.

mod bench;
mod catalogue;

use std::process::ExitCode;
use std::time::Instant;

use bench::Bench;
use catalogue::{Check, Mutant};

/// What must pass on the copy without a mistake.
const ALL: [Check; 12] = [
    Check::Properties,
    Check::Loom(""),
    Check::Owners,
    Check::Isolated,
    Check::Reuse,
    Check::Teardown,
    Check::Guards,
    Check::Random,
    Check::Directed,
    Check::DirectedAtSpeed,
    Check::Crowd,
    Check::Reader,
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let chosen: Vec<&Mutant> = catalogue::all()
        .filter(|mutant| words.is_empty() || words.iter().any(|w| mutant.name.contains(&**w)))
        .collect();
    match run(&chosen) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("{missed} checks did not notice a mutant that they should");
            ExitCode::FAILURE
        }
        Err(trouble) => {
            eprintln!("the mutants cannot be judged: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many checks missed a mutant.
fn run(mutants: &[&Mutant]) -> Result<usize, String> {
    let bench = Bench::new()?;
    // Before anything is built: a mutant that does not apply any more is to be written anew.
    for mutant in catalogue::all() {
        bench.mutated(mutant)?;
    }
    let needed = |check: Check| mutants.iter().flat_map(|mutant| mutant.caught_by).any(|&by| by.is_a(check));
    for check in ALL.into_iter().filter(|&check| needed(check)) {
        if let Some(found) = bench.finds_fault(check)? {
            return Err(format!("{check:?} fails without a mutant: {found}"));
        }
    }
    let mut missed = 0;
    for mutant in mutants {
        bench.apply(mutant)?;
        for &check in mutant.caught_by {
            let began = Instant::now();
            let found = bench.finds_fault(check)?;
            missed += usize::from(found.is_none());
            let (verdict, what) = match &found {
                Some(what) => ("caught by", what.as_str()),
                None => ("MISSED by", ""),
            };
            let check = format!("{check:?}");
            println!("{:<62} {verdict} {check:<48} {:>4} s  {what}", mutant.name, began.elapsed().as_secs());
        }
        bench.restore(mutant)?;
    }
    println!("{} mutants, {missed} missed", mutants.len());
    Ok(missed)
}
