//! The page flow against a naive oracle that knows for every unit of every page whose it was and whose it is.

use std::collections::BTreeMap;

use heapledger_statement::{
    Figure, Flow, FlowCounters, FlowReadings, Held, Holder, PageFlow, PageOwner, RegionName, Share, Stretch, Stretches,
    Went,
};
use proptest::prelude::*;

const PAGE: u64 = 4096;
const UNITS: usize = 16;
const UNIT: u64 = PAGE / UNITS as u64;

/// What a unit of a page is for.
#[derive(Copy, Clone, Debug, Eq, PartialEq, PartialOrd, Ord)]
enum Label {
    Block(u32),
    Dirty(u32),
    Absent,
}

const LABELS: [Label; 6] =
    [Label::Block(0), Label::Block(1), Label::Block(2), Label::Dirty(0), Label::Dirty(1), Label::Absent];

fn name(region: u32) -> RegionName {
    RegionName::new(["a", "b", "c"][region as usize], 0)
}

fn readings() -> FlowReadings {
    let names = || (0..3).map(|region| Some(name(region))).collect();
    FlowReadings {
        before: names(),
        after: names(),
        given_back_bytes: Some(0),
        faulted_bytes: Some(0),
        // All that is allocated lives.
        counters: (0..3)
            .map(|region| FlowCounters {
                region: name(region),
                live_after: Figure::Exact(i64::MAX),
                between: Some(Flow::new(0, 0)),
            })
            .collect(),
    }
}

/// The pages as stretches: single labels side by side in one, if `joined`.
fn map(pages: &[[Label; UNITS]], joined: bool) -> Vec<Stretch> {
    let mut map: Vec<Stretch> = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        let mut units: BTreeMap<Label, u64> = BTreeMap::new();
        page.iter()
            .filter(|label| **label != Label::Absent)
            .for_each(|label| *units.entry(*label).or_default() += UNIT);
        if units.is_empty() {
            continue;
        }
        let shares: Vec<Share> = units
            .iter()
            .map(|(label, bytes)| {
                let holder = match label {
                    Label::Block(region) => Holder::Block { owner: PageOwner::Region(*region), forced: false },
                    Label::Dirty(region) => Holder::Dirty(PageOwner::Region(*region)),
                    Label::Absent => unreachable!("they are left out"),
                };
                Share { holder, bytes: *bytes }
            })
            .collect();
        let start = number as u64 * PAGE;
        if let (true, Some(last), [share]) = (joined, map.last_mut(), &shares[..])
            && last.end == start
            && last.shares.len() == 1
            && last.shares[0].holder == share.holder
        {
            last.end += PAGE;
            last.shares[0].bytes += share.bytes;
            continue;
        }
        map.push(Stretch { start, end: start + PAGE, alike: 0, shares });
    }
    map
}

/// A map that leaves out the shares of pages with several, and tells how they are written.
struct Written {
    stretches: Vec<Stretch>,
    written: Vec<Vec<u8>>,
    at: usize,
}

impl Written {
    fn of(stretches: Vec<Stretch>) -> Self {
        let written = stretches.iter().map(|stretch| stretch.shares.iter().flat_map(Self::write).collect()).collect();
        Self { stretches, written, at: 0 }
    }

    fn write(share: &Share) -> [u8; 3] {
        let (kind, region) = match share.holder {
            Holder::Block { owner: PageOwner::Region(region), .. } => (0, region),
            Holder::Dirty(PageOwner::Region(region)) => (1, region),
            _ => unreachable!("there are no others"),
        };
        [kind, region as u8, (share.bytes / UNIT) as u8]
    }
}

impl Stretches for Written {
    type Counts = ();

    fn next_into(&mut self, stretch: &mut Stretch) -> bool {
        let Some(next) = self.stretches.get(self.at) else { return false };
        self.at += 1;
        *stretch = next.clone();
        if next.shares.len() > 1 {
            stretch.alike = self.at as u64;
            stretch.shares.clear();
        }
        true
    }

    fn fill(&self, alike: u64, shares: &mut Vec<Share>) {
        shares.extend(self.shares_of(self.written(alike)));
    }

    fn written(&self, alike: u64) -> &[u8] {
        &self.written[alike as usize - 1]
    }

    fn shares_of(&self, written: &[u8]) -> impl Iterator<Item = Share> {
        written.as_chunks::<3>().0.iter().map(|[kind, region, units]| {
            let owner = PageOwner::Region(u32::from(*region));
            let holder = if *kind == 0 { Holder::Block { owner, forced: false } } else { Holder::Dirty(owner) };
            Share { holder, bytes: u64::from(*units) * UNIT }
        })
    }
}

/// A page is wholly there or not at all; else its units are for anything.
fn page(absent: bool) -> impl Strategy<Value = [Label; UNITS]> {
    let labels = if absent { LABELS.len() } else { LABELS.len() - 1 };
    prop_oneof![
        2 => (0..labels).prop_map(|label| [LABELS[label]; UNITS]),
        3 => prop::array::uniform16(0..LABELS.len() - 1).prop_map(|units| units.map(|label| LABELS[label])),
    ]
}

/// Two moments of a page, between which no label both leaves and enters it: what comes and goes within one page at once
/// is net in the flow, and is not a truth that it claims to tell.
fn history() -> impl Strategy<Value = Vec<([Label; UNITS], [Label; UNITS])>> {
    let step = (page(true), page(true), prop::array::uniform16(any::<bool>())).prop_map(|(before, wanted, moves)| {
        let whole = |page: &[Label; UNITS]| page.contains(&Label::Absent);
        if whole(&before) || whole(&wanted) {
            return (before, wanted);
        }
        let mut after = before;
        for unit in (0..UNITS).filter(|unit| moves[*unit]) {
            after[unit] = wanted[unit];
            let both = LABELS.iter().any(|label| {
                let leaves = (0..UNITS).any(|unit| before[unit] == *label && after[unit] != *label);
                let enters = (0..UNITS).any(|unit| before[unit] != *label && after[unit] == *label);
                leaves && enters
            });
            if both {
                after[unit] = before[unit];
            }
        }
        (before, after)
    });
    prop::collection::vec(step, 1..12)
}

fn flow(pages: &[([Label; UNITS], [Label; UNITS])], joined: bool) -> PageFlow {
    let (before, after): (Vec<_>, Vec<_>) = pages.iter().copied().unzip();
    let (before, after) = (map(&before, joined), map(&after, joined));
    PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings())
}

/// The row and the cell that a unit counts in.
fn places(before: Label, after: Label) -> (RegionName, Held, Went) {
    let (region, held) = match before {
        Label::Block(region) => (name(region), Held::InUse),
        Label::Dirty(region) => (name(region), Held::Freed),
        Label::Absent => (RegionName::NOBODY, Held::Absent),
    };
    let went = match after {
        Label::Block(other) if held != Held::Absent && region == name(other) => Went::Own,
        Label::Block(other) => Went::Region(name(other)),
        Label::Dirty(_) => Went::Dirty,
        Label::Absent => Went::Returned,
    };
    (region, held, went)
}

proptest! {
    #[test]
    fn every_cell_admits_the_truth_and_every_row_sums(pages in history()) {
        let flow = flow(&pages, false);
        let mut truth: BTreeMap<(RegionName, Held, Went), i64> = BTreeMap::new();
        for (before, after) in &pages {
            for (before, after) in before.iter().zip(after) {
                if (*before, *after) != (Label::Absent, Label::Absent) {
                    *truth.entry(places(*before, *after)).or_default() += UNIT as i64;
                }
            }
        }
        for ((region, held, went), bytes) in &truth {
            let row = flow.row(&region.name, *held).expect("the row is there");
            prop_assert!(row.went(went).admits(*bytes), "{region:?} {held:?} {went:?} {bytes}: {row:#?}");
        }
        for row in flow.rows() {
            let of_row = truth.iter().filter(|(key, _)| key.0 == row.region && key.1 == row.held);
            let had: i64 = of_row.map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(row.bytes.clone(), Figure::Exact(had));
            let sum: Figure = row.cells.iter().map(|cell| cell.bytes.clone()).sum();
            prop_assert!(sum.admits(had), "{row:#?}");
            for cell in &row.cells {
                let least = truth.get(&(row.region.clone(), row.held, cell.went.clone())).copied().unwrap_or_default();
                prop_assert!(cell.bytes.admits(least), "{cell:?}, in truth {least}");
                // Where nothing was given back, what is in another region was never out of memory.
                let of_others = matches!(cell.went, Went::Region(_)) && row.held != Held::Absent;
                let reused = of_others || cell.went == Went::Own && row.held == Held::Freed;
                prop_assert_eq!(&cell.reused, if reused { &cell.bytes } else { &Figure::Exact(0) });
            }
        }
    }

    #[test]
    fn how_a_map_is_cut_into_stretches_does_not_matter(pages in history()) {
        prop_assert_eq!(flow(&pages, false), flow(&pages, true));
    }

    #[test]
    fn what_is_left_out_and_written_comes_to_the_same(
        pages in history(),
        times in 1_usize..4,
        renamed in any::<bool>(),
    ) {
        // The same pages again and again, at other addresses.
        let pages = pages.repeat(times);
        let (before, after): (Vec<_>, Vec<_>) = pages.iter().copied().unzip();
        let (before, after) = (map(&before, false), map(&after, false));
        let mut readings = readings();
        if renamed {
            readings.after[1] = Some(RegionName::new("b", 1));
        }
        let (mut one, mut other) = (before.clone().into_iter(), after.clone().into_iter());
        let plain = PageFlow::between(&mut one, &mut other, &readings);
        let written = PageFlow::between(&mut Written::of(before), &mut Written::of(after), &readings);
        prop_assert_eq!(plain, written);
    }

    #[test]
    fn reuse_lies_between_what_cannot_have_gone_and_all_of_it(
        pages in history(),
        given in 0_u64..40_000,
        faulted in 0_u64..40_000,
    ) {
        let (before, after): (Vec<_>, Vec<_>) = pages.iter().copied().unzip();
        let readings = FlowReadings { given_back_bytes: Some(given), faulted_bytes: Some(faulted), ..readings() };
        let all = flow(&pages, true);
        let (before, after) = (map(&before, true), map(&after, true));
        let some = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings);
        let gone = given.min(faulted) as i64;
        for (all, some) in all.rows().iter().zip(some.rows()) {
            for (all, some) in all.cells.iter().zip(&some.cells) {
                prop_assert_eq!(&all.bytes, &some.bytes);
                prop_assert_eq!(some.reused.high(), all.reused.high());
                prop_assert_eq!(some.reused.low(), all.reused.low().map(|bytes| (bytes - gone).max(0)));
            }
        }
    }
}

fn slab(start: u64, pages: u64, shares: &[(Holder, u64)]) -> Stretch {
    let shares = shares.iter().map(|(holder, bytes)| Share { holder: *holder, bytes: *bytes }).collect();
    Stretch { start: start * PAGE, end: (start + pages) * PAGE, alike: 0, shares }
}

fn block(region: u32) -> Holder {
    Holder::Block { owner: PageOwner::Region(region), forced: false }
}

fn slot(last: u32, keeper: u32) -> Holder {
    Holder::Slot { last: PageOwner::Region(last), keeper: PageOwner::Region(keeper) }
}

#[test]
fn free_slots_are_told_with_who_pins_the_slab() {
    // c1 in small: 63 of 64 slots are a's, one is b's; a goes.
    let before = vec![slab(0, 1, &[(block(0), 4032), (block(1), 64)])];
    let after = vec![slab(0, 1, &[(block(1), 64), (slot(0, 1), 4032)])];
    let flow = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings());
    let row = flow.row("a", Held::InUse).expect("a had something");
    assert_eq!(row.went(&Went::FreeSlots(name(1))), Figure::Exact(4032));
    assert_eq!(row.cells.len(), 1);
    assert_eq!(flow.row("b", Held::InUse).map(|row| row.went(&Went::Own)), Some(Figure::Exact(64)));
}

#[test]
fn slabs_of_either_map_that_overlap_are_taken_together() {
    // Three pages of a; then one slab of b over all of them, of which a part is used.
    let before = vec![slab(0, 1, &[(block(0), PAGE)]), slab(1, 2, &[(block(0), 5000), (slot(0, 0), 3192)])];
    let after = vec![slab(0, 3, &[(block(1), 9000), (slot(0, 1), 3288)])];
    let flow = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings());
    let row = flow.row("a", Held::InUse).expect("a had something");
    // 3192 bytes were free and are free; the rest of a's, and only they, went to b and to 96 more free bytes.
    assert_eq!(row.bytes, Figure::Exact(9096));
    assert_eq!(row.went(&Went::Region(name(1))), Figure::Exact(9000));
    assert_eq!(row.free_slots(), Figure::Exact(96));
}

#[test]
fn a_region_that_took_the_index_of_another_is_not_that_one() {
    let before = vec![slab(0, 4, &[(block(0), 4 * PAGE)])];
    let after = before.clone();
    let readings = FlowReadings { after: vec![Some(RegionName::new("a", 1))], ..readings() };
    let flow = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings);
    let row = flow.rows().iter().find(|row| row.held == Held::InUse).expect("a had something");
    assert_eq!(row.went(&Went::Region(RegionName::new("a", 1))), Figure::Exact(4 * PAGE as i64));
    assert_eq!(row.went(&Went::Own), Figure::Exact(0));
}

#[test]
fn what_is_allocated_and_does_not_live_is_cached() {
    let before = vec![slab(0, 1, &[(block(0), PAGE)]), slab(1, 1, &[(block(0), PAGE)])];
    let after = vec![slab(0, 1, &[(block(0), PAGE)])];
    let mut readings = readings();
    readings.counters[0].live_after = Figure::Exact(96);
    readings.counters[0].between = Some(Flow::new(500, 9000));
    let flow = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings);
    let row = flow.row("a", Held::InUse).expect("a had something");
    assert_eq!((row.went(&Went::Own), row.went(&Went::Cached)), (Figure::Exact(96), Figure::Exact(4000)));
    assert_eq!(row.went(&Went::Returned), Figure::Exact(PAGE as i64));
    assert_eq!(row.allocated_again, Figure::within(0, 500));
}

#[test]
fn what_jemalloc_gives_back_uncounted_is_bounded_by_the_faults_alone() {
    let huge = Holder::Block { owner: PageOwner::Region(1), forced: true };
    let before = vec![slab(0, 8, &[(Holder::Dirty(PageOwner::Region(0)), 8 * PAGE)])];
    let after = vec![slab(0, 8, &[(huge, 8 * PAGE)])];
    let readings = FlowReadings { given_back_bytes: Some(0), faulted_bytes: Some(3 * PAGE), ..readings() };
    let flow = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings);
    assert_eq!(flow.reused("a", "b"), Figure::within(5 * PAGE as i64, 8 * PAGE as i64));
    assert_eq!(flow.row("a", Held::Freed).map(|row| row.reused_or_returned()), Some(Figure::Exact(8 * PAGE as i64)));
}

#[cfg(feature = "serde")]
#[test]
fn a_flow_survives_the_round_trip() {
    let mut mixed = [Label::Block(0); UNITS];
    (mixed[1], mixed[2], mixed[3]) = (Label::Block(1), Label::Dirty(0), Label::Block(2));
    let mut other = [Label::Block(1); UNITS];
    (other[4], other[5]) = (Label::Dirty(1), Label::Block(0));
    let pages = [(mixed, other), (other, [Label::Absent; UNITS]), ([Label::Absent; UNITS], mixed)];
    let flow = flow(&pages, true);
    assert!(flow.rows().iter().any(|row| row.cells.iter().any(|cell| cell.bytes.as_exact().is_none())));
    let json = flow.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(PageFlow::from_json(&json).expect("our own JSON can be read"), flow);
    let newer = json.replacen("\"schema\":1", "\"schema\":2", 1);
    assert!(PageFlow::from_json(&newer).is_err_and(|error| error.to_string().contains("schema 2")));
}

#[test]
fn the_text_of_a_flow_keeps_to_eighty_columns() {
    let long = RegionName::new("a/very/long/name/of/a/region/that/does/not/fit/anywhere", 3);
    let before = vec![slab(0, 1000, &[(block(0), 1000 * PAGE)])];
    let after = vec![slab(0, 500, &[(block(1), 500 * PAGE)]), slab(500, 1, &[(block(1), 96), (slot(0, 1), 4000)])];
    let names = vec![Some(long.clone()), Some(RegionName::new(format!("{}/b", long.name), 0))];
    let readings = FlowReadings { before: names.clone(), after: names, given_back_bytes: Some(9 << 40), ..readings() };
    let text = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("returned"), "{text}");
}
