//! `adopt`: the blocks of one value go to another region, and whoever frees them credits that one.

use std::ffi::{CString, OsString};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use heapledger_alloc::{PageOwner, block_owner, page_owner};
use heapledger_core::{AdoptError, Adopted, OwnedRegion, RegionId, current};
use heapledger_tests::blocks::{Block, layout};
use heapledger_tests::books::Balance;

fn region(name: &str) -> OwnedRegion {
    OwnedRegion::new(format!("adopt/{name}"))
}

fn counts(adopted: Adopted) -> [u64; 4] {
    [adopted.blocks, adopted.requested_bytes, adopted.kept_blocks, adopted.refused_blocks]
}

#[test]
fn a_vector_of_strings_comes_with_its_strings() {
    let (parser, index) = (region("deep/parser"), region("deep/index"));
    let mut words: Vec<String> = parser.scope(|| (0..10).map(|_| String::from("seventeen letters")).collect());
    let block = words.capacity() * size_of::<String>();
    assert_eq!(counts(index.adopt(&mut words)), [11, block as u64 + 170, 0, 0]);
    assert_eq!(Balance::of(*parser).requested.live(), 0);
    let held = Balance::of(*index);
    assert_eq!((held.blocks.live(), held.requested.live()), (11, block as u64 + 170));
    assert_eq!(counts(index.adopt(&mut words)), [0, 0, 11, 0], "twice is as good as once");
    assert_eq!(Balance::of(*index), held);
    parser.scope(|| drop(words));
    assert_eq!(Balance::of(*index).blocks.live(), 0);
    assert_eq!(Balance::of(*parser).blocks.live(), 0);
    assert_eq!(current(), RegionId::UNTAGGED);
}

#[test]
fn every_kind_of_value_says_which_blocks_it_owns() {
    let (from, to) = (region("kinds/from"), region("kinds/to"));
    let before = || Balance::of(*from).blocks.live();
    let mut value = from.scope(|| {
        let boxed: Box<[Box<u64>]> = vec![Box::new(1), Box::new(2)].into_boxed_slice();
        let paths = Some((PathBuf::from("a/path"), OsString::from("os"), CString::new("c").unwrap()));
        let text: Box<str> = "text".into();
        let nothing: (Vec<u8>, String, Box<()>, Option<Vec<u8>>) = (Vec::new(), String::new(), Box::new(()), None);
        let results: [Result<String, String>; 2] = [Ok("ok".into()), Err("error".into())];
        ((boxed, paths, text), nothing, results)
    });
    // A slice and its 2 boxes, 3 paths and the like, a text, 2 results.
    assert_eq!(before(), 9);
    assert_eq!(counts(to.adopt(&mut value))[0], 9);
    assert_eq!((before(), Balance::of(*to).blocks.live()), (0, 9));
    drop(value);
    assert_eq!((before(), Balance::of(*to).blocks.live()), (0, 0));
}

/// Every class and some large blocks, beside blocks of others on the same pages.
#[test]
fn a_block_of_any_size_is_the_new_regions_and_its_neighbours_stay_whose_they_are() {
    let (from, to, other) = (region("sizes/from"), region("sizes/to"), region("sizes/other"));
    for bytes in [1, 8, 48, 100, 1024, 3000, 4096, 5120, 6144, 10_240, 14_336, 16_384, 100_000, 1 << 20] {
        let blocks: Vec<Block> = RegionId::UNTAGGED.scope(|| {
            let mut blocks = Vec::with_capacity(60);
            for number in 0..60 {
                let region = if number % 3 == 0 { &other } else { &from };
                blocks.push(region.scope(|| Block::new(bytes)));
            }
            blocks
        });
        let owner = |block: &Block| block_owner(block.pointer(), block.layout());
        for block in blocks.iter().skip(1).step_by(3) {
            // SAFETY: the block is live with this layout, and this thread's.
            unsafe { to.adopt_raw(block.pointer(), block.layout()) }.unwrap();
        }
        for (number, block) in blocks.iter().enumerate() {
            let expected = [&other, &to, &from][number % 3];
            assert_eq!(owner(block), expected.index(), "block {number} of {bytes} bytes");
        }
        let live = [&from, &to, &other].map(|region| Balance::of(**region).blocks.live());
        assert_eq!(live, [20; 3], "{bytes} bytes");
        // Whole pages of the block remember the new region.
        let adopted = &blocks[1];
        let (first, end) = (adopted.address().div_ceil(4096) * 4096, adopted.address() + bytes);
        let whole: Vec<usize> = (first..end).step_by(4096).filter(|page| page + 4096 <= end).collect();
        drop(blocks);
        for page in whole.iter().filter(|_| bytes > 4096) {
            assert_eq!(page_owner(*page), PageOwner::Region(to.index()), "{bytes} bytes");
        }
        let live = [&from, &to, &other].map(|region| Balance::of(**region).blocks.live());
        assert_eq!(live, [0; 3], "{bytes} bytes");
    }
}

#[test]
fn what_a_reallocated_value_holds_stays_with_its_new_region() {
    let (from, to) = (region("grown/from"), region("grown/to"));
    let mut bytes = from.scope(|| vec![1_u8; 100]);
    to.adopt(&mut bytes);
    from.scope(|| bytes.resize(100_000, 2));
    assert_eq!(Balance::of(*to).requested.live(), bytes.capacity() as u64);
    assert_eq!(Balance::of(*from).requested.live(), 0);
    drop(bytes);
    assert_eq!(Balance::of(*to).requested.live(), 0);
}

#[test]
fn a_block_that_no_ledger_charged_is_refused_by_name() {
    let to = region("refused/to");
    let mut on_the_stack = [0_u64; 8];
    // SAFETY: the block is nobody's on the heap, which is what is tested; nothing is done to it.
    let refused = unsafe { to.adopt_raw((&raw mut on_the_stack).cast(), layout(64, 8)) };
    assert_eq!(refused, Err(AdoptError::NotCharged));
    assert_eq!(Balance::of(*to), Balance::default());
}

/// Boxes go from region to region on several threads, while others free what they are sent.
#[test]
fn balances_are_exact_while_many_threads_adopt_and_free() {
    const THREADS: usize = 8;
    const VALUES: usize = 4000;
    let regions: Vec<OwnedRegion> = (0..3).map(|number| region(&format!("busy/{number}"))).collect();
    let (send, receive) = sync_channel::<Vec<String>>(64);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (regions, send, receive) = (&regions, send.clone(), &receive);
            scope.spawn(move || {
                for step in 0..VALUES {
                    let at = |offset: usize| &regions[(number + step + offset) % 3];
                    let mut value = at(0).scope(|| vec!["x".repeat(8 << (step % 9)); 2]);
                    at(1).adopt(&mut value);
                    at(step % 3).adopt(&mut value[0]);
                    if send.try_send(value).is_err()
                        && let Ok(mut other) = receive.lock().unwrap().try_recv()
                    {
                        at(2).adopt(&mut other);
                    }
                }
            });
        }
    });
    drop((send, receive));
    for region in &regions {
        let balance = Balance::of(**region);
        assert_eq!((balance.blocks.live(), balance.requested.live(), balance.usable.live()), (0, 0, 0));
        assert!(balance.blocks.allocated > 0);
    }
}
