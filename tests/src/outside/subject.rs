//! Starts a probe that takes statements, and has each of them taken under watch.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use heapledger::Statement;
use serde_json::Value;

use super::sight::{self, Sight};
use super::watch;
use crate::audit::table::Table;

/// A running probe.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    tell: ChildStdin,
    told: BufReader<ChildStdout>,
    errors: JoinHandle<String>,
}

/// A statement, what the probe says of itself, and what another process saw at the same moment.
#[derive(Debug)]
pub struct Taken {
    /// The statement.
    pub statement: Statement,
    /// What the probe knows: addresses, mostly.
    pub facts: Value,
    /// What the kernel said of it from outside.
    pub seen: Sight,
    /// Its list of blocks, if it keeps one.
    pub audit: Option<Table<Vec<u64>>>,
}

impl Subject {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Why this user may not look on.
    pub fn start(mut command: Command) -> Result<Subject, String> {
        if !sight::tells_zeroes() {
            return Err("pagemap hides frames from this user, so pages of zeroes cannot be told".to_owned());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut errors = child.stderr.take().expect("a pipe");
        let read_errors = move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        let (tell, told) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let pid = child.id().cast_signed();
        let subject = Subject { child, tell, told: BufReader::new(told), errors: std::thread::spawn(read_errors) };
        match watch::attempt(pid) {
            Ok(()) => Ok(subject),
            Err(error) => {
                let mut child = subject.child;
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("this user may not trace its children: {error}"))
            }
        }
    }

    /// The next statement; `None` when the probe has ended well.
    pub fn next_statement(&mut self) -> Option<Taken> {
        let ready = self.line()?;
        let Some(pid) = ready["ready"].as_i64().and_then(|pid| i32::try_from(pid).ok()) else {
            assert_eq!(ready["done"], true, "the probe says what it does: {ready}");
            return None;
        };
        let place = |index: usize| ready["list"][index].as_u64().unwrap_or_default();
        let (list, list_bytes) = (place(0), place(1));
        let (mut seen, mut audit) = (None, None);
        let tell = &mut self.tell;
        let go = || tell.write_all(b"\n").expect("the probe listens");
        let watched = watch::until_printed(pid, go, || {
            let sight = Sight::of(pid);
            audit = (list_bytes > 0).then(|| sight.words(pid, list, list + list_bytes));
            seen = Some(sight);
        });
        if let Err(error) = watched {
            self.fail(&format!("{error}"));
        }
        let facts = self.line().unwrap_or_else(|| self.fail("no statement was printed"));
        let statement = facts["statement"].as_str().unwrap_or_else(|| panic!("no statement in {facts}"));
        let statement = Statement::from_json(statement).expect("a statement of this version");
        let seen = seen.expect("a statement reads the status");
        Some(Taken { statement, facts, seen, audit: audit.map(Table::copied) })
    }

    /// Waits for its end.
    pub fn end(mut self) {
        assert!(self.next_statement().is_none(), "the probe takes no more statements than it is asked for");
        let status = self.child.wait().expect("a child can be waited for");
        let errors = self.errors.join().expect("errors are read");
        assert!(status.success(), "{status:?}\n{errors}");
    }

    /// Its next line; `None` at its end.
    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("the probe prints text");
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    fn fail(&mut self, what: &str) -> ! {
        let _ = self.child.kill();
        let errors = std::mem::replace(&mut self.errors, std::thread::spawn(String::new));
        panic!("{what}\n{}", errors.join().unwrap_or_default());
    }
}
