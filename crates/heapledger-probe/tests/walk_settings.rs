//! Starts itself again for each setting of jemalloc: the walk is right, or refused by name.
#![cfg(target_os = "linux")]

mod support;

use heapledger_alloc::Ledger;
use heapledger_core::Region;
use heapledger_harness::settings::VARIABLE;
use heapledger_harness::{again, settings, skipped};
use heapledger_probe::{ReadError, Walker};

#[global_allocator]
static LEDGER: Ledger = Ledger::new();

static A: Region = Region::new("a");
static B: Region = Region::new("b");

const NOT_HUGE: &str = "no page was huge";
const TOLD: &str = "HEAPLEDGER_TEST_SETTINGS";

const RIGHT: [&str; 22] = [
    "",
    "narenas:1",
    "narenas:64",
    "percpu_arena:percpu",
    "percpu_arena:phycpu",
    "retain:false",
    "tcache:false",
    // The default is the most that there can be.
    "tcache_max:4096",
    // Without decay, for a purge under way is no quiet process.
    "background_thread:true,dirty_decay_ms:-1",
    "thp:always",
    "thp:never",
    "metadata_thp:always",
    "dirty_decay_ms:0",
    "dirty_decay_ms:-1",
    "muzzy_decay_ms:10000",
    "dirty_decay_ms:0,muzzy_decay_ms:10000",
    "cache_oblivious:false",
    "disable_large_size_classes:true",
    "disable_large_size_classes:true,cache_oblivious:false",
    "oversize_threshold:0",
    "dss:primary",
    "slab_sizes:1-4096:16",
];

const REFUSED: [(&str, &str); 3] =
    [("hpa:true", "opt.hpa"), ("san_guard_small:5", "opt.san_guard"), ("san_guard_large:5", "opt.san_guard")];

#[test]
fn under_every_setting_each_page_has_its_line() {
    for setting in RIGHT {
        let said = again::run("one_setting", &[(VARIABLE, setting)]);
        if said.contains(NOT_HUGE) {
            skipped("a walk of huge pages", &settings::no_huge_pages());
        }
    }
}

#[test]
fn what_the_walk_does_not_understand_is_refused_by_name() {
    for (setting, name) in REFUSED {
        again::run("one_setting", &[(VARIABLE, setting), (TOLD, name)]);
    }
}

#[test]
fn a_walk_that_is_switched_off_says_so() {
    again::run("one_setting", &[("HEAPLEDGER_WALK", "off"), (TOLD, "HEAPLEDGER_WALK")]);
}

#[test]
#[ignore = "the other tests start it with a setting"]
fn one_setting() {
    settings::assert_in_force();
    let refused = std::env::var(TOLD).unwrap_or_default();
    let mut walker = Walker::new().expect("buffers");
    let mut blocks = Vec::new();
    for index in 0..20_000_usize {
        let region = if index.is_multiple_of(3) { &A } else { &B };
        blocks.push(region.scope(|| vec![1_u8; 1 + index * 7 % 5000]));
    }
    blocks.extend((1..40).map(|size| A.scope(|| vec![1_u8; size * 100_000])));
    for round in 0..3 {
        let taken = support::take(&mut walker);
        match &taken.walk.heap {
            Ok(_) => assert!(refused.is_empty(), "{refused} was not refused"),
            Err(ReadError::NotAdmitted { why, .. }) => assert!(!refused.is_empty() && why.contains(&refused), "{why}"),
            Err(error) => panic!("{error}"),
        }
        support::assert_quiet(&taken);
        if round == 0 && settings::ask_for_huge_pages() && settings::huge_bytes() == 0 {
            println!("{NOT_HUGE}");
        }
        let keep = |index: usize| index.is_multiple_of([2, 5, 100][round]);
        blocks = blocks.into_iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, block)| block).collect();
    }
}
