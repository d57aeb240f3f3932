//! What holds of the flow of any history.

use std::collections::BTreeMap;

use heapledger_statement::{Figure, FlowReadings, Held, PageFlow, RegionName, Went};
use proptest::prelude::*;

use crate::units::{Label, UNIT, flow, history, map};
use crate::written::Written;
use crate::{name, readings};

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
