//! Pages that were freed and stay: no background threads, a decay time of never, the arena of oversize blocks.

use std::time::{Duration, Instant};

use heapledger::{CheckForecast, Finding, FindingId, Statement, Verdict};
use heapledger_harness::again;

use crate::gain::{assert_gained, assert_not_gained, find, found, gained, ready, take};
use crate::{A, MIB};

/// Short, so that a test need not wait long; what goes in it has gone after three of them.
const DECAY: Duration = Duration::from_secs(1);
const GONE: Duration = Duration::from_millis(3_500);

/// Far longer than it takes: that it goes is what is waited for, not when.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first statement by which as much went as was claimed at least. Statements give nothing back themselves where
/// background threads do.
fn once_gained(finding: &Finding, before: &Statement) -> Statement {
    let began = Instant::now();
    loop {
        std::thread::sleep(DECAY);
        let after = take();
        if Some(gained(finding, before, &after).0) >= finding.gain.low() || began.elapsed() > PATIENCE {
            return after;
        }
    }
}

/// Small blocks of A whose pages are dirty afterwards: their slabs are too small to be given back at once.
fn make_dirty(bytes: usize) {
    let blocks: Vec<Box<[u8; 1024]>> = A.scope(|| (0..bytes / 1024).map(|_| Box::new([1; 1024])).collect());
    drop(blocks);
}

fn decay_ms(ms: i64) {
    heapledger::configure().dirty_decay_ms(ms).expect("it is a decay time");
}

#[test]
fn background_threads_return_what_an_idle_process_keeps() {
    again::run("freed_pages::subject_background_threads", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_background_threads() {
    decay_ms(DECAY.as_millis() as i64);
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::BackgroundThreadsOff);
    assert_eq!(finding.remedy, "heapledger::configure().background_threads(true)");
    assert_eq!(before.verdicts().region("A").and_then(|judged| judged.main()), Some(Verdict::Held));
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    heapledger::configure().background_threads(true).expect("they can be started");
    let forecast = take().forecast();
    println!("{forecast}");
    std::thread::sleep(forecast.over_after().expect("it ends now"));
    let check = forecast.check().expect("the ledger is installed");
    assert_eq!(check.holds(), Some(true), "{check}");
    let after = take();
    assert_gained(&finding, &before, &after);
    assert_eq!(find(&after, FindingId::BackgroundThreadsOff), None);
}

#[test]
fn a_decay_time_of_never_is_ended() {
    again::run("freed_pages::subject_decay_never", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_decay_never() {
    decay_ms(-1);
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::DecayNever);
    assert_eq!(finding.remedy, "heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true)");
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    let remedy = || heapledger::configure().dirty_decay_ms(10_000)?.background_threads(true);
    remedy().expect("both can be set");
    // The same with a decay time for which a test can wait; it begins anew.
    decay_ms(DECAY.as_millis() as i64);
    assert_gained(&finding, &before, &once_gained(&finding, &before));
}

#[test]
fn two_decay_times_of_never_are_both_ended() {
    again::run("freed_pages::subject_both_decays_never", &[]);
}

/// What is dirty would become muzzy, and stay so.
#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_both_decays_never() {
    heapledger::configure().dirty_decay_ms(-1).expect("it is a decay time").muzzy_decay_ms(-1).expect("so is this");
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    make_dirty(64 * MIB);
    let before = take();
    let finding = found(&before, FindingId::DecayNever);
    let both = "heapledger::configure().dirty_decay_ms(10_000)?.muzzy_decay_ms(0)?.background_threads(true)";
    assert_eq!(finding.remedy, both);
    // The control: ending one of them is not enough.
    decay_ms(DECAY.as_millis() as i64);
    std::thread::sleep(GONE);
    assert_not_gained(&finding, &before, &take());

    let remedy = || heapledger::configure().dirty_decay_ms(10_000)?.muzzy_decay_ms(0)?.background_threads(true);
    remedy().expect("all can be set");
    // The same with a decay time for which a test can wait; it begins anew.
    decay_ms(DECAY.as_millis() as i64);
    assert_gained(&finding, &before, &once_gained(&finding, &before));
}

#[test]
fn dirty_pages_of_the_oversize_arena_are_purged() {
    again::run("freed_pages::subject_oversize", &[]);
}

#[test]
#[ignore = "a process of its own: started by the test above"]
fn subject_oversize() {
    // So long that nothing goes while the test runs.
    decay_ms(600_000);
    heapledger::configure().background_threads(true).expect("they can be started");
    ready();
    let blocks: Vec<Vec<u8>> = A.scope(|| (0..8).map(|_| vec![1; 16 * MIB]).collect());
    drop(blocks);
    let before = take();
    let finding = found(&before, FindingId::OversizeArena);
    assert_not_gained(&finding, &before, &take());
    assert_eq!(finding.remedy, "heapledger::purge()");
    let purge = heapledger::purge().expect("jemalloc purges");
    assert_gained(&finding, &before, &purge.after);
    assert_eq!(find(&purge.after, FindingId::OversizeArena), None);
}
