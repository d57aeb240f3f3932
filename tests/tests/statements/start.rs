//! Starts a probe in a state, and has its statements judged.

use std::os::unix::process::CommandExt;
use std::process::Command;

use heapledger_harness::{settings, skipped};
use heapledger_tests::outside::subject::{Subject, Taken};

use crate::judge;

/// A probe that has not been started yet.
pub struct State {
    command: Command,
}

impl State {
    /// The probe of this state.
    pub fn new(name: &str) -> State {
        Self::of(env!("CARGO_BIN_EXE_probe-ledger"), name)
    }

    /// The same, of a program that keeps a list of its blocks.
    pub fn audited(name: &str) -> State {
        Self::of(env!("CARGO_BIN_EXE_probe-audit"), name)
    }

    fn of(program: &str, name: &str) -> State {
        let mut command = Command::new(program);
        command.arg0("probe").arg(format!("state-{name}"));
        command.env("LC_ALL", "C").env_remove("_RJEM_MALLOC_CONF").env_remove("MALLOC_CONF");
        // On a disk, where the temporary folder may be in memory.
        command.env("HEAPLEDGER_TEST_FOLDER", env!("CARGO_TARGET_TMPDIR"));
        State { command }
    }

    /// An option of the probe.
    pub fn option(mut self, key: &str, value: u64) -> State {
        self.command.arg(format!("{key}={value}"));
        self
    }

    /// jemalloc's settings.
    pub fn settings(mut self, settings: &str) -> State {
        self.command.env(settings::VARIABLE, settings::told(settings));
        self
    }

    /// Runs it, and judges each of its statements as one of a quiet process; `and` gets them in their order.
    pub fn judge(self, count: usize, mut and: impl FnMut(usize, &Taken)) {
        let mut subject = match Subject::start(self.command) {
            Ok(subject) => subject,
            Err(reason) => {
                return skipped(std::thread::current().name().unwrap_or("a test of statements"), &reason);
            }
        };
        for index in 0..count {
            let taken = subject.next_statement().expect("the probe takes so many statements");
            judge::quiet(&taken);
            and(index, &taken);
        }
        subject.end();
    }

    /// The same for a first statement and a second one, of which the same is expected.
    pub fn judge_two(self, mut and: impl FnMut(&Taken)) {
        self.judge(2, |_, taken| and(taken));
    }
}
