//! Slabs of several regions that are counted together, against the same slabs one by one.

use heapledger_probe::attribute::Classes;
use heapledger_probe::attribute::pagemap::MapWriter;

use super::*;

const PAGE_BYTES: usize = 4096;
/// Two classes of slabs of one page; of the second something lies behind the slots.
const CLASSES: [(usize, usize); 2] = [(3, 64), (5, 96)];

/// Each slot's last owner, and whether it is allocated.
type Slab = Vec<(usize, bool)>;

fn random(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 33) as usize % below
}

fn write(slabs: &[Slab]) -> Vec<u8> {
    let mut bytes = vec![0; 200 * slabs.len()];
    let mut map = MapWriter::new(&mut bytes);
    for (number, slab) in slabs.iter().enumerate() {
        let (class, _) = CLASSES[number % 2];
        let start = number * PAGE_BYTES;
        let owner = |owner: usize| Owner::of(owner.checked_sub(1));
        let count = |of: usize, allocated| slab.iter().filter(|slot| **slot == (of, allocated)).count() as u64;
        let of = |allocated| (0..10).map(move |of| (owner(of), count(of, allocated))).filter(|(_, slots)| *slots > 0);
        match slab.iter().all(|(owner, _)| *owner == slab[0].0) {
            true => map.slab(start, PAGE_BYTES, class, owner(slab[0].0), count(slab[0].0, false)),
            false => map.mixed((start, PAGE_BYTES), class, of(true), of(false)),
        }
    }
    let len = map.finish().expect("it fits");
    bytes.truncate(len);
    bytes
}

/// What happened to a slab: nothing, some blocks were freed, or anything.
fn change(slab: &mut Slab, state: &mut u64) {
    let what = random(state, 3);
    for slot in slab {
        match what {
            1 if random(state, 3) == 0 => slot.1 = false,
            2 if random(state, 3) == 0 => *slot = (random(state, 7), random(state, 2) == 0),
            _ => {}
        }
    }
}

#[test]
fn slabs_that_are_counted_together_say_what_they_say_one_by_one() {
    let mut classes = Classes::unknown(PAGE_BYTES);
    for (class, slot_bytes) in CLASSES {
        classes.slot_bytes[class] = slot_bytes as u32;
        classes.slots[class] = (PAGE_BYTES / slot_bytes) as u32;
        classes.slab_bytes[class] = PAGE_BYTES as u32;
    }
    let named = |generation| move |name: &str| Some(RegionName::new(name.to_owned(), generation));
    let before: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(named(1)).collect();
    // The last one has another region's index, and a further one came.
    let after = before[..4].iter().cloned().chain(["e", "f"].into_iter().map(named(2))).collect();
    let readings = FlowReadings { before, after, ..FlowReadings::default() };
    let mut state = 1;
    for owners in [2, 3, 5, 6] {
        let mut slabs: Vec<Slab> = (0..400)
            .map(|number| {
                let slots = PAGE_BYTES / CLASSES[number % 2].1;
                (0..slots).map(|_| (random(&mut state, owners), random(&mut state, 3) > 0)).collect()
            })
            .collect();
        let first = write(&slabs);
        slabs.iter_mut().for_each(|slab| change(slab, &mut state));
        let second = write(&slabs);
        let pieces = |map| Pieces::new(map, &classes);
        let one_by_one = |map| {
            let (mut pieces, mut piece) = (pieces(map), Piece::default());
            std::iter::from_fn(move || {
                pieces.next_into(&mut piece).then(|| Stretch {
                    start: piece.start as u64,
                    end: piece.end as u64,
                    alike: 0,
                    shares: piece.shares.iter().copied().map(share).collect(),
                })
            })
        };
        let together = PageFlow::between(&mut Map::of(pieces(&first)), &mut Map::of(pieces(&second)), &readings);
        let wanted = PageFlow::between(&mut one_by_one(&first), &mut one_by_one(&second), &readings);
        assert!(wanted.rows().len() > owners, "{owners} owners");
        assert_eq!(together, wanted, "{owners} owners");
    }
}
