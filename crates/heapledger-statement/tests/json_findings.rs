//! Findings and fragmentation in the JSON of a statement: the shape, and a round trip without loss.
#![cfg(feature = "serde")]

mod fixtures;

use std::path::PathBuf;

use fixtures::pages;
use heapledger_statement::json::{FindingReport, FragmentationReport, JsonError};
use heapledger_statement::{
    Figure, Finding, FindingId, Flow, FullReadings, GlibcReading, LineId, PinsReading, Readings, Resident, SettingId,
    SettingValue, SlotsReading, Statement,
};
use serde_json::Value;

const MIB: i64 = 1 << 20;

/// Slabs of a page with slots of 64 bytes, in each of which one block lives.
const SLABS: u64 = 16_384;

/// The fixture, with slabs that a block of `tokenizer` keeps and with memory that glibc keeps: its dirty pages, these
/// and those are worth a finding each. The pages of the slabs are the anonymous memory that RSS has less of elsewhere.
fn with_findings() -> Statement {
    let (mut readings, mut full) = pages::model_server();
    let walk = full.walk.as_mut().expect("it was walked");
    for (place, resident) in &mut walk.places {
        if *place == LineId::GlibcHeap {
            *resident = Resident::exactly(200 << 20);
        }
    }
    full.glibc = Some(GlibcReading { used_bytes: 100 << 20, free_bytes: 100 << 20, free_pieces: 3 });
    pinned(&mut readings, &mut full);
    Statement::from_readings(readings, full)
}

fn pinned(readings: &mut Readings, full: &mut FullReadings) {
    let heap = full.walk.as_mut().expect("it was walked").heap.as_mut().expect("it was admitted");
    let free = Resident::exactly(SLABS * 63 * 64);
    let pins = PinsReading { slabs: SLABS, shared_slabs: 3, slots: SLABS, free };
    heap.classes.push(heapledger_statement::ClassPagesReading {
        slot_bytes: 64,
        slab_bytes: 4096,
        slabs: SLABS,
        allocated_slots: SLABS,
        free_slots: SLABS * 63,
        free,
    });
    heap.regions[4].small.push(SlotsReading { slot_bytes: 64, pins, ..SlotsReading::default() });
    readings.settings.retain(|(id, _)| *id != SettingId::BackgroundThread);
    readings.settings.push((SettingId::BackgroundThread, SettingValue::Flag(false)));
}

fn json(statement: &Statement) -> Value {
    serde_json::from_str(&statement.to_json()).expect("it is JSON")
}

#[test]
fn fragmentation_is_told_by_class_and_by_region() {
    let json = json(&with_findings());
    let of = |list: &str| {
        let rows = json["fragmentation"][list].as_array().expect("a list").clone();
        rows.into_iter().find(|row| row["slot_bytes"] == 64 && row["slabs"] == SLABS).expect("the slabs")
    };
    let class = of("classes");
    assert_eq!((&class["slab_bytes"], &class["allocated_slots"]), (&4096.into(), &SLABS.into()));
    assert_eq!(class["free_slots"], SLABS * 63);
    assert_eq!(class["free"]["bytes"], 63 * MIB);
    assert_eq!(class["utilisation_permille"], 15, "a 64th is 15.6 thousandths");
    let pin = of("pins");
    assert_eq!((&pin["region"], &pin["shared_slabs"]), (&"tokenizer".into(), &3.into()));
    assert_eq!((&pin["allocated_slots"], &pin["utilisation_permille"]), (&SLABS.into(), &15.into()));
    assert_eq!(pin["free"]["bytes"], 63 * MIB);
    // Whether the blocks themselves are resident is not known: they are a MiB.
    assert_eq!(
        (&pin["could_go_back"]["at_least"], &pin["could_go_back"]["at_most"]),
        (&(63 * MIB).into(), &(64 * MIB).into())
    );
}

#[test]
fn findings_have_proof_gain_remedy_and_price() {
    let statement = with_findings();
    let json = json(&statement);
    let findings = json["findings"].as_array().expect("a list");
    let keys: Vec<&str> = findings.iter().filter_map(|finding| finding["id"].as_str()).collect();
    for key in ["background_threads_off", "slabs_pinned", "glibc_memory"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
    let pinned = findings.iter().find(|finding| finding["id"] == "slabs_pinned").expect("it is told");
    assert_eq!(pinned["region"], "tokenizer");
    assert_eq!(pinned["gain_on"], "rss");
    let (low, high) = (pinned["gain"]["at_least"].as_i64(), pinned["gain"]["at_most"].as_i64());
    assert!(low <= Some(63 * MIB) && high >= Some(63 * MIB), "{pinned}");
    assert_eq!(pinned["proof"][0]["id"], "free_slots");
    assert_eq!(pinned["proof"][0]["bytes"].as_i64(), statement.figure(LineId::FreeSlots).as_exact());
    assert!(pinned["remedy"].as_str().is_some_and(|remedy| remedy.starts_with("heapledger::Region::isolated(")));
    let row = FindingId::SlabsPinned.row();
    assert_eq!((&pinned["price"], &pinned["check"]), (&row.price.into(), &row.check.into()));
    let of_process = findings.iter().find(|finding| finding["id"] == "background_threads_off").expect("it is told");
    assert!(of_process.get("region").is_none());
}

#[test]
fn what_was_read_back_has_the_same_fragmentation_and_finds_the_same() {
    let told = with_findings();
    let back = Statement::from_json(&told.to_json()).expect("our own JSON can be read");
    assert!(told.findings().len() >= 3);
    assert_eq!(told.findings(), back.findings());
    assert_eq!(told.fragmentation().expect("it was walked"), back.fragmentation().expect("it was in the object"));
    assert_eq!(told.to_report(), back.to_report());
    for report in told.to_report().findings {
        let finding = Finding::try_from(report.clone()).expect("our own finding can be read");
        assert_eq!(FindingReport::from(&finding), report);
        assert!(told.findings().contains(&finding));
    }
}

#[test]
fn why_fragmentation_is_not_known_survives_the_round_trip() {
    for (readings, full) in [pages::unadmitted(), pages::unwalked()] {
        let statement = Statement::from_readings(readings, full);
        let why = statement.fragmentation().expect_err("slabs were not counted").clone();
        let json = json(&statement);
        assert_eq!(json["fragmentation"]["unknown"], *why.reason);
        assert!(json["fragmentation"].get("classes").is_none(), "unknown is no empty list");
        let back = Statement::from_json(&statement.to_json()).expect("our own JSON can be read");
        assert_eq!(back.fragmentation(), Err(&why));
    }
}

#[test]
fn an_object_from_before_is_read_and_says_what_it_lacks() {
    let mut json = json(&with_findings());
    let object = json.as_object_mut().expect("an object");
    for key in ["fragmentation", "findings", "glibc"] {
        assert!(object.remove(key).is_some(), "{key}");
    }
    let back = Statement::from_json(&json.to_string()).expect("these keys were added within the schema");
    assert!(back.fragmentation().is_err());
    let ids: Vec<FindingId> = back.findings().iter().map(|finding| finding.id).collect();
    assert!(ids.contains(&FindingId::BackgroundThreadsOff), "it needs none of them: {ids:?}");
    assert!(!ids.contains(&FindingId::SlabsPinned) && !ids.contains(&FindingId::GlibcMemory), "{ids:?}");
}

#[test]
fn a_finding_that_is_not_known_is_refused_by_name() {
    let mut report = with_findings().to_report().findings.remove(0);
    report.gain_on = "no_such_line".into();
    assert!(matches!(Finding::try_from(report.clone()), Err(JsonError::Line { id }) if id == "no_such_line"));
    report.gain_on = "rss".into();
    report.id = "found_later".into();
    let error = Finding::try_from(report).expect_err("the list is closed");
    assert!(error.to_string().contains("found_later"));
    // A statement makes its own, so one of a later version is no error there.
    let json = with_findings().to_json().replace("\"slabs_pinned\"", "\"found_later\"");
    assert!(Statement::from_json(&json).is_ok());
}

#[test]
fn findings_that_earlier_marks_add_are_in_the_object_of_that_mark() {
    const BLOCKS: u64 = 200;
    let marks: Vec<Statement> = (0..5)
        .map(|mark| {
            let (mut readings, full) = pages::model_server();
            let cache = readings.regions.iter_mut().find(|region| region.name == "kv_cache").expect("it is there");
            cache.requested_bytes = Flow::new((600 << 20) + mark * BLOCKS * 1024, 0);
            Statement::from_readings(readings, full)
        })
        .collect();
    let (last, earlier) = marks.split_last().expect("there are five");
    let earlier: Vec<&Statement> = earlier.iter().collect();
    let of = |json: String| {
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        json["findings"].as_array().expect("a list").iter().find(|one| one["id"] == "leak_suspect").cloned()
    };
    assert_eq!(of(last.to_json()), None);
    let leak = of(last.to_json_since(&earlier)).expect("it grew at every mark");
    assert_eq!((&leak["region"], &leak["gain"]["bytes"]), (&"kv_cache".into(), &(BLOCKS * 1024).into()));
    assert_eq!(leak["gain_on"], "live");
    let report: FindingReport = serde_json::from_value(leak).expect("it is a finding");
    assert_eq!(Finding::try_from(report).expect("it is ours").gain, Figure::Exact((BLOCKS * 1024) as i64));
}

/// The object itself, saved: that of this version must be what a program wrote before, and can be read.
#[test]
fn the_object_reads_as_saved() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/statement.json");
    let json = format!("{}\n", with_findings().to_json());
    if std::env::var_os("HEAPLEDGER_BLESS").is_some() {
        std::fs::write(&path, &json).expect("the golden file can be written");
    }
    let saved = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(saved, json, "{} differs; HEAPLEDGER_BLESS=1 renews it", path.display());
    let back = Statement::from_json(saved.trim_end()).expect("what was saved can be read");
    assert!(matches!(back.to_report().fragmentation, Some(FragmentationReport::Known { .. })));
    assert_eq!(back.findings(), with_findings().findings());
}
