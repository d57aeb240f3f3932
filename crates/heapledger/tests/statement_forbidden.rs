//! Sandboxes: a process to which calls of the kernel are forbidden states what the next source says, names what it
//! lacks, and never crashes. Each place is a process of its own, which the test starts with the place's name.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use heapledger::{CheckId, Figure, LineId, Region, Statement};
use heapledger_harness::{again, skipped};
use support::assert_sums;

#[global_allocator]
static LEDGER: heapledger::Ledger = heapledger::Ledger::new();

static HELD: Region = Region::new("held");

const PLACE: &str = "HEAPLEDGER_TEST_PLACE";
const HELD_BYTES: usize = 8 << 20;

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u32 = 0xc060_6610;

/// Where a filter finds what is asked of the kernel: the number of the call, and the low words of its arguments.
const NUMBER: u32 = 0;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// A call that is refused with an error, if it is made with a word that is so, or is not.
struct Refused {
    number: i64,
    word: Option<(u32, u32, bool)>,
    error: i32,
}

/// The ioctl is unknown, as before Linux 6.7.
const SCAN: Refused =
    Refused { number: libc::SYS_ioctl, word: Some((argument(1), PAGEMAP_SCAN, true)), error: libc::ENOTTY };
/// Only pagemap is read beyond 4 GiB.
const PAGEMAP: Refused =
    Refused { number: libc::SYS_pread64, word: Some((argument(3) + 4, 0, false)), error: libc::EPERM };
const MINCORE: Refused = Refused { number: libc::SYS_mincore, word: None, error: libc::EPERM };
const OWN_MEMORY: Refused = Refused { number: libc::SYS_process_vm_readv, word: None, error: libc::EPERM };

/// Forbids calls to this process from now on.
fn forbid(calls: &[&Refused]) {
    let load = |place: u32| filter(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place, 0, 0);
    let skip_unless = |equal: u32, yes: u8, no: u8| filter(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, equal, yes, no);
    let answer = |what: u32| filter(libc::BPF_RET | libc::BPF_K, what, 0, 0);
    let mut program = Vec::new();
    for call in calls {
        let refusal = answer(libc::SECCOMP_RET_ERRNO | call.error as u32);
        program.push(load(NUMBER));
        match call.word {
            None => program.extend([skip_unless(call.number as u32, 0, 1), refusal]),
            Some((place, word, is_so)) => {
                let (yes, no) = if is_so { (0, 1) } else { (1, 0) };
                program.extend([skip_unless(call.number as u32, 0, 3), load(place)]);
                program.extend([skip_unless(word, yes, no), refusal]);
            }
        }
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program and its filters live until the call has copied them.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(set, 0, "the kernel takes the filter");
}

fn filter(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn start(place: &str) {
    again::run("one_place", &[(PLACE, place)]);
}

#[test]
fn without_the_ioctl_pagemap_is_read() {
    start("scan");
}

#[test]
fn without_pagemap_mincore_is_asked() {
    start("pagemap");
}

/// The place of `without_pagemap_mincore_is_asked`, where smaps_rollup is empty too. Takes root and util-linux.
#[test]
fn without_smaps_rollup_the_gap_is_unjudged() {
    let mounts = "mount --bind /dev/null /proc/$$/smaps_rollup";
    if let Err(why) = again::run_where(mounts, "one_place", &[(PLACE, "pagemap and rollup")]) {
        skipped("without_smaps_rollup_the_gap_is_unjudged", &why);
    }
}

#[test]
fn without_any_the_counters_still_speak() {
    start("mincore");
}

#[test]
fn without_a_look_at_its_own_memory_the_heap_is_not_walked() {
    start("own memory");
}

fn has(statement: &Statement, key: &str, word: &str) {
    let found = statement.doubts().iter().any(|doubt| doubt.key == key && doubt.says.contains(word));
    assert!(found, "{key}: {word}\n{statement}");
}

/// Pages of files were not counted, so they and the kernel's counters are apart; the page tables say who is wrong.
fn assert_judged(statement: &Statement) {
    let holds = |id| {
        let check = statement.checks().iter().find(|check| check.id == id);
        check.unwrap_or_else(|| panic!("{}: the page tables were not asked\n{statement}", id.key())).holds()
    };
    let ids = [CheckId::TablesAnonCounted, CheckId::TablesMappedCounted, CheckId::TablesMappedFound];
    assert_eq!(ids.map(holds), [Some(true), Some(true), Some(false)], "{statement}");
    has(statement, "pages_missed", "page tables");
    assert!(!statement.doubts().iter().any(|doubt| doubt.key == "counters_drift"), "{statement}");
}

#[test]
#[ignore = "the other tests start it with a place"]
fn one_place() {
    let held = HELD.scope(|| vec![1_u8; HELD_BYTES]);
    let place = std::env::var(PLACE).unwrap_or_default();
    match place.as_str() {
        "scan" => forbid(&[&SCAN]),
        "pagemap" | "pagemap and rollup" => forbid(&[&SCAN, &PAGEMAP]),
        "mincore" => forbid(&[&SCAN, &PAGEMAP, &MINCORE]),
        "own memory" => forbid(&[&OWN_MEMORY]),
        _ => return skipped("one_place", "no place was named"),
    }
    for _ in 0..2 {
        let statement = heapledger::statement().expect("what is forbidden is no error");
        assert_eq!(statement.region("held").map(|region| region.self_bytes()), Some(HELD_BYTES as i64));
        let resident = statement.part(LineId::Live, "held").expect("a region");
        assert!(resident.is_unknown() || resident.admits(HELD_BYTES as i64), "{statement}");
        match place.as_str() {
            "scan" => {
                assert_eq!(statement.backend(), Some("pagemap"), "{statement}");
                has(&statement, "pages_uncertain", "pagemap");
                assert_eq!(resident, Figure::Exact(HELD_BYTES as i64), "{statement}");
                assert_sums(&statement);
                // They agree, so the page tables were not asked: that takes as long as the walk.
                assert!(statement.checks().iter().all(|check| check.id != CheckId::TablesAnonFound), "{statement}");
            }
            "pagemap" => {
                assert_eq!(statement.backend(), Some("mincore"), "{statement}");
                has(&statement, "file_pages_uncounted", "mincore");
                assert_judged(&statement);
            }
            "pagemap and rollup" => {
                has(&statement, "gap_unjudged", "smaps_rollup");
                assert!(statement.checks().iter().all(|check| check.id != CheckId::TablesMappedFound), "{statement}");
            }
            "mincore" => {
                has(&statement, "pages_unread", "mincore");
                assert!(statement.figure(LineId::Unexplained).is_unknown(), "{statement}");
            }
            _ => {
                has(&statement, "heap_unwalked", "process_vm_readv");
                assert_sums(&statement);
            }
        }
        println!("{statement}");
    }
    drop(held);
}
