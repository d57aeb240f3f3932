//! Starts a probe, waits for it with a deadline, and reads what it printed.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heapledger_harness::settings;
use heapledger_tests::os::process;
use serde_json::Value;

/// Only so that a test that would wait for ever fails instead; nothing is judged by time.
const DEADLINE: Duration = Duration::from_secs(240);

/// How often a running probe is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// A probe that has not been started yet.
pub struct Probe {
    command: Command,
}

/// How a probe ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Probe {
    /// The probe of this name with the ledger as the program's allocator.
    pub fn ledger(name: &str) -> Probe {
        Self::of(env!("CARGO_BIN_EXE_probe-ledger"), name)
    }

    /// The same probe with jemalloc as it is.
    pub fn plain(name: &str) -> Probe {
        Self::of(env!("CARGO_BIN_EXE_probe-plain"), name)
    }

    /// The same probe with the C library's allocator.
    pub fn system(name: &str) -> Probe {
        Self::of(env!("CARGO_BIN_EXE_probe-system"), name)
    }

    fn of(program: &str, name: &str) -> Probe {
        let mut probe = Probe::through(&[program]);
        // The same argument for each binary: its length is part of what a probe allocates.
        probe.command.arg0("probe").arg(name);
        probe
    }

    /// A probe started by another program, which gets the rest of the words as its first arguments.
    pub fn through(words: &[&str]) -> Probe {
        let mut command = Command::new(words[0]);
        // Messages in English, and jemalloc's settings only by `settings`.
        command.args(&words[1..]).env("LC_ALL", "C").env_remove("_RJEM_MALLOC_CONF").env_remove("MALLOC_CONF");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that its children end with it.
        command.process_group(0);
        Probe { command }
    }

    /// One more argument for the program that starts the probe.
    pub fn arg(mut self, word: &str) -> Probe {
        self.command.arg(word);
        self
    }

    /// An option of the probe.
    pub fn option(mut self, key: &str, value: u64) -> Probe {
        self.command.arg(format!("{key}={value}"));
        self
    }

    /// jemalloc's settings.
    pub fn settings(mut self, settings: &str) -> Probe {
        self.command.env(settings::VARIABLE, settings::told(settings));
        self
    }

    /// At the same addresses in each run: what depends on where the heap lies is then the same, too.
    pub fn at_fixed_addresses(mut self) -> Probe {
        process::fix_addresses(&mut self.command);
        self
    }

    /// Runs it to its end, whatever that is.
    pub fn end(mut self) -> Ended {
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        self.await_end(child)
    }

    /// As `end`; `None` when there is no such program.
    pub fn end_if_there(mut self) -> Option<Ended> {
        let child = self.command.spawn().ok()?;
        Some(self.await_end(child))
    }

    fn await_end(&self, mut child: Child) -> Ended {
        let stdout = read_all(child.stdout.take().unwrap());
        let stderr = read_all(child.stderr.take().unwrap());
        let status = wait(&mut child);
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let Some(status) = status else {
            panic!("{:?} did not end within {DEADLINE:?}; it printed:\n{stdout}\n{stderr}", self.command)
        };
        Ended { status, stdout, stderr }
    }

    /// Runs it to a successful end, and returns the object that it printed.
    pub fn run(self) -> Value {
        let shown = format!("{:?}", self.command);
        let ended = self.end();
        let (code, signal) = (ended.status.code(), ended.status.signal());
        assert!(ended.status.success(), "{shown} ended with code {code:?}, signal {signal:?}:\n{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{shown}: {error} in {}", ended.stdout))
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end of a child, or kills it and its children after the deadline.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(GLANCE);
    }
    process::kill_group(child.id());
    child.wait().unwrap();
    None
}

/// A number somewhere in what a probe printed.
#[track_caller]
pub fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer} of {value}"))
}
