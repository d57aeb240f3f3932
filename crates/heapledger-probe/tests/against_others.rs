//! The readings of the running system against independent readers of the same, and made-up systems against what was put
//! into them.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use heapledger_harness::skipped;
use heapledger_probe::ReadError;
use heapledger_probe::read::{self, CgroupPlaces, Jemalloc, Roots};
use procfs::process::Process;

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Other tests of this process start, end and allocate now and then; a quiet moment comes within far fewer tries.
const TRIES_FOR_A_QUIET_MOMENT: usize = 200;

/// What the kernel counts, as procfs read it, in bytes.
fn by_procfs() -> [Option<u64>; 8] {
    let status = Process::myself().and_then(|process| process.status()).expect("procfs reads status");
    [
        status.vmrss,
        status.rssanon,
        status.rssfile,
        status.rssshmem,
        status.vmhwm,
        status.vmswap,
        status.vmpte,
        status.vmsize,
    ]
    .map(|kib| kib.map(|kib| kib * 1024))
}

#[test]
fn status_equals_what_procfs_reads() {
    let (ours, theirs) = (0..TRIES_FOR_A_QUIET_MOMENT)
        .find_map(|_| {
            let before = by_procfs();
            let ours = read::status(Roots::system());
            let after = by_procfs();
            (before == after).then_some((ours, after))
        })
        .expect("a moment in which nothing changes");
    let figures = [
        ours.rss_bytes,
        ours.rss_anon_bytes,
        ours.rss_file_bytes,
        ours.rss_shmem_bytes,
        ours.peak_rss_bytes,
        ours.swap_bytes,
        ours.page_tables_bytes,
        ours.virtual_bytes,
    ];
    // A field that this kernel does not have is missing for both.
    assert_eq!(figures.map(Result::ok), theirs);
    assert!(theirs[0].is_some(), "every kernel tells RSS");
    assert!(ours.threads.is_ok_and(|threads| threads >= 1));
    let (anon, file, shmem) = (ours.rss_anon_bytes, ours.rss_file_bytes, ours.rss_shmem_bytes);
    if let (Ok(anon), Ok(file), Ok(shmem)) = (anon, file, shmem) {
        assert_eq!(ours.rss_bytes, Ok(anon + file + shmem), "the kernel's split is exact");
    }
}

#[test]
fn statistics_keep_their_identities() {
    let held = vec![1_u8; 9 << 20];
    let quiet = (0..TRIES_FOR_A_QUIET_MOMENT).any(|_| {
        let read = read::stats(&Jemalloc).expect("built with statistics");
        assert!(read.allocated_bytes >= held.len() as u64);
        assert!(read.metadata_bytes >= read.internal_bytes);
        // Identity E: what is mapped beyond the pages of extents is base blocks, of 2 MiB each or a multiple.
        let extents = (read.pactive + read.pdirty + read.pmuzzy) * read.page_bytes;
        let base = read.mapped_bytes.checked_sub(extents);
        read.one_epoch
            && read.active_bytes == read.pactive * read.page_bytes
            && read.active_bytes >= read.allocated_bytes
            && base.is_some_and(|base| base >= read.base_allocated_bytes && base.is_multiple_of(2 << 20))
    });
    assert!(quiet, "no refresh kept the identities");
    drop(held);
}

/// A made-up /proc with these files in `self`.
fn made_up(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = folder.path().join("self");
    fs::create_dir(&own).expect("a folder");
    for (name, text) in files {
        fs::write(own.join(name), text).expect("a file");
    }
    folder
}

fn roots(proc: &Path) -> Roots<'_> {
    Roots { proc, sys: Path::new("/sys") }
}

#[test]
fn an_absent_proc_gives_reasons_and_no_numbers() {
    let nowhere = roots(Path::new("/nowhere"));
    let status = read::status(nowhere);
    for figure in [status.rss_bytes, status.swap_bytes, status.threads] {
        let error = figure.expect_err("there is no such file");
        assert_eq!(error.to_string(), "/proc/self/status: entity not found");
        assert!(error.remedy().contains("mount proc"));
    }
    assert!(CgroupPlaces::find(nowhere).is_err());
}

#[test]
fn a_status_that_is_a_directory_gives_reasons_and_no_numbers() {
    let folder = made_up(&[]);
    fs::create_dir(folder.path().join("self/status")).expect("a folder");
    let error = read::status(roots(folder.path())).rss_bytes.expect_err("a directory has no lines");
    assert!(error.to_string().starts_with("/proc/self/status"), "{error}");
}

#[test]
fn a_malformed_status_is_named_field_by_field() {
    let folder = made_up(&[("status", "VmRSS:\tmany kB\nThreads:\t3\n")]);
    let status = read::status(roots(folder.path()));
    assert_eq!(
        status.rss_bytes.map_err(|error| error.to_string()),
        Err("/proc/self/status: the value of VmRSS is malformed".into())
    );
    assert_eq!(status.threads, Ok(3));
    assert!(matches!(status.rss_anon_bytes, Err(ReadError::NoField { field: "RssAnon", .. })));
}

/// A made-up control group below a mount, in either version.
fn group(version_1: bool, path: &str, root: &str, current: &str, limit: &str) -> (tempfile::TempDir, String) {
    let mount = tempfile::tempdir().expect("a temporary folder");
    let below = path.strip_prefix(root).unwrap_or(path).trim_matches('/').to_owned();
    let folder = mount.path().join(below);
    fs::create_dir_all(&folder).expect("folders");
    let names =
        if version_1 { ["memory.usage_in_bytes", "memory.limit_in_bytes"] } else { ["memory.current", "memory.max"] };
    for (name, text) in names.into_iter().zip([current, limit]) {
        fs::write(folder.join(name), text).expect("a file");
    }
    let options = if version_1 { "cgroup cgroup rw,memory" } else { "cgroup2 cgroup2 rw" };
    let line = format!("35 31 0:32 {root} {} rw,relatime shared:9 - {options}\n", mount.path().display());
    (mount, line)
}

#[test]
fn version_2_is_read_below_its_mount() {
    let (_mount, line) = group(false, "/kube/pod", "/", "123456\n", "max\n");
    let proc = made_up(&[("mountinfo", &line), ("cgroup", "0::/kube/pod\n")]);
    let roots = roots(proc.path());
    let read = CgroupPlaces::find(roots).expect("mounts").read(roots);
    assert_eq!(read.current_bytes, Ok(123_456));
    assert_eq!(read.limit_bytes, Ok(None));
}

#[test]
fn version_1_has_the_memory_controller_where_both_are_mounted() {
    let (_one, line_1) = group(true, "/docker/abc/x", "/docker/abc", "77\n", "4294967296\n");
    let (_two, line_2) = group(false, "/", "/", "1\n", "2\n");
    let groups = "12:pids:/p\n5:cpu,memory:/docker/abc/x\n0::/\n";
    let proc = made_up(&[("mountinfo", &format!("{line_2}{line_1}")), ("cgroup", groups)]);
    let roots = roots(proc.path());
    let read = CgroupPlaces::find(roots).expect("mounts").read(roots);
    assert_eq!(read.current_bytes, Ok(77));
    assert_eq!(read.limit_bytes, Ok(Some(1 << 32)));
}

#[test]
fn a_group_that_cannot_be_seen_is_a_reason_and_not_a_zero() {
    let (_mount, line) = group(false, "/kube/pod", "/kube/other", "5\n", "6\n");
    for groups in ["0::/kube/pod\n", "", "nonsense\n", "0::/../up\n"] {
        let proc = made_up(&[("mountinfo", &line), ("cgroup", groups)]);
        let roots = roots(proc.path());
        let read = CgroupPlaces::find(roots).expect("mounts").read(roots);
        assert_eq!(read.current_bytes, Err(ReadError::NotMounted), "{groups:?}");
        assert_eq!(read.limit_bytes, Err(ReadError::NotMounted), "{groups:?}");
    }
}

#[test]
fn malformed_figures_of_a_group_name_the_file() {
    let (_mount, line) = group(false, "/", "/", "12 34\n", "much\n");
    let proc = made_up(&[("mountinfo", &line), ("cgroup", "0::/\n")]);
    let roots = roots(proc.path());
    let read = CgroupPlaces::find(roots).expect("mounts").read(roots);
    assert!(matches!(read.current_bytes, Err(ReadError::Malformed { file: "memory.current", .. })));
    assert!(matches!(read.limit_bytes, Err(ReadError::Malformed { file: "memory.max", .. })));
}

#[test]
fn the_running_systems_group_is_the_same_kept_or_looked_up() {
    let test = "the_running_systems_group_is_the_same_kept_or_looked_up";
    let roots = Roots::system();
    let looked_up = CgroupPlaces::find(roots).expect("mountinfo can be read").read(roots);
    for _ in 0..2 {
        let read = read::cgroup();
        assert_eq!(read.limit_bytes, looked_up.limit_bytes);
        match read.current_bytes {
            Ok(bytes) => assert!(bytes > 0, "this process is charged for something"),
            Err(error) => skipped(test, &format!("{error}; {}", error.remedy())),
        }
    }
}
