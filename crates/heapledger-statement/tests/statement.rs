//! The arithmetic of a statement: the sum that must hold for all readings, and the lines that each reading moves.

mod fixtures;

use fixtures::pages::{self, exactly};
use heapledger_statement::lines::{LINES, Role};
use heapledger_statement::{
    Check, CheckId, Depth, Figure, Flow, FullReadings, HeapReading, LineId, Part, Reading, Readings,
    RegionPagesReading, Resident, RollupReading, SlotsReading, Statement, WalkReading, Why,
};

fn server() -> Statement {
    let (readings, full) = pages::model_server();
    Statement::from_readings(readings, full)
}

fn changed(change: impl FnOnce(&mut Readings, &mut FullReadings)) -> Statement {
    let (mut readings, mut full) = pages::model_server();
    change(&mut readings, &mut full);
    Statement::from_readings(readings, full)
}

fn walk_of(full: &mut FullReadings) -> &mut WalkReading {
    full.walk.as_mut().expect("the fixture has a walk")
}

fn heap_of(full: &mut FullReadings) -> &mut HeapReading {
    walk_of(full).heap.as_mut().expect("the fixture has a heap")
}

fn sum(statement: &Statement) -> Figure {
    let lines = statement.lines().iter().filter(|line| line.id.line().role == Role::Summand);
    lines.map(|line| line.figure.clone()).sum::<Figure>() + statement.figure(LineId::Unexplained)
}

fn exact(statement: &Statement, id: LineId) -> i64 {
    statement.figure(id).as_exact().unwrap_or_else(|| panic!("{} is {}", id.key(), statement.figure(id)))
}

#[test]
fn every_line_of_the_table_is_stated() {
    let stated: Vec<LineId> = server().lines().iter().map(|line| line.id).collect();
    let table: Vec<LineId> = LINES.iter().map(|line| line.id).collect();
    assert_eq!(stated, table);
    assert!(LINES.iter().any(|line| line.depth == Depth::Full));
}

#[test]
fn the_lines_and_unexplained_embrace_rss() {
    for (readings, full) in [pages::model_server(), pages::unadmitted()] {
        let statement = Statement::from_readings(readings, full);
        let rss = exact(&statement, LineId::Rss);
        assert!(sum(&statement).admits(rss), "{statement}");
    }
}

#[test]
fn parts_sum_to_their_line() {
    let statement = server();
    for line in statement.lines().iter().filter(|line| !line.parts.is_empty()) {
        let parts: Figure = line.parts.iter().map(|part| part.figure.clone()).sum();
        assert_eq!(parts, line.figure, "{}", line.id.key());
    }
    let regions: Figure = statement.regions().iter().filter_map(|region| region.resident.clone()).sum();
    assert_eq!(regions, statement.figure(LineId::Live));
    assert_eq!(statement.part(LineId::Dirty, "weights"), Some(Figure::Exact(308 << 20)));
    assert_eq!(statement.part(LineId::FreeSlots, "tokenizer"), Some(Figure::Exact(91 << 20)));
    assert_eq!(statement.part(LineId::FreeSlots, Part::SHARED), Some(Figure::Exact(70_480)));
    assert_eq!(statement.part(LineId::Dirty, "no such region"), None);
}

#[test]
fn unexplained_is_signed_and_never_clamped() {
    let statement = changed(|readings, full| {
        walk_of(full).unattributed.clear();
        pages::settle(readings, full);
        for counted in [&mut readings.status.rss_anon_bytes, &mut readings.status.rss_bytes] {
            *counted.as_mut().expect("the fixture has it") -= 5 * 4096;
        }
    });
    assert_eq!(exact(&statement, LineId::Unexplained), -5 * 4096);
    assert_eq!(exact(&statement, LineId::CounterGap), -5 * 4096);
    assert!(sum(&statement).admits(exact(&statement, LineId::Rss)));
}

#[test]
fn what_passed_the_ledger_by_has_its_line_and_leaves_caches_and_regions_alone() {
    const SMALL: u64 = 100 << 20;
    const LARGE: u64 = 100 << 20;
    let before = server();
    let after = changed(|readings, full| {
        let heap = heap_of(full);
        let slots = SMALL / 1024;
        heap.unowned.small.push(SlotsReading {
            slot_bytes: 1024,
            slots,
            resident: exactly(SMALL),
            ..SlotsReading::default()
        });
        heap.unowned.large_usable_bytes += LARGE;
        heap.unowned.large.at_least_bytes += LARGE;
        heap.unowned.large.at_most_bytes += LARGE;
        pages::settle_heap(readings, heap_of(full));
        pages::settle(readings, full);
    });
    assert_eq!(exact(&after, LineId::PastAllocated), (SMALL + LARGE) as i64);
    // The fixture has 16 KiB of internal blocks and a page of slots that are not resident, which may be anybody's.
    let past = after.figure(LineId::PastLedger);
    assert!(past.admits((SMALL + LARGE) as i64), "{past}");
    assert!(past.low().is_some_and(|low| low >= (SMALL + LARGE) as i64 - 20_480), "{past}");
    // All that jemalloc says it caches and holds for itself.
    let cached = 20 * 48 + 6 * 16 + 2 * 64 + 114_688;
    assert!(after.figure(LineId::ThreadCaches).high().is_some_and(|high| high <= cached));
    assert_eq!(after.figure(LineId::Live), before.figure(LineId::Live));
}

#[test]
fn a_region_that_came_while_pages_were_read_is_nobodys() {
    let statement = changed(|_, full| {
        heap_of(full).regions.push(RegionPagesReading { dirty: exactly(4096), ..RegionPagesReading::default() })
    });
    assert_eq!(statement.part(LineId::Dirty, Part::NOBODY), Some(Figure::Exact(8192)));
}

#[test]
fn where_the_kernel_does_not_split_rss_the_gap_is_stated_in_sum() {
    let statement = changed(|readings, _| {
        for kind in [
            &mut readings.status.rss_anon_bytes,
            &mut readings.status.rss_file_bytes,
            &mut readings.status.rss_shmem_bytes,
        ] {
            *kind = Err(Why::new("no such field", "use Linux 4.5 or newer"));
        }
    });
    assert_eq!(exact(&statement, LineId::CounterGap), 3 * 4096);
    assert!(statement.part(LineId::CounterGap, "anon").is_some_and(|figure| figure.is_unknown()));
}

#[test]
fn skew_is_what_was_faulted_and_what_the_counters_changed_by() {
    let statement = changed(|readings, full| {
        full.motion.faults = Ok(3);
        full.motion.status_before.rss_anon_bytes = readings.status.rss_anon_bytes.clone().map(|bytes| bytes + 8192);
        full.motion.status_before.rss_file_bytes = readings.status.rss_file_bytes.clone().map(|bytes| bytes - 4096);
    });
    assert_eq!(statement.skew(), &Figure::Exact(3 * 4096 + 8192 + 4096));
}

/// A change to the readings, and the check that must notice.
type Mutant = (CheckId, fn(&mut Readings, &mut FullReadings));

#[test]
fn every_defect_of_a_walk_fails_a_named_check() {
    let mutants: [Mutant; 10] = [
        // A slab is skipped.
        (CheckId::Allocated, |readings, full| {
            heap_of(full).regions[5].large_usable_bytes -= 1 << 20;
            heap_of(full).regions[5].large = exactly(599 << 20);
            pages::settle(readings, full);
        }),
        (CheckId::ExtentStates, |_, full| heap_of(full).states_off_bytes = 4096),
        // A slab is taken for a large block.
        (CheckId::SlabClasses, |_, full| heap_of(full).slabs_off_bytes = 48),
        (CheckId::BaseBlocks, |_, full| heap_of(full).base_bytes -= 2 << 20),
        // A range is skipped.
        (CheckId::KernelAnon, |_, full| {
            walk_of(full).anon = exactly(walk_of(full).anon.at_most_bytes - (5 << 20));
            walk_of(full).unattributed.pop();
        }),
        (CheckId::KernelFile, |_, full| {
            walk_of(full).file = exactly(4096);
            walk_of(full).places.retain(|(place, _)| *place != LineId::FilePages);
        }),
        // A page is put on two lines.
        (CheckId::PagesSum, |_, full| walk_of(full).own_tables = exactly(2_543_616 + 4096)),
        // The tags of a region are shifted.
        (CheckId::LiveHasPages, |_, full| heap_of(full).regions.swap(3, 5)),
        (CheckId::Slabs, |_, full| heap_of(full).free_slots = exactly(0)),
        (CheckId::LastOwners, |_, full| heap_of(full).regions[3].dirty = exactly(0)),
    ];
    let failed = |statement: &Statement| -> Vec<CheckId> {
        statement.checks().iter().filter(|check| check.holds() == Some(false)).map(|check| check.id).collect()
    };
    assert_eq!(failed(&server()), []);
    for (expected, mutate) in mutants {
        let statement = changed(mutate);
        let failed = failed(&statement);
        assert!(failed.contains(&expected), "{expected:?}: {failed:?}");
        assert!(
            statement.doubts().iter().any(|doubt| doubt.key == "check_failed" && doubt.says.contains(expected.key()))
        );
    }
}

#[test]
fn a_heap_that_contradicts_jemallocs_statistics_is_not_believed_and_the_sum_stands() {
    let before = server();
    let statement = changed(|_, full| heap_of(full).states_off_bytes = 4096);
    assert!(statement.figure(LineId::FreeSlots).low() == Some(0) && before.figure(LineId::FreeSlots).low() > Some(0));
    assert!(
        statement.doubts().iter().any(|doubt| doubt.key == "heap_unwalked" && doubt.says.contains("extent_states"))
    );
    assert!(sum(&statement).admits(exact(&statement, LineId::Rss)), "{statement}");
    assert_eq!(exact(&statement, LineId::CounterGap), exact(&before, LineId::CounterGap));
    assert_eq!(exact(&statement, LineId::FilePages), exact(&before, LineId::FilePages));
}

#[test]
fn what_jemalloc_does_not_count_is_unknown_and_contradicts_nothing() {
    let statement = changed(|_, full| {
        heap_of(full).states_off_bytes = 4096;
        heap_of(full).uncounted = Some(Why::new("a key is not answered", "link another jemalloc"));
    });
    for id in [CheckId::ExtentStates, CheckId::SlabClasses] {
        let check = statement.checks().iter().find(|check| check.id == id).expect("it is there");
        assert_eq!((check.holds(), check.difference.is_unknown()), (None, true), "{id:?}");
    }
    assert!(statement.doubts().iter().all(|doubt| doubt.key != "heap_unwalked"), "{statement}");
}

#[test]
fn with_traffic_sources_of_other_moments_are_not_judged() {
    let statement = changed(|readings, full| {
        readings.traffic_bytes = Some(Flow::new(64, 0));
        heap_of(full).states_off_bytes = 4096;
    });
    let check = statement.checks().iter().find(|check| check.id == CheckId::ExtentStates).expect("it is there");
    assert_eq!(check.holds(), None);
    assert!(!statement.doubts().iter().any(|doubt| doubt.key == "check_failed"));
}

/// Adds a page, or bytes, to one reading; the kinds and the kernel's counters follow.
type Change = fn(&mut Readings, &mut FullReadings);

fn add(resident: &mut Resident, bytes: u64) {
    resident.at_least_bytes += bytes;
    resident.at_most_bytes += bytes;
}

const PAGE: u64 = 4096;

#[test]
fn a_page_more_in_one_reading_moves_that_line_and_rss_and_no_other() {
    use LineId::{
        Base, Dirty, FilePages, FreeSlots, LargePads, Live, Moved, Muzzy, OwnTables, RetainedResident, Scratch,
        SharedMemory, SlabsResident, ThreadStacks, Unattributed, Unexplained, Untouched,
    };
    let changes: [(&[LineId], Change); 14] = [
        (&[OwnTables], |_, full| add(&mut walk_of(full).own_tables, PAGE)),
        (&[Scratch], |_, full| add(&mut walk_of(full).scratch, PAGE)),
        (&[Moved], |_, full| add(&mut walk_of(full).moved, PAGE)),
        (&[Unexplained, Unattributed], |_, full| add(&mut walk_of(full).unlisted, PAGE)),
        (&[Unexplained, Unattributed], |_, full| add(&mut walk_of(full).unattributed[0].resident, PAGE)),
        (&[ThreadStacks], |_, full| walk_of(full).places.push((ThreadStacks, exactly(PAGE)))),
        (&[FilePages], |_, full| walk_of(full).places.push((FilePages, exactly(PAGE)))),
        (&[SharedMemory], |_, full| walk_of(full).places.push((SharedMemory, exactly(PAGE)))),
        (&[Base], |_, full| add(&mut heap_of(full).base, PAGE)),
        (&[LargePads], |_, full| add(&mut heap_of(full).regions[3].large_pads, PAGE)),
        (&[Live, Untouched], |_, full| add(&mut heap_of(full).regions[5].large, PAGE)),
        (&[Dirty], |_, full| add(&mut heap_of(full).regions[4].dirty, PAGE)),
        (&[Muzzy], |_, full| add(&mut heap_of(full).muzzy.mixed, PAGE)),
        (&[FreeSlots, SlabsResident], |_, full| add(&mut heap_of(full).free_slots, PAGE)),
    ];
    let before = changed(settle_all);
    for (expected, change) in changes {
        let after = changed(|readings, full| {
            change(readings, full);
            settle_all(readings, full);
        });
        let moved: Vec<LineId> = before
            .lines()
            .iter()
            .zip(after.lines())
            .filter(|(before, after)| before.figure != after.figure)
            .map(|(before, _)| before.id)
            .filter(|id| ![LineId::Rss, LineId::RssAnon, LineId::RssFile, LineId::RssShmem].contains(id))
            .collect();
        assert_eq!(moved, expected);
        assert_eq!(exact(&after, LineId::Rss) - exact(&before, LineId::Rss), PAGE as i64);
    }
    let retained = changed(|readings, full| {
        add(&mut heap_of(full).retained.mixed, PAGE);
        settle_all(readings, full);
    });
    assert_eq!(exact(&retained, RetainedResident), PAGE as i64);
    assert_eq!(exact(&retained, LineId::Retained), (512 << 20) - PAGE as i64, "what is resident is not outside RSS");
}

fn settle_all(readings: &mut Readings, full: &mut FullReadings) {
    pages::settle_heap(readings, heap_of(full));
    pages::settle(readings, full);
}

/// The fixture without anything that nobody names, so that counters, pages and page tables are all one number.
fn told_by_tables(edit: impl Fn(&mut Readings, &mut FullReadings)) -> Statement {
    changed(|readings, full| {
        pages::settle(readings, full);
        let counted = |reading: &Reading<u64>| *reading.as_ref().expect("the fixture has it");
        let (rss_bytes, anon_bytes) = (counted(&readings.status.rss_bytes), counted(&readings.status.rss_anon_bytes));
        let rollup = RollupReading { rss_bytes, anon_bytes };
        edit(readings, full);
        full.rollup = Some(Ok(rollup));
    })
}

fn notes(statement: &Statement) -> Vec<&str> {
    let keys = statement.doubts().iter().map(|doubt| &*doubt.key);
    keys.filter(|key| ["counters_drift", "pages_missed", "gap_unjudged"].contains(key)).collect()
}

fn of_check(statement: &Statement, id: CheckId) -> &Check {
    statement.checks().iter().find(|check| check.id == id).unwrap_or_else(|| panic!("{}\n{statement}", id.key()))
}

#[test]
fn page_tables_say_whether_the_counters_or_the_pages_are_wrong() {
    const DRIFT: u64 = 7 * 4096;
    let of_counters = told_by_tables(|readings, full| {
        for counted in [&mut readings.status.rss_anon_bytes, &mut readings.status.rss_bytes] {
            *counted.as_mut().expect("the fixture has it") += DRIFT;
        }
        // They drifted long ago.
        full.motion = pages::still(readings);
    });
    assert_eq!(exact(&of_counters, LineId::CounterGap), DRIFT as i64, "the line stays what it is");
    assert_eq!(notes(&of_counters), ["counters_drift"], "{of_counters}");
    assert_eq!(of_check(&of_counters, CheckId::TablesAnonCounted).difference, Figure::Exact(DRIFT as i64));
    assert_eq!(of_check(&of_counters, CheckId::TablesAnonCounted).holds(), Some(false));
    assert_eq!(of_check(&of_counters, CheckId::TablesAnonFound).holds(), Some(true));
    assert_eq!(of_check(&of_counters, CheckId::TablesMappedCounted).holds(), Some(true));

    let of_pages = told_by_tables(|readings, full| {
        walk_of(full).file.at_least_bytes -= DRIFT;
        walk_of(full).file.at_most_bytes -= DRIFT;
        full.motion = pages::still(readings);
    });
    assert_eq!(notes(&of_pages), ["pages_missed"], "{of_pages}");
    assert_eq!(of_check(&of_pages, CheckId::TablesMappedFound).difference, Figure::Exact(-(DRIFT as i64)));
    assert_eq!(of_check(&of_pages, CheckId::TablesMappedCounted).holds(), Some(true));

    let neither = told_by_tables(|readings, full| full.motion = pages::still(readings));
    assert!(notes(&neither).is_empty(), "{neither}");
}

#[test]
fn where_page_tables_cannot_be_read_the_gap_is_unjudged_and_where_nobody_asked_nothing_is_said() {
    let refused = changed(|_, full| full.rollup = Some(Err(Why::new("smaps_rollup: refused", "allow it"))));
    assert_eq!(notes(&refused), ["gap_unjudged"]);
    let doubt = refused.doubts().iter().find(|doubt| doubt.key == "gap_unjudged").expect("it is there");
    assert!(doubt.says.contains("smaps_rollup: refused") && doubt.remedy == "allow it", "{doubt:?}");
    for statement in [refused, server()] {
        assert!(statement.checks().iter().all(|check| check.id != CheckId::TablesAnonFound), "nothing was judged");
    }
}
