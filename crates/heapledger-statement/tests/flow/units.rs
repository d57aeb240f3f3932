//! Pages of which it is known what every unit is for, and their histories.

use std::collections::BTreeMap;

use heapledger_statement::{Holder, PageFlow, PageOwner, Share, Stretch};
use proptest::prelude::*;

use crate::{PAGE, readings};

pub const UNITS: usize = 16;
pub const UNIT: u64 = PAGE / UNITS as u64;

/// What a unit of a page is for.
#[derive(Copy, Clone, Debug, Eq, PartialEq, PartialOrd, Ord)]
pub enum Label {
    Block(u32),
    Dirty(u32),
    Absent,
}

pub const LABELS: [Label; 6] =
    [Label::Block(0), Label::Block(1), Label::Block(2), Label::Dirty(0), Label::Dirty(1), Label::Absent];

/// The pages as stretches: single labels side by side in one, if `joined`.
pub fn map(pages: &[[Label; UNITS]], joined: bool) -> Vec<Stretch> {
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
pub fn history() -> impl Strategy<Value = Vec<([Label; UNITS], [Label; UNITS])>> {
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

pub fn flow(pages: &[([Label; UNITS], [Label; UNITS])], joined: bool) -> PageFlow {
    let (before, after): (Vec<_>, Vec<_>) = pages.iter().copied().unzip();
    let (before, after) = (map(&before, joined), map(&after, joined));
    PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings())
}
