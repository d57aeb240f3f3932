//! Runs the program in a temporary folder of its own, so that whatever it leaves behind is seen.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Only so that a test that would wait for ever fails instead; nothing is judged by time.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until `found` gives something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The program and its temporary folder.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The program with these arguments, everything piped.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapledger"));
        command.args(arguments).env("TMPDIR", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end; nothing may be left in the temporary folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        self.assert_empty();
        output
    }

    /// Starts it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running { child: self.command(arguments).spawn().unwrap() }
    }

    pub fn assert_empty(&self) {
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// The model file that a running demo is writing.
    pub fn model_file(&self) -> Option<PathBuf> {
        let folder = std::fs::read_dir(self.folder.path()).ok()?.next()?.ok()?.path();
        Some(folder.join("model.safetensors")).filter(|path| path.exists())
    }
}

/// A demo that runs, killed if the test fails.
pub struct Running {
    pub child: Child,
}

impl Running {
    pub fn pid(&self) -> Pid {
        pid(self.child.id())
    }

    /// Reads stdout up to and including the header of this stage; what follows stays in the pipe.
    pub fn read_to_stage(&mut self, stage: &str) {
        let header = format!("== {stage},");
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(&header) {
            let mut byte = [0];
            stdout.read_exact(&mut byte).expect("the demo ended before this stage");
            text.push(byte[0]);
        }
    }

    /// The device, once it runs its own program. Before that it shares our memory and must not be stopped.
    pub fn wait_for_device(&self) -> Pid {
        let is_device = |&child: &Pid| {
            let arguments = std::fs::read(format!("/proc/{}/cmdline", child.as_raw_nonzero())).unwrap_or_default();
            arguments.ends_with(b"\0device\0")
        };
        wait_for("the device", || children_of(self.child.id()).into_iter().find(is_device))
    }

    /// Waits for the end; returns exit status and stderr. The rest of stdout is read, so that it cannot block.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut stdout = Vec::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_end(&mut stdout).unwrap();
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(raw: u32) -> Pid {
    Pid::from_raw(i32::try_from(raw).unwrap()).unwrap()
}

pub fn send(to: Pid, signal: Signal) {
    kill_process(to, signal).unwrap();
}

/// State letter and parent of a process, from /proc; `None` when there is none.
fn state_and_parent(process: &Path) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name in brackets may contain anything, brackets too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children_of(parent: u32) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbered = processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    let children = numbered.filter(|(_, path)| state_and_parent(path).is_some_and(|(_, ppid)| ppid == parent));
    children.map(|(number, _)| pid(number)).collect()
}

/// Whether a process has ended. One that only waits to be reaped has.
pub fn has_ended(process: Pid) -> bool {
    let path = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    state_and_parent(&path).is_none_or(|(state, _)| state == 'Z' || state == 'X')
}

/// Whether a process is stopped by a signal.
pub fn is_stopped(process: Pid) -> bool {
    let path = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    state_and_parent(&path).is_some_and(|(state, _)| state == 'T')
}

/// Whether a demo has started its signal thread and its main thread sleeps for several looks in a row.
pub fn is_blocked(process: Pid) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    tasks.is_ok_and(|tasks| tasks.count() > 1) && sleeps_on(process)
}

/// Whether its main thread waits for something, and goes on waiting.
pub fn sleeps_on(process: Pid) -> bool {
    let path = PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()));
    (0..100).all(|_| {
        std::thread::sleep(Duration::from_millis(2));
        state_and_parent(&path).is_some_and(|(state, _)| state == 'S')
    })
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
