//! A process of its own: what a region freed waits on dirty pages for its decay time, and goes when it is purged. The
//! truth is in the sequence: the decay time is a thousand hours, and background threads look after it.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, Held, LineId, Mark, PageFlow, Region, Verdict, Went, When, mark};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static W: Region = Region::new("W");

/// Too small for jemalloc to give them back at once when they lie side by side (128 KiB would do).
const BYTES: usize = 64 << 10;
const BLOCKS: usize = 1024;

const PAGE: usize = 4096;

/// So long that nothing goes while the test runs, however long it is kept from running.
const DECAY_MS: i64 = 3_600_000_000;

/// What the marks' own small blocks may take of freed pages: a slab of each of jemalloc's 36 classes, 135 pages in all.
const SLABS_OF_MARKS_BYTES: i64 = 135 * PAGE as i64;

/// All of it but for pages that slabs of the marks took.
fn is_all(figure: &Figure, bytes: i64) -> bool {
    figure.ends().is_some_and(|(low, high)| bytes - SLABS_OF_MARKS_BYTES <= low && high <= bytes)
}

fn is_of_marks(figure: &Figure) -> bool {
    figure.ends().is_some_and(|(low, high)| 0 <= low && high <= SLABS_OF_MARKS_BYTES)
}

fn flow(after: &Mark, before: &Mark) -> Result<PageFlow, Error> {
    Ok(after.since(before)?.flow.unwrap_or_else(|why| panic!("{why}")))
}

/// Bytes of the pages that the block touches: it begins anywhere in its first page.
fn bytes_of_pages(block: &[u8]) -> usize {
    let start = block.as_ptr().addr();
    (start + block.len()).next_multiple_of(PAGE) - start / PAGE * PAGE
}

#[test]
fn what_was_freed_waits_as_dirty_pages_until_it_is_purged() -> Result<(), Error> {
    heapledger::configure().dirty_decay_ms(DECAY_MS)?.background_threads(true)?;
    // The list is not W's.
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    mark()?;
    W.scope(|| blocks.extend((0..BLOCKS).map(|_| vec![1; BYTES])));
    let loaded = mark()?;
    let touched: usize = blocks.iter().map(|block| bytes_of_pages(block)).sum();
    blocks.clear();
    let freed = mark()?;
    // What waits can go.
    heapledger::purge()?;
    let purged = mark()?;

    let to_freed = flow(&freed, &loaded)?;
    println!("{to_freed}");
    let row = to_freed.row("W", Held::InUse).expect("it had something");
    assert_eq!(row.bytes, Figure::Exact((BLOCKS * BYTES) as i64));
    assert!(is_all(&row.went(&Went::Dirty), (BLOCKS * BYTES) as i64), "no time has passed: {row:#?}");
    assert_eq!(row.went(&Went::Returned), Figure::Exact(0), "{row:#?}");
    assert_eq!(to_freed.given_back_bytes(), Some(0));
    let statement = freed.statement();
    let dirty = statement.part(LineId::Dirty, "W").expect("it has dirty pages");
    assert!(is_all(&dirty, touched as i64), "{dirty}\n{statement}");

    let verdicts = statement.verdicts().with_flow(&to_freed);
    let of_w = verdicts.region("W").expect("it has pages");
    assert_eq!(of_w.of(Verdict::Waiting), dirty, "{of_w}");
    assert_eq!(of_w.of(Verdict::Live), Figure::Exact(0), "{of_w}");
    for verdict in [Verdict::Held, Verdict::Reused] {
        assert!(is_of_marks(&of_w.of(verdict)), "all of it waits: {of_w}");
    }
    let forecast = statement.forecast();
    assert!(!forecast.parts().is_empty() && !forecast.is_never(), "{forecast}");
    for part in forecast.parts() {
        let When::Within { until_ms, .. } = part.when else { panic!("a part never goes: {forecast}") };
        assert!(until_ms >= DECAY_MS as u64, "{forecast}");
    }

    // It is W's pages that went, all of them.
    let to_purged = flow(&purged, &freed)?;
    println!("{to_purged}");
    let row = to_purged.row("W", Held::Freed).expect("its pages were dirty");
    assert!(is_all(&row.bytes, touched as i64), "{row:#?}");
    assert!(is_all(&row.went(&Went::Returned), touched as i64), "{row:#?}");
    assert!(is_of_marks(&row.went(&Went::Dirty)), "nothing waits: {row:#?}");
    Ok(())
}
