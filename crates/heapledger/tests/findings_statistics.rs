//! Whether jemalloc has statistics is a matter of its build, so the finding and what its remedy does are two builds of
//! this test: an ordinary one, and one whose jemalloc has none (JEMALLOC_OVERRIDE; `tools/check layouts` makes both).
#![cfg(target_os = "linux")]

use heapledger::{FindingId, LineId, Region, SettingId, SettingValue};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static A: Region = Region::new("A");

const BYTES: usize = 32 << 20;

#[test]
fn a_jemalloc_without_statistics_is_told_and_one_that_has_them_is_not() {
    let block = A.scope(|| vec![1_u8; BYTES]);
    let statement = heapledger::statement().expect("the ledger is installed");
    let found = statement.findings();
    let finding = found.iter().find(|finding| finding.id == FindingId::StatisticsOff);
    let allocated = statement.figure(LineId::Allocated);
    println!("{statement}");
    // Regions are the ledger's own counters, which need no statistics.
    let of_a = statement.region("A").expect("it has a block").self_bytes();
    assert_eq!(of_a, BYTES as i64);
    if option_env!("JEMALLOC_OVERRIDE").is_none() {
        // The remedy, applied: a build without the override.
        assert_eq!(statement.setting(SettingId::ConfigStats), Some(&SettingValue::Flag(true)));
        assert_eq!(finding, None);
        assert!(allocated.as_exact().is_some_and(|bytes| bytes >= BYTES as i64), "{allocated}");
        return;
    }
    assert_eq!(statement.setting(SettingId::ConfigStats), Some(&SettingValue::Flag(false)));
    let finding = finding.expect("the library that was given has no statistics");
    println!("{finding}");
    assert!(finding.remedy.starts_with("build without JEMALLOC_OVERRIDE"), "{finding}");
    assert_eq!(finding.proof.len(), 1);
    let (line, figure) = &finding.proof[0];
    assert_eq!((*line, figure), (LineId::Allocated, &allocated));
    assert!(allocated.is_unknown(), "without statistics it is no number: {allocated}");
    drop(block);
}
