//! A process of its own: of every 64 small blocks one is another region's, and it alone keeps the slab.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, Held, Region, RegionName, Went, mark};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static GUESTS: Region = Region::new("guests");
static OWNERS: Region = Region::new("owners");

/// Blocks of 64 bytes, of which a slab of one page holds 64.
const BLOCK: usize = 64;
const BLOCKS: usize = 256 << 10;
const GUESTS_BLOCKS: usize = BLOCKS - BLOCKS / 64;

/// What a thread caches of one class, and what the slabs hold that are open when the blocks come and go.
const CACHED_BLOCKS: usize = 1024;

#[test]
fn free_slots_are_pinned_by_who_stays() -> Result<(), Error> {
    let mut guests = Vec::with_capacity(BLOCKS);
    let mut owners = Vec::with_capacity(BLOCKS / 64);
    for number in 0..BLOCKS {
        if number % 64 == 0 {
            OWNERS.scope(|| owners.push(Box::new([1_u8; BLOCK])));
        } else {
            GUESTS.scope(|| guests.push(Box::new([2_u8; BLOCK])));
        }
    }
    let full = mark()?;
    drop(std::hint::black_box(guests));
    let empty = mark()?;

    let flow = empty.since(&full)?.flow.unwrap_or_else(|why| panic!("{why}"));
    println!("{flow}");
    let row = flow.row("guests", Held::InUse).expect("they were there");
    let sum: Figure = row.cells.iter().map(|cell| cell.bytes.clone()).sum();
    assert_eq!(sum, row.bytes, "{row:#?}");
    let pinned = row.went(&Went::FreeSlots(RegionName::new("owners", 0)));
    let (bytes, beside) = ((GUESTS_BLOCKS * BLOCK) as i64, (CACHED_BLOCKS * BLOCK) as i64);
    assert!(pinned.as_exact().is_some_and(|pinned| (bytes - beside..=bytes).contains(&pinned)), "{row:#?}");
    // What is not free is cached, to the byte: nothing of them lives.
    let cached = row.went(&Went::Cached).as_exact().expect("all is resident");
    assert!(cached <= beside && row.went(&Went::Own) == Figure::Exact(0), "{row:#?}");
    let stayed = flow.row("owners", Held::InUse).expect("they are there");
    assert_eq!(stayed.went(&Went::Own), Figure::Exact((BLOCKS / 64 * BLOCK) as i64), "{stayed:#?}");
    drop(owners);
    Ok(())
}
