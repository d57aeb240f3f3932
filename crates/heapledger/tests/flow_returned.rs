//! A process of its own: large blocks are freed and given back at once, and what comes later is on none of their pages.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, Held, Region, RegionName, Went, mark};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static KV: Region = Region::new("kv");

const MIB: usize = 1 << 20;

/// Without background threads, blocks of 8 MiB and more lie in an arena that gives back what it frees at once.
const LARGE: usize = 16 * MIB;
const COUNT: usize = 8;

#[test]
fn what_was_given_back_is_not_reused() -> Result<(), Error> {
    let weights: Vec<Vec<u8>> = WEIGHTS.scope(|| (0..COUNT).map(|_| vec![1; LARGE]).collect());
    let loaded = mark()?;
    drop(weights);
    let freed = mark()?;
    let kv: Vec<Vec<u8>> = KV.scope(|| (0..64).map(|_| vec![2; MIB]).collect());
    let served = mark()?;

    let flow = freed.since(&loaded)?.flow.unwrap_or_else(|why| panic!("{why}"));
    println!("{flow}");
    let row = flow.row("weights", Held::InUse).expect("it had something");
    assert!(row.went(&Went::Returned).low() >= Some((COUNT * LARGE) as i64), "{row:#?}");
    assert!(flow.given_back_bytes() >= Some((COUNT * LARGE) as u64));

    let in_kv = Went::Region(RegionName::new("kv", 0));
    // Whichever way one looks: across the mark in between, or over all of it.
    for before in [&freed, &loaded] {
        let flow = served.since(before)?.flow.unwrap_or_else(|why| panic!("{why}"));
        println!("{flow}");
        assert_eq!(flow.reused("weights", "kv").low(), Some(0), "{flow}");
        // Pages that small blocks of several regions share are another matter: the marks' own may come on the weights'.
        for row in flow.rows().iter().filter(|row| row.region.name == "weights") {
            let exact = |went| row.went(went).as_exact().is_some();
            assert!(exact(&in_kv) && exact(&Went::Returned), "{row:#?}");
        }
    }
    let flow = served.since(&freed)?.flow.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(flow.reused("weights", "kv"), Figure::Exact(0), "{flow}");
    drop(kv);
    Ok(())
}
