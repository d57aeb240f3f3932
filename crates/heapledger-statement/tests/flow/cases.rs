//! Flows whose truth can be told in a sentence.

use heapledger_statement::{Figure, Flow, FlowReadings, Held, Holder, PageFlow, PageOwner, RegionName, Went};

use crate::{PAGE, block, name, readings, slab, slot};

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
