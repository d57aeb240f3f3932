//! What is refused: null to the caller, and nothing counted.

use heapledger_core::OwnedRegion;
use heapledger_tests::blocks::{Block, layout};
use heapledger_tests::books::Balance;

/// More than any address space has, and still a valid layout.
const IMPOSSIBLE: usize = isize::MAX as usize - 4096;

#[test]
fn an_allocation_that_fails_returns_null_and_counts_nothing() {
    let region = OwnedRegion::new("failures/allocations");
    region.scope(|| {
        for align in [1, 16, 4096, 2 << 20] {
            assert!(Block::try_new(layout(IMPOSSIBLE - align, align)).is_none());
            assert!(Block::try_zeroed(layout(IMPOSSIBLE - align, align)).is_none());
        }
        let mut vector: Vec<u8> = Vec::new();
        assert!(vector.try_reserve_exact(IMPOSSIBLE).is_err());
    });
    assert_eq!(Balance::of(*region), Balance::default());
}

#[test]
fn a_resize_that_fails_changes_neither_the_block_nor_the_books() {
    let region = OwnedRegion::new("failures/resizes");
    for (size, class) in [(100, 112), (4096, 4096), (14_336, 14_336), (1 << 20, 1 << 20)] {
        let before = Balance::of(*region);
        let mut block = region.scope(|| Block::new(size));
        block.fill(7);
        let address = block.address();
        assert!(!block.try_resize(IMPOSSIBLE));
        assert_eq!(block.address(), address);
        assert!(block.is_filled_with(7));
        assert_eq!(Balance::of(*region), before.and(Balance::held(1, size as u64, class)));
        drop(block);
        assert_eq!(Balance::of(*region), before.and(Balance::passed(1, size as u64, class)));
    }
}
