//! Ends that were not planned: signals, a dead device, a reader that leaves, full disks. Nothing may be left behind.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use heapledger_harness::skipped;
use rustix::process::{Signal, kill_process_group};
use support::{Place, has_ended, is_blocked, is_stopped, send, sleeps_on, text, wait_for};

/// Long enough to be interrupted anywhere.
const LONG: [&str; 5] = ["demo", "--size", "16MiB", "--requests", "50000000"];

/// The same with a transfer that takes a while.
const LONG_TRANSFER: [&str; 5] = ["demo", "--size", "256MiB", "--requests", "50000000"];

#[test]
fn ctrl_c_while_writing_removes_the_file() {
    let place = Place::new();
    let running = place.start(&["demo", "--size", "1GiB"]);
    wait_for("the model file", || place.model_file());
    send(running.pid(), Signal::INT);
    let (status, stderr) = running.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(130), ""));
    place.assert_empty();
}

#[test]
fn signals_while_serving_end_the_device_too() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        if is_ignored(signal) {
            // As under nohup: the demo respects it, and would go on serving.
            skipped(&format!("{signal:?}"), "it was ignored when the tests were started");
            continue;
        }
        let place = Place::new();
        // To the whole group, as a terminal does it.
        let child = place.command(&LONG).process_group(0).spawn().unwrap();
        let mut running = support::Running { child };
        running.read_to_stage("kv_cache");
        let device = running.wait_for_device();
        kill_process_group(running.pid(), signal).unwrap();
        let (status, stderr) = running.end();
        assert_eq!((status.code(), stderr.as_str()), (Some(code), ""));
        assert!(has_ended(device));
        place.assert_empty();
    }
}

/// Whether whoever started the tests ignores the signal, which the programs that they start inherit.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

#[test]
fn ctrl_c_while_blocked_on_a_device_that_does_not_read_acts_at_once() {
    let place = Place::new();
    let running = place.start(&LONG_TRANSFER);
    let device = running.wait_for_device();
    send(device, Signal::STOP);
    wait_for("the device to stop", || is_stopped(device).then_some(()));
    send(running.pid(), Signal::INT);
    let (status, stderr) = running.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(130), ""));
    assert!(has_ended(device));
    place.assert_empty();
}

#[test]
fn ctrl_c_while_blocked_on_a_reader_that_does_not_read_acts_at_once() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    // Opened anew, so that only our end does not wait.
    let again = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut filler = File::options().write(true).custom_flags(nonblocking()).open(again).unwrap();
    let mut command = place.command(&LONG_TRANSFER);
    let running = support::Running { child: command.stdout(writer).spawn().unwrap() };
    wait_for("the model file", || place.model_file());
    // While the model is being written: the next stage has no room in the pipe.
    while filler.write(&[b'x'; 4096]).is_ok() {}
    while filler.write(b"x").is_ok() {}
    wait_for("the demo to block", || is_blocked(running.pid()).then_some(()));
    send(running.pid(), Signal::INT);
    let (status, stderr) = running.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(130), ""));
    drop((command, filler, reader));
    place.assert_empty();
}

#[test]
fn the_first_stage_is_told_before_the_model_is_written() {
    let place = Place::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let again = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut filler = File::options().write(true).custom_flags(nonblocking()).open(again).unwrap();
    // No room for the first stage, so that the demo stands where it tells it.
    while filler.write(&[b'x'; 4096]).is_ok() {}
    while filler.write(b"x").is_ok() {}
    let mut command = place.command(&LONG);
    let running = support::Running { child: command.stdout(writer).spawn().unwrap() };
    wait_for("the demo to block", || sleeps_on(running.pid()).then_some(()));
    place.assert_empty();
    let mut told = Vec::new();
    while !told.ends_with(b"== start,") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        told.push(byte[0]);
    }
    assert!(told.iter().filter(|byte| **byte != b'x').count() <= "\n== start,".len(), "it is the first");
}

#[test]
fn nohup_stays_in_force() {
    let place = Place::new();
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_heapledger")).args(LONG).env("TMPDIR", place.folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = match command.spawn() {
        Ok(child) => support::Running { child },
        Err(error) => return skipped("nohup_stays_in_force", &format!("no nohup here ({error})")),
    };
    running.read_to_stage("kv_cache");
    send(running.pid(), Signal::HUP);
    send(running.pid(), Signal::TERM);
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(143), "SIGHUP must have been ignored");
    place.assert_empty();
}

#[test]
fn a_device_killed_during_the_transfer_is_named_and_the_stages_so_far_stay() {
    let place = Place::new();
    let mut running = place.start(&LONG_TRANSFER);
    let device = running.wait_for_device();
    send(device, Signal::STOP);
    send(device, Signal::KILL);
    running.read_to_stage("tokenizer");
    let (status, stderr) = running.end();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("device process") && stderr.contains("signal: 9"), "{stderr}");
    assert!(stderr.contains(&device.as_raw_nonzero().to_string()), "{stderr}");
    place.assert_empty();
}

#[test]
fn a_device_killed_while_serving_is_named() {
    let place = Place::new();
    let mut running = place.start(&LONG);
    running.read_to_stage("kv_cache");
    send(running.wait_for_device(), Signal::KILL);
    let (status, stderr) = running.end();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("during serve") && stderr.contains("signal: 9"), "{stderr}");
    place.assert_empty();
}

#[test]
fn a_demo_that_is_killed_takes_its_device_with_it() {
    let place = Place::new();
    let mut running = place.start(&LONG);
    running.read_to_stage("kv_cache");
    let device = running.wait_for_device();
    send(running.pid(), Signal::KILL);
    running.end();
    wait_for("the device to end", || has_ended(device).then_some(()));
    // The demo's own model is removed as soon as it is loaded, so not even SIGKILL leaves it here.
    place.assert_empty();
}

#[test]
fn a_reader_that_leaves_ends_the_demo_quietly() {
    let place = Place::new();
    let mut child = place.command(&["demo", "--size", "4MiB"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("== start"), "{line}");
    let (status, stderr) = support::Running { child }.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(141), ""));
    place.assert_empty();
}

#[test]
fn a_closed_stdout_is_no_reason_to_panic() {
    let place = Place::new();
    let script = r#"exec "$0" demo --size 1MiB >&-"#;
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_heapledger")])
        .env("TMPDIR", place.folder.path())
        .output()
        .unwrap();
    // Rust opens /dev/null in place of a closed stdout, so there is nobody to miss the output.
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    place.assert_empty();
}

#[test]
fn a_full_disk_under_stdout_is_named() {
    for arguments in [&["demo", "--size", "1MiB"][..], &["demo", "--size", "1MiB", "--json"]] {
        let place = Place::new();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(arguments).stdout(full).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("stdout") && stderr.contains("No space left"), "{stderr}");
        place.assert_empty();
    }
}

#[test]
fn a_full_stderr_does_not_hide_the_exit_code() {
    let place = Place::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = place.command(&["demo", "--model", "/no/such"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap()
}

#[test]
fn limits_of_the_process_are_named_and_nothing_is_left() {
    for (limit, words) in [
        ("ulimit -f 1000", ["longer than this process may write", "ulimit -f"]),
        // Enough for the program and its own tables, too little for the weights.
        ("ulimit -v 150000", ["no memory for", "smaller model"]),
    ] {
        let place = Place::new();
        let script = format!("{limit}; exec \"$0\" demo --size 128MiB");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_heapledger")])
            .env("TMPDIR", place.folder.path())
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{limit}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{limit}: {stderr}");
        place.assert_empty();
    }
}

/// A tmpfs mounted for one test, unmounted at its end.
struct Mount<'place>(&'place Place);

impl<'place> Mount<'place> {
    fn new(place: &'place Place, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place.folder.path());
        let mounted = mount.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(place))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.folder.path()).status();
    }
}

#[test]
fn a_full_temporary_disk_is_named_with_the_way_out() {
    for (options, size, words) in [
        // Too small from the start; and large enough by its free space, but without room for one more file.
        ("size=1m", "8MiB", ["--size", "TMPDIR"]),
        ("size=64m,nr_inodes=2", "8MiB", ["No space left", "TMPDIR"]),
    ] {
        let place = Place::new();
        let Some(_mount) = Mount::new(&place, options) else {
            return skipped("a_full_temporary_disk_is_named_with_the_way_out", "mounting a tmpfs needs root");
        };
        let output = place.run(&["demo", "--size", size]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
        assert!(stderr.contains(place.folder.path().to_str().unwrap()), "{stderr}");
    }
}
