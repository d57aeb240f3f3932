//! A process of its own: small blocks of one region are freed, and another's come on the same pages. The truth is in
//! the sequence, since nothing is given back (decay never), and in the addresses: which of the second's blocks lie on
//! pages where the first's were is seen from here. Some come on pages that others freed.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, Held, Mark, PageFlow, Region, Went, mark};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static WEIGHTS: Region = Region::new("weights");
static KV: Region = Region::new("kv");

/// Blocks of 1 KiB, four to a page.
const BLOCK: usize = 1024;
const WEIGHTS_BLOCKS: usize = 128 << 10;
const KV_BLOCKS: usize = 75 << 10;

/// Blocks that a thread's cache and the slabs that are open hold beside: the cache's bin holds 20, the allocator fills
/// it by ten, and a slab has four.
const CACHED_BLOCKS: usize = 64;

const PAGE: usize = 4096;

fn page(block: &[u8; BLOCK]) -> usize {
    block.as_ptr().addr() / PAGE
}

#[allow(clippy::vec_box, reason = "blocks of their own are the subject")]
fn blocks(region: &'static Region, count: usize) -> Vec<Box<[u8; BLOCK]>> {
    // The list of them is not theirs.
    let mut blocks = Vec::with_capacity(count);
    region.scope(|| blocks.extend((0..count).map(|byte| Box::new([byte as u8 | 1; BLOCK]))));
    blocks
}

fn flow(after: &Mark, before: &Mark) -> Result<PageFlow, Error> {
    let since = after.since(before)?;
    Ok(since.flow.unwrap_or_else(|why| panic!("{why}")))
}

fn near(figure: &Figure, blocks: usize) -> bool {
    let (bytes, beside) = ((blocks * BLOCK) as i64, (CACHED_BLOCKS * BLOCK) as i64);
    figure.ends().is_some_and(|(low, high)| bytes - beside <= low && high <= bytes + beside)
}

#[test]
fn what_another_region_has_on_freed_pages_is_reuse() -> Result<(), Error> {
    heapledger::configure().dirty_decay_ms(-1)?;
    let mut pages: Vec<usize> = Vec::with_capacity(WEIGHTS_BLOCKS);
    let weights = blocks(&WEIGHTS, WEIGHTS_BLOCKS);
    pages.extend(weights.iter().map(|block| page(block)));
    pages.sort_unstable();
    let loaded = mark()?;
    drop(weights);
    let freed = mark()?;
    let kv = blocks(&KV, KV_BLOCKS);
    let served = mark()?;
    let on_freed_pages = kv.iter().filter(|block| pages.binary_search(&page(block)).is_ok()).count();
    assert!(on_freed_pages > KV_BLOCKS / 2, "{on_freed_pages}: there is something to find");

    let went = flow(&freed, &loaded)?;
    println!("{went}");
    let row = went.row("weights", Held::InUse).expect("it had something");
    assert!(near(&row.bytes, WEIGHTS_BLOCKS), "{row:#?}");
    let sum: Figure = row.cells.iter().map(|cell| cell.bytes.clone()).sum();
    assert_eq!(sum, row.bytes, "{row:#?}");
    assert!(near(&row.went(&Went::Dirty), WEIGHTS_BLOCKS), "{row:#?}");
    assert_eq!(row.went(&Went::Own), Figure::Exact(0), "{row:#?}");
    assert_eq!(went.given_back_bytes(), Some(0));

    let went = flow(&served, &freed)?;
    println!("{went}");
    let row = went.row("weights", Held::Freed).expect("it had freed something");
    let sum: Figure = row.cells.iter().map(|cell| cell.bytes.clone()).sum();
    assert!(sum.admits(row.bytes.as_exact().expect("it is counted")), "{row:#?}");
    assert_eq!(went.given_back_bytes(), Some(0));
    let reused = went.reused("weights", "kv");
    // An interval where one of the pages has cached blocks of several regions.
    assert!(near(&reused, on_freed_pages), "{reused}, {on_freed_pages} blocks");
    assert!(near(&row.went(&Went::Dirty), WEIGHTS_BLOCKS - on_freed_pages), "{row:#?}");
    drop(kv);
    Ok(())
}
