//! Findings, verdicts and fragmentation from saved readings: what is told, what is silent, and that it sums.

mod fixtures;

use fixtures::pages;
use heapledger_statement::{
    ArenaDecayReading, ClassPagesReading, Figure, FindingId, FullReadings, GlibcReading, LineId, PinsReading, Readings,
    Resident, SettingId, SettingValue, SlotsReading, Statement, Verdict, Why,
};

const MIB: i64 = 1 << 20;

fn statement((readings, full): (Readings, FullReadings)) -> Statement {
    Statement::from_readings(readings, full)
}

fn set(readings: &mut Readings, id: SettingId, value: SettingValue) {
    readings.settings.retain(|(of, _)| *of != id);
    readings.settings.push((id, value));
}

fn ids(statement: &Statement) -> Vec<FindingId> {
    statement.findings().iter().map(|finding| finding.id).collect()
}

#[test]
fn an_idle_process_with_dirty_pages_is_told_of_background_threads() {
    let statement = statement(pages::model_server());
    let findings = statement.findings();
    let finding = findings.iter().find(|finding| finding.id == FindingId::BackgroundThreadsOff).expect("it is told");
    assert_eq!(finding.remedy, "heapledger::configure().background_threads(true)");
    let dirty = statement.figure(LineId::Dirty).as_exact().expect("the fixture is exact");
    assert!(finding.gain.admits(dirty));
    let (low, high) = finding.gain.ends().expect("it is known");
    assert!(high - low <= MIB, "{low} {high}");
    assert_eq!(finding.proof, [(LineId::Dirty, statement.figure(LineId::Dirty))]);
    let text = finding.to_string();
    assert!(text.contains("do:    heapledger::configure()") && text.contains("price: ") && text.contains("check: "));
}

#[test]
fn with_background_threads_nothing_is_to_be_done_about_it() {
    let (mut readings, full) = pages::model_server();
    set(&mut readings, SettingId::BackgroundThread, SettingValue::Flag(true));
    assert!(!ids(&statement((readings, full))).contains(&FindingId::BackgroundThreadsOff));
}

#[test]
fn a_decay_time_of_never_is_told_with_the_setting_that_ends_it() {
    let (readings, mut full) = pages::model_server();
    full.clock.decays = Ok(vec![ArenaDecayReading { arena: 0, dirty_decay_ms: -1, muzzy_decay_ms: 0 }]);
    let findings = statement((readings, full)).findings();
    let finding = findings.iter().find(|finding| finding.id == FindingId::DecayNever).expect("it is told");
    assert!(finding.remedy.contains("dirty_decay_ms(10_000)?"));
}

#[test]
fn dirty_pages_of_the_oversize_arena_are_told() {
    let (mut readings, mut full) = pages::model_server();
    set(&mut readings, SettingId::BackgroundThread, SettingValue::Flag(true));
    assert!(!ids(&statement((readings.clone(), full.clone()))).contains(&FindingId::OversizeArena));
    full.clock.oversize_arena = Some(0);
    assert!(ids(&statement((readings, full))).contains(&FindingId::OversizeArena));
}

/// 64 MiB of slabs of 64-byte slots, in each of which one block of `tokenizer` lives.
fn pinned(slots_per_slab: u64) -> (Readings, FullReadings) {
    let (readings, mut full) = pages::model_server();
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    let free = Resident::exactly(16_384 * (4096 - 64 * slots_per_slab));
    let pins = PinsReading { slabs: 16_384, shared_slabs: 0, slots: 16_384 * slots_per_slab, free };
    let class = ClassPagesReading {
        slot_bytes: 64,
        slab_bytes: 4096,
        slabs: 16_384,
        allocated_slots: 16_384 * slots_per_slab,
        free_slots: 16_384 * (64 - slots_per_slab),
        free,
    };
    heap.classes.push(class);
    heap.regions[4].small.push(SlotsReading { slot_bytes: 64, pins, ..SlotsReading::default() });
    (readings, full)
}

#[test]
fn a_region_that_is_isolated_is_not_told_to_isolate() {
    let (mut readings, full) = pinned(1);
    readings.regions[4].isolated = true;
    let isolated = statement((readings, full));
    assert_eq!(isolated.fragmentation().expect("it was walked").pinned_by("tokenizer"), Figure::Exact(63 * MIB));
    assert!(!ids(&isolated).contains(&FindingId::SlabsPinned));
}

#[test]
fn a_region_that_shares_its_arena_or_has_none_is_doubted() {
    let doubts = |edit: &dyn Fn(&mut Readings, &mut PinsReading)| {
        let (mut readings, mut full) = pinned(1);
        let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
        edit(&mut readings, &mut heap.regions[4].small.last_mut().expect("it pins").pins);
        let statement = statement((readings, full));
        let doubts = statement.doubts().iter().filter(|doubt| doubt.key.contains("isolated"));
        doubts.map(|doubt| format!("{}: {}; {}", doubt.key, doubt.says, doubt.remedy)).collect::<Vec<_>>()
    };
    assert_eq!(doubts(&|readings, _| readings.regions[4].isolated = true), [""; 0], "it is alone");
    let beside = doubts(&|readings, pins| {
        readings.regions[4].isolated = true;
        pins.shared_slabs = 3;
    });
    assert_eq!(beside.len(), 1);
    assert!(beside[0].starts_with("isolated_beside_others: tokenizer is isolated, and 3 slabs hold"), "{beside:?}");
    assert_eq!(doubts(&|_, pins| pins.shared_slabs = 3), [""; 0], "others' slabs are not promised to be alone");
    let without = doubts(&|readings, _| {
        for region in [3, 4] {
            readings.regions[region].not_isolated = Some(Why::new("there are 256 already", "drop some"));
        }
    });
    assert_eq!(
        without,
        ["not_isolated: weights has no arena of its own, nor 1 more: there are 256 already; drop some"]
    );
}

#[test]
fn who_forbids_huge_pages_is_not_told_to() {
    let (mut readings, mut full) = pages::model_server();
    let walk = full.walk.as_mut().expect("it was walked");
    walk.heap.as_mut().expect("it was admitted").retained.resident = Resident::exactly(200 << 20);
    let told = |readings: &Readings| {
        ids(&statement((readings.clone(), full.clone()))).contains(&FindingId::HugePagesKeepRetained)
    };
    assert!(told(&readings));
    set(&mut readings, SettingId::Thp, SettingValue::Text("never".into()));
    assert!(!told(&readings));
}

#[test]
fn slabs_that_few_blocks_keep_are_told_and_full_ones_are_not() {
    // The fixture's other figures do not fit these, so only the fragmentation is looked at.
    let few = statement(pinned(1));
    let fragmentation = few.fragmentation().expect("it was walked");
    assert_eq!(fragmentation.pinned_by("tokenizer"), Figure::Exact(63 * MIB));
    let pin = &fragmentation.pins()[0];
    assert_eq!(pin.could_go_back(), Figure::within(63 * MIB, 64 * MIB));
    let text = pin.to_string();
    assert!(
        text.starts_with("if the 16384 blocks of tokenizer (64 bytes each) in these 16384 slabs went, 63.0-64.0 MiB")
    );
    assert!((fragmentation.classes()[0].utilisation() - 1.0 / 64.0).abs() < 1e-9);

    let finding = few.findings().into_iter().find(|finding| finding.id == FindingId::SlabsPinned);
    let finding = finding.expect("a 64th is few");
    assert_eq!(finding.region.as_deref(), Some("tokenizer"));
    assert!(finding.remedy.starts_with("heapledger::Region::isolated(\"tokenizer\")"));
    assert!(finding.gain.admits(63 * MIB));
    assert!(!ids(&statement(pinned(40))).contains(&FindingId::SlabsPinned), "most slots are in use");
}

/// The fixture, in which glibc's heap has so much resident and says this of itself.
fn of_glibc(resident_mib: u64, used_mib: u64, free_mib: u64, free_pieces: u64) -> Statement {
    let (readings, mut full) = pages::model_server();
    full.glibc = Some(GlibcReading { used_bytes: used_mib << 20, free_bytes: free_mib << 20, free_pieces });
    let walk = full.walk.as_mut().expect("it was walked");
    for (place, resident) in &mut walk.places {
        if *place == LineId::GlibcHeap {
            *resident = Resident::exactly(resident_mib << 20);
        }
    }
    statement((readings, full))
}

#[test]
fn glibcs_free_memory_is_told_as_far_as_whole_pages_of_it_are_resident() {
    let told = |statement: &Statement| ids(statement).contains(&FindingId::GlibcMemory);
    let few = of_glibc(200, 20, 300, 4);
    let finding = few.findings().into_iter().find(|finding| finding.id == FindingId::GlibcMemory).expect("it is told");
    // 200 MiB are resident, of which 20 are in use; four pieces keep a part of two pages each.
    assert_eq!(finding.gain, Figure::within(180 * MIB - 4 * (2 * 4096 + 64), 200 * MIB));
    assert!(!told(&of_glibc(1, 0, 300, 4)), "its heap is small");
    assert!(!told(&of_glibc(200, 195, 300, 4)), "what is resident is in use: the rest was given back before");
    assert!(!told(&of_glibc(200, 100, 100, 1 << 20)), "pieces of 100 bytes fill no page");
}

#[test]
fn what_is_not_worth_a_change_is_silent() {
    let (mut readings, mut full) = pages::model_server();
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    heap.dirty.resident = Resident::exactly(15 << 20);
    heap.arenas[0].dirty_bytes = 15 << 20;
    set(&mut readings, SettingId::ConfigStats, SettingValue::Flag(true));
    assert!(!ids(&statement((readings, full))).contains(&FindingId::BackgroundThreadsOff));
}

#[test]
fn a_full_group_and_missing_statistics_are_told_without_a_gain() {
    let (mut readings, full) = pages::model_server();
    readings.cgroup.current_bytes = Ok(950 << 20);
    readings.cgroup.limit_bytes = Ok(Some(1 << 30));
    set(&mut readings, SettingId::ConfigStats, SettingValue::Flag(false));
    let findings = statement((readings, full)).findings();
    for id in [FindingId::CgroupNearlyFull, FindingId::StatisticsOff] {
        let finding = findings.iter().find(|finding| finding.id == id).expect("it is told");
        assert_eq!(finding.gain, Figure::Exact(0));
    }
}

#[test]
fn a_region_that_grows_at_every_mark_is_a_suspect_and_no_other() {
    let at = |mark: u64| {
        let (mut readings, full) = pages::model_server();
        let tokenizer = readings.regions.iter_mut().find(|region| region.name == "tokenizer").expect("it is there");
        tokenizer.requested_bytes.allocated += mark * (256 << 10);
        statement((readings, full))
    };
    let marks = [at(0), at(1), at(2), at(3)];
    let earlier: Vec<&Statement> = marks[..3].iter().collect();
    let suspects: Vec<_> =
        marks[3].findings_since(&earlier).into_iter().filter(|finding| finding.id == FindingId::LeakSuspect).collect();
    assert_eq!(suspects.len(), 1);
    assert_eq!(suspects[0].region.as_deref(), Some("tokenizer"));
    assert_eq!((suspects[0].gain.clone(), suspects[0].gain_on), (Figure::Exact(256 << 10), LineId::Live));
    assert!(!marks[3].findings_since(&earlier[1..]).iter().any(|finding| finding.id == FindingId::LeakSuspect));
}

#[test]
fn verdicts_of_the_process_sum_to_rss_and_follow_the_forecast() {
    for (background, verdict, none) in
        [(false, Verdict::Held, Verdict::Waiting), (true, Verdict::Waiting, Verdict::Held)]
    {
        let (mut readings, full) = pages::model_server();
        set(&mut readings, SettingId::BackgroundThread, SettingValue::Flag(background));
        let statement = statement((readings, full));
        let verdicts = statement.verdicts();
        let sum: Figure = verdicts.process.bytes.iter().map(|(_, bytes)| bytes.clone()).sum();
        let rss = statement.figure(LineId::Rss).as_exact().expect("the fixture is exact");
        assert!(sum.admits(rss), "{sum} is not {rss}\n{verdicts}");
        let weights = verdicts.region("weights").expect("its pages are dirty");
        assert_eq!(weights.main(), Some(verdict), "{weights}");
        assert_eq!(weights.of(none), Figure::Exact(0));
        assert_eq!(weights.of(Verdict::Live), Figure::Exact(0));
        assert_eq!(verdicts.region("kv_cache").and_then(|judged| judged.main()), Some(Verdict::Live));
    }
    let verdicts = statement(pages::unadmitted()).verdicts();
    assert!(verdicts.process.of(Verdict::Unexplained).high().is_some_and(|bytes| bytes > 0));
}

#[test]
fn pages_that_huge_pages_keep_and_mappings_without_a_name_are_told() {
    let (readings, mut full) = pages::model_server();
    let walk = full.walk.as_mut().expect("it was walked");
    walk.unattributed.push(heapledger_statement::RangeReading {
        start: 0x7f55_0000_0000,
        end: 0x7f55_2000_0000,
        resident: Resident::exactly(512 << 20),
    });
    walk.heap.as_mut().expect("it was admitted").retained.resident = Resident::exactly(200 << 20);
    let findings = statement((readings, full)).findings();
    let of = |id| findings.iter().find(|finding| finding.id == id).expect("it is told");
    assert!(of(FindingId::HugePagesKeepRetained).gain.admits(200 << 20));
    assert!(of(FindingId::UnattributedMappings).says.contains("7f5500000000-7f5520000000"));
}
