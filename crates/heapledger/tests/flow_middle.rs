//! A process of its own: a flow over a long time contains what a mark in between makes exact.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, Region, RegionName, Went, mark};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static KV: Region = Region::new("kv");

const MIB: usize = 1 << 20;

fn fill(region: &'static Region, count: usize) -> Vec<Vec<u8>> {
    region.scope(|| (0..count).map(|_| vec![1; MIB]).collect())
}

/// Blocks of 1 MiB that are freed side by side are joined, and what is joined to 8 MiB and more goes back at once; the
/// rest is dirty. What comes then lies on dirty pages, and where others were that went back.
#[test]
fn without_a_mark_in_between_reuse_is_an_interval_that_contains_it() -> Result<(), Error> {
    let weights = fill(&WEIGHTS, 128);
    let loaded = mark()?;
    drop(weights);
    let freed = mark()?;
    let kv = fill(&KV, 75);
    let served = mark()?;

    let short = served.since(&freed)?.flow.unwrap_or_else(|why| panic!("{why}"));
    let long = served.since(&loaded)?.flow.unwrap_or_else(|why| panic!("{why}"));
    println!("{short}\n{long}");
    let (exact, wide) = (short.reused("weights", "kv"), long.reused("weights", "kv"));
    let (low, high) = exact.ends().expect("pages were counted");
    assert!(wide.low() <= Some(low) && Some(high) <= wide.high(), "{exact} is not in {wide}");
    if short.given_back_bytes() == Some(0) {
        assert_eq!(low, high, "nothing was given back after the mark");
    }
    if long.given_back_bytes() != Some(0) {
        assert!(wide.as_exact().is_none() || wide == Figure::Exact(0), "{wide}");
    }
    // Pages that small blocks of several regions share are another matter: the marks' own may come on the weights'.
    let in_kv = Went::Region(RegionName::new("kv", 0));
    for row in short.rows().iter().chain(long.rows()).filter(|row| row.region.name == "weights") {
        let exact = |went| row.went(went).as_exact().is_some();
        assert!(exact(&in_kv) && exact(&Went::Returned), "{row:#?}");
    }
    drop(kv);
    Ok(())
}
