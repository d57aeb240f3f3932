//! The sampler: summaries at an interval, statements on request, growth, and a file of which nothing is lost in
//! silence.
#![cfg(all(feature = "sampler", target_os = "linux"))]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use heapledger::{Error, LineId, Region, SamplerOptions, Statement, Summary};
use heapledger_harness::fork::{Forked, end_at_once, fork, wait_for};

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static GROWING: Region = Region::new("growing");

const OFTEN: Duration = Duration::from_millis(2);

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(OFTEN);
    }
}

#[test]
fn samples_are_kept_in_bounds_and_written_one_a_line() {
    let file = tempfile::NamedTempFile::new().expect("there is a folder for it");
    let sampler = SamplerOptions::every(OFTEN).keep(5).json_lines(file.path()).start().expect("it starts");
    wait_until("ten samples", || sampler.report().is_ok_and(|report| report.taken >= 10));
    let history = sampler.history().expect("it is there");
    assert_eq!(history.len(), 5);
    assert!(history.iter().all(|summary| summary.figure(LineId::Rss).as_exact().is_some()));
    let statement = sampler.statement().expect("it is taken");
    assert!(statement.figure(LineId::Unexplained).as_exact().is_some());
    // The sampler's memory has a region, and it is not the program's.
    assert!(statement.region("~ledger").is_some_and(|region| region.self_bytes() > 0));

    let report = sampler.stop().expect("nothing was lost");
    assert_eq!((report.lost, report.waiting, report.written), (0, 0, report.taken));
    let text = std::fs::read_to_string(file.path()).expect("it was written");
    assert_eq!(text.lines().count() as u64, report.taken);
    let full = text.lines().filter(|line| Statement::from_json(line).is_ok()).count();
    let quick = text.lines().filter(|line| Summary::from_json(line).is_ok()).count();
    assert_eq!((full, full + quick), (1, text.lines().count()));
}

#[test]
fn a_region_that_grows_from_sample_to_sample_is_told_by_how_much() {
    const STEP: usize = 128 << 10;
    let sampler = SamplerOptions::every(10 * OFTEN).keep(4).start().expect("it starts");
    let mut kept = Vec::new();
    let mut found = None;
    wait_until("growth", || {
        kept.push(GROWING.scope(|| vec![1_u8; STEP]));
        let growth = sampler.growth().expect("it is there");
        found = growth.into_iter().find(|growth| growth.region == "growing");
        found.is_some()
    });
    let growth = found.expect("it was waited for");
    assert!(growth.marks >= 3 && growth.per_mark.low() >= Some(STEP as i64), "{growth}");
    assert_eq!(growth.bytes % STEP as i64, 0, "it grows by whole steps");
    drop(sampler);
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_lost_in_silence() {
    // A device that is always full.
    let sampler = SamplerOptions::every(OFTEN).keep(3).json_lines("/dev/full").start().expect("it can be opened");
    wait_until("a loss", || sampler.report().is_ok_and(|report| report.lost > 0));
    let report = sampler.report().expect("it is there");
    assert_eq!((report.written, report.sink_error), (0, Some(ErrorKind::StorageFull)));
    assert_eq!(report.waiting, 3, "as many wait as are kept");
    match sampler.stop() {
        Err(Error::Sink { kind: ErrorKind::StorageFull, lost }) => assert!(lost >= 4, "{lost}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_the_start() {
    let started = SamplerOptions::every(OFTEN).json_lines("/no/such/folder/file").start();
    assert!(matches!(started, Err(Error::Sink { kind: ErrorKind::NotFound, lost: 0 })), "{started:?}");
}

#[test]
fn a_sampler_that_is_dropped_has_written_everything() {
    let file = tempfile::NamedTempFile::new().expect("there is a folder for it");
    let sampler = SamplerOptions::every(OFTEN).json_lines(file.path()).start().expect("it starts");
    wait_until("samples", || sampler.report().is_ok_and(|report| report.taken >= 3));
    let taken = sampler.report().expect("it is there").taken;
    drop(sampler);
    let text = std::fs::read_to_string(file.path()).expect("it was written");
    assert!(text.lines().count() as u64 >= taken && text.ends_with('\n'));
}

#[test]
fn a_forked_child_has_no_sampler_and_is_told_so() {
    let sampler = SamplerOptions::every(10 * OFTEN).start().expect("it starts");
    let code = match fork() {
        Forked::Child => {
            let report = sampler.report();
            let gone = matches!(report, Err(Error::SamplerGone)) && matches!(sampler.stop(), Err(Error::SamplerGone));
            end_at_once(i32::from(!gone))
        }
        Forked::Parent(pid) => wait_for(pid),
    };
    assert_eq!(code, 0, "the child was told otherwise");
    assert!(sampler.stop().is_ok());
}
