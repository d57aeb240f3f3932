//! A control group that is nearly full, made for a process of its own: what the finding says to do, done to the letter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use heapledger::{FindingId, LineId};
use heapledger_harness::{again, skipped};

use crate::gain::{find, take};
use crate::{A, MIB};

/// What the group may use, and what of it the process's blocks are: more than nine tenths, with room for the rest of
/// the process.
const LIMIT_BYTES: usize = 256 * MIB;
const BLOCKS_BYTES: usize = 236 * MIB;

/// A limit is looked up again after a second.
const LOOKED_UP_AGAIN: Duration = Duration::from_millis(1_200);

/// Few enough that they are freed long before any of their pages is due, on a busy machine too.
const BLOCK_BYTES: usize = 64 << 10;

/// A decay time for which a test can wait.
const DECAY_MS: i64 = 3_000;

/// Tells the subject where its group's files are.
const GROUP: &str = "HEAPLEDGER_TEST_GROUP";

/// A group of its own below the one that this process is in; removed at the end.
struct Group(PathBuf);

impl Group {
    /// Of version 1 or 2, whichever counts memory here; or why none can be made.
    fn make() -> Result<Self, String> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let mut why = "no control group counts memory".to_owned();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
            let point = match kinds {
                "" => "/sys/fs/cgroup",
                _ if kinds.split(',').any(|kind| kind == "memory") => "/sys/fs/cgroup/memory",
                _ => continue,
            };
            // In a container the group may be mounted as the topmost one.
            for above in [Path::new(point).join(path.trim_start_matches('/')), PathBuf::from(point)] {
                let group = Self(above.join(format!("heapledger-{}", std::process::id())));
                match std::fs::create_dir(&group.0)
                    .and_then(|()| std::fs::write(group.limit(), LIMIT_BYTES.to_string()))
                {
                    Ok(()) => return Ok(group),
                    Err(error) => why = format!("{}: {error}", group.0.display()),
                }
            }
        }
        Err(why)
    }

    /// The file with its limit.
    fn limit(&self) -> PathBuf {
        let unified = self.0.join("memory.max");
        if unified.exists() { unified } else { self.0.join("memory.limit_in_bytes") }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What is left of a group that could not be removed is empty, and harms nobody.
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_nearly_full_group_is_told_until_others_findings_or_a_higher_limit_help() {
    let name = "a_nearly_full_group_is_told_until_others_findings_or_a_higher_limit_help";
    let group = match Group::make() {
        Ok(group) => group,
        Err(why) => return skipped(name, &format!("no control group with a limit can be made ({why})")),
    };
    again::run("cgroup::subject_nearly_full", &[(GROUP, group.0.to_str().expect("its path is text"))]);
}

/// The group has the limit, so no other process's memory decides.
#[test]
#[ignore = "a process of its own, in a group of its own"]
fn subject_nearly_full() {
    let group = Group(PathBuf::from(std::env::var_os(GROUP).expect("the group is made")));
    std::fs::write(group.0.join("cgroup.procs"), "0").expect("a process may enter a group that it made");
    heapledger::configure().dirty_decay_ms(DECAY_MS).expect("it is a decay time");
    assert_eq!(find(&take(), FindingId::CgroupNearlyFull), None, "it is nearly empty yet");

    let blocks: Vec<Vec<u8>> = A.scope(|| (0..BLOCKS_BYTES / BLOCK_BYTES).map(|_| vec![1; BLOCK_BYTES]).collect());
    drop(blocks);
    let full = take();
    let finding = find(&full, FindingId::CgroupNearlyFull).unwrap_or_else(|| panic!("it is not told\n{full}"));
    println!("{finding}");
    assert_eq!(finding.remedy, "apply the other findings, largest first, or raise memory.max of the group");
    assert_eq!(full.figure(LineId::CgroupLimit).as_exact(), Some(LIMIT_BYTES as i64));
    let used = full.figure(LineId::CgroupCurrent).as_exact().expect("the group counts");
    assert!(used > LIMIT_BYTES as i64 / 10 * 9, "{used}");

    // The second remedy, and back.
    let set = |bytes: usize| {
        std::fs::write(group.limit(), bytes.to_string()).expect("the limit can be set");
        std::thread::sleep(LOOKED_UP_AGAIN);
    };
    set(2 * LIMIT_BYTES);
    assert_eq!(find(&take(), FindingId::CgroupNearlyFull), None, "the limit is twice as high");
    set(LIMIT_BYTES);

    // The control: an idle process gives nothing back, and the group stays nearly full.
    let idle = take();
    assert!(find(&idle, FindingId::CgroupNearlyFull).is_some(), "{idle}");

    // The first remedy: of the other findings, the largest.
    let others = idle.findings();
    let largest = others.iter().find(|other| other.id != FindingId::CgroupNearlyFull).expect("there is another");
    assert_eq!(largest.remedy, "heapledger::configure().background_threads(true)");
    heapledger::configure().background_threads(true).expect("they can be started");
    std::thread::sleep(take().forecast().over_after().expect("it ends now"));
    let cured = take();
    assert_eq!(find(&cured, FindingId::CgroupNearlyFull), None, "{cured}");
    // The group is its maker's.
    std::mem::forget(group);
}
