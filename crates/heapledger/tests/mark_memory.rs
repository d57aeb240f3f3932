//! A process of its own: what marks keep has a line, goes with them, and is not on the heap.
#![cfg(target_os = "linux")]

mod support;

use heapledger::{Error, LineId, OwnedRegion, mark, statement};
use support::exact;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

/// Blocks of 64 bytes, of which a page holds 64: each of two regions' on every page.
const BLOCK: usize = 64;
const BLOCKS: usize = 1 << 20;
const PAGES: usize = BLOCKS * BLOCK / 4096;

/// A mixed page costs four bytes for each region that has blocks on it, and four.
const MAP_BYTES: usize = PAGES * 12;

const MARKS: usize = 8;

#[test]
fn maps_stand_in_the_line_of_own_tables_and_go_with_their_marks() -> Result<(), Error> {
    let regions = [OwnedRegion::new("even"), OwnedRegion::new("odd")];
    let mut blocks = Vec::with_capacity(BLOCKS);
    for number in 0..BLOCKS {
        regions[number % 2].scope(|| blocks.push(Box::new([1_u8; BLOCK])));
    }
    statement()?;
    drop(mark()?);
    let before = statement()?;
    let marks = (0..MARKS).map(|_| mark()).collect::<Result<Vec<_>, _>>()?;
    let kept = statement()?;
    let bytes: usize = marks.iter().map(|mark| mark.map_bytes().map_err(|why| panic!("{why}")).unwrap_or(0)).sum();
    assert!((MARKS * MAP_BYTES / 4..=MARKS * MAP_BYTES).contains(&bytes), "{bytes} bytes for {PAGES} pages");

    let own = exact(&kept, LineId::OwnTables) - exact(&before, LineId::OwnTables);
    let whole_pages: usize =
        marks.iter().map(|mark| mark.map_bytes().map_or(0, |bytes| bytes.next_multiple_of(4096))).sum();
    // The ledger's own words for what the statements allocate may come too.
    assert!((whole_pages as i64..whole_pages as i64 + (64 << 10)).contains(&own), "{own} for {whole_pages}\n{kept}");
    assert_eq!(exact(&kept, LineId::CounterGap), 0, "{kept}");
    assert!(heapledger::quick()?.figure(LineId::OwnTables).high() >= Some(whole_pages as i64));

    drop(marks);
    let after = statement()?;
    let gone = exact(&kept, LineId::OwnTables) - exact(&after, LineId::OwnTables);
    assert_eq!(gone, whole_pages as i64, "{after}");
    assert_eq!(exact(&after, LineId::CounterGap), 0, "{after}");
    assert_eq!(after.traffic_bytes().map(|traffic| traffic.allocated), Some(0), "{after}");
    drop(blocks);
    Ok(())
}
