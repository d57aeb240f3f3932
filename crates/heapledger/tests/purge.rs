//! What a purge returns and what it cannot, by arithmetic. A process of its own, with one test: settings and pages are
//! the process's.
#![cfg(target_os = "linux")]

use heapledger::{Error, Figure, LineId, Region, SettingId};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static A: Region = Region::new("A");
static B: Region = Region::new("B");

/// 64 blocks of 64 bytes fill a slab, which is one page.
const SLOT: usize = 64;
const PER_SLAB: usize = 64;
const BLOCKS: usize = 256 << 10;

/// Slabs that blocks of the test's own and of the program's lie in, beside those that are counted.
const OTHER_SLABS_BYTES: i64 = 256 << 10;

/// So long that nothing goes by itself before the purge, however long the test is kept from running.
const DECAY_MS: i64 = 3_600_000_000;

/// Freed pages that the kernel counts when the purge begins, beside those that are counted.
const OTHER_PAGES_BYTES: i64 = 2 << 20;

fn part(purge: &heapledger::Purge, line: LineId, name: &str) -> i64 {
    purge.after.part(line, name).and_then(|figure| figure.as_exact()).unwrap_or_default()
}

#[test]
fn a_purge_returns_free_pages_and_says_what_it_could_not_return() {
    heapledger::configure().dirty_decay_ms(DECAY_MS).expect("it is a decay time");
    // Every 64th block is B's: one in each slab.
    let mut of_b = Vec::with_capacity(BLOCKS / PER_SLAB);
    let mut of_a = Vec::with_capacity(BLOCKS);
    for block in 0..BLOCKS {
        if block % PER_SLAB == 0 {
            of_b.push(B.scope(|| Box::new([1_u8; SLOT])));
        } else {
            of_a.push(A.scope(|| Box::new([1_u8; SLOT])));
        }
    }
    drop(of_a);
    // 64 MiB whose slabs nobody else is in.
    let dirty: Vec<Box<[u8; 1024]>> = A.scope(|| (0..65_536).map(|_| Box::new([1; 1024])).collect());
    drop(dirty);

    let purge = heapledger::purge().expect("the ledger is installed");
    println!("{purge}\n{}\n{}", purge.before, purge.after);
    assert!(purge.cache_flushed);
    let dirty = purge.before.figure(LineId::Dirty).as_exact().expect("pages are told");
    assert!(dirty >= 64 << 20);
    let returned = purge.returned_bytes().as_exact().expect("the kernel counts");
    assert!((returned - dirty).abs() <= OTHER_PAGES_BYTES, "{returned} of {dirty}");
    assert_eq!(purge.after.figure(LineId::Dirty), Figure::Exact(0));

    // What B pins: all slots of its slabs but its own.
    let pinned = (BLOCKS / PER_SLAB * (PER_SLAB - 1) * SLOT) as i64;
    let found = part(&purge, LineId::FreeSlots, "B");
    assert!((found - pinned).abs() <= OTHER_SLABS_BYTES, "{found} of {pinned}");
    let left = purge.left();
    assert!(left.iter().any(|left| left.line == LineId::FreeSlots && !left.why.is_empty()));
    assert!(purge.to_string().starts_with("purge: RSS "));
    drop(of_b);

    let configured = heapledger::configure()
        .dirty_decay_ms(1_000)
        .and_then(|configured| configured.muzzy_decay_ms(-1))
        .and_then(|configured| configured.background_threads(true))
        .expect("jemalloc takes these");
    let changes: Vec<_> =
        configured.changes().iter().map(|change| (change.setting, change.before, change.after)).collect();
    assert_eq!(
        changes,
        [
            (SettingId::DirtyDecayMs, DECAY_MS, 1_000),
            (SettingId::MuzzyDecayMs, 0, -1),
            (SettingId::BackgroundThread, 0, 1),
        ]
    );
    let summary = heapledger::quick().expect("the ledger is installed");
    assert_eq!(summary.setting(SettingId::DirtyDecayMs), Some(&heapledger::SettingValue::Count(1_000)));
    assert_eq!(summary.setting(SettingId::BackgroundThread), Some(&heapledger::SettingValue::Flag(true)));

    for (refused, setting) in [
        (heapledger::configure().dirty_decay_ms(-2), "arenas.dirty_decay_ms"),
        (heapledger::configure().muzzy_decay_ms(i64::MIN), "arenas.muzzy_decay_ms"),
        (heapledger::configure().max_background_threads(0), "max_background_threads"),
        (heapledger::configure().max_background_threads(1 << 40), "max_background_threads"),
    ] {
        let error = refused.expect_err("it is no such value");
        assert!(matches!(&error, Error::Refused { setting: named, .. } if *named == setting), "{error}");
    }
}
