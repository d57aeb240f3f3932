//! More isolated regions than there may be: the further ones work, beside others, and say so.

use heapledger_alloc::{IsolatingLedger, RegionTotals, page_word, read_totals};
use heapledger_core::{Isolation, OwnedRegion, region_count};

#[global_allocator]
static LEDGER: IsolatingLedger = IsolatingLedger::new();

const MOST: usize = 256;
const BEYOND: usize = 4;
const BYTES: u64 = 100;

#[test]
fn beyond_the_most_a_region_works_without_an_arena_and_says_why() {
    let regions: Vec<OwnedRegion> =
        (0..MOST + BEYOND).map(|number| OwnedRegion::isolated(format!("limit/{number}"))).collect();
    // The same again is no further one.
    let again = OwnedRegion::isolated("limit/0");
    assert_eq!((*again, again.isolation()), (*regions[0], Isolation::Isolated));
    let mut blocks: Vec<Box<[u8; BYTES as usize]>> = Vec::with_capacity(regions.len());
    for region in &regions {
        region.scope(|| blocks.push(Box::new([1; BYTES as usize])));
    }
    let mut totals = vec![RegionTotals::default(); region_count()];
    read_totals(&mut totals);
    for (number, (region, block)) in regions.iter().zip(&blocks).enumerate() {
        let expected = if number < MOST { Isolation::Isolated } else { Isolation::TooMany };
        assert_eq!(region.isolation(), expected, "region {number}");
        assert_eq!(page_word(block.as_ptr().addr()).is_isolated(), number < MOST, "region {number}");
        let held = &totals[region.index()];
        assert_eq!((held.blocks().live(), held.requested_bytes.live()), (1, BYTES), "region {number}");
    }
    drop(blocks);
    read_totals(&mut totals);
    assert!(regions.iter().all(|region| totals[region.index()].blocks().live() == 0));
}
