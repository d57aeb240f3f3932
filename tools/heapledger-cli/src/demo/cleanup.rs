//! What must not outlive the demo: its temporary folder and its child process.
//!
//! Both are kept behind one lock, and everything that makes or removes them does so while holding it. A signal is
//! handled by a thread that takes the lock, removes both and ends the process, so it acts at once whatever the main
//! thread is blocked in: a pipe that nobody reads, a slow disk, or a write to a terminal that is paused.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::output::SIGNAL_EXIT_BASE;

/// How long the main thread sleeps between two looks at whether the child has ended.
const POLL_EVERY: Duration = Duration::from_millis(2);

/// How long a signal waits for the main thread to leave the lock. It is held for a few system calls at most, and for
/// the removal of a file, which takes a while for a very large one.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The folder and the child, shared with the thread that waits for signals. Removes both when dropped, also on a panic.
#[derive(Debug)]
pub struct Cleanup {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    folder: Option<TempDir>,
    child: Option<Child>,
    /// Set once a signal came; from then on the main thread makes nothing new and says nothing more.
    stopped: bool,
}

impl Held {
    /// Ends and reaps the child and removes the folder, as far as they are there. Blocks for as long as a disk takes to
    /// forget a file. What cannot be removed is left: there is nobody to tell.
    fn remove_all(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if the child has been reaped already.
            let _ = child.kill();
            let _ = child.wait();
        }
        drop(self.folder.take());
    }
}

impl Cleanup {
    /// Starts the thread that handles SIGINT, SIGTERM and SIGHUP. A SIGHUP that the parent had ignored, as `nohup`
    /// does, stays ignored. SIGXFSZ gets a handler that does nothing, so that a write beyond `ulimit -f` is an error
    /// and not the end.
    ///
    /// # Errors
    /// The system refused a handler or a thread.
    pub fn start() -> std::io::Result<Self> {
        let held = Arc::new(Mutex::new(Held::default()));
        let mut wanted = vec![SIGINT, SIGTERM];
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted)?;
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let shared = Arc::clone(&held);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // The lock stays taken, so that the main thread cannot report the child's end as a failure meanwhile.
                let _held = stop(&shared);
                std::process::exit(SIGNAL_EXIT_BASE + signal);
            }
        })?;
        Ok(Self { held })
    }

    /// Makes the temporary folder and a file in it. Call it once.
    ///
    /// # Errors
    /// The system refused either.
    pub fn create_file(&self, name: &str) -> std::io::Result<(File, PathBuf)> {
        let mut held = self.lock();
        let folder = tempfile::Builder::new().prefix("heapledger-demo-").tempdir()?;
        let path = folder.path().join(name);
        // Held before the file is made, so that a refusal leaves nothing behind.
        held.folder = Some(folder);
        Ok((File::create_new(&path)?, path))
    }

    /// Removes the temporary folder, if there is one.
    ///
    /// # Errors
    /// The system refused; the path is in the error.
    pub fn remove_folder(&self) -> std::io::Result<()> {
        self.lock().folder.take().map_or(Ok(()), TempDir::close)
    }

    /// Starts the child. Its standard input and output must be piped. Call it once.
    ///
    /// # Errors
    /// The system refused.
    pub fn spawn(&self, command: &mut Command) -> std::io::Result<(u32, ChildStdin, ChildStdout)> {
        let mut held = self.lock();
        let mut child = command.spawn()?;
        let pid = child.id();
        let pipes = child.stdin.take().zip(child.stdout.take());
        held.child = Some(child);
        let (input, output) = pipes.ok_or_else(|| std::io::Error::other("the child was started without pipes"))?;
        Ok((pid, input, output))
    }

    /// The child's exit status if it has ended, or has been taken away; never blocks.
    ///
    /// # Errors
    /// The system refused.
    pub fn child_status(&self) -> std::io::Result<Option<ExitStatus>> {
        self.lock().child.as_mut().map_or(Ok(None), Child::try_wait)
    }

    /// Waits for the child to end, at most `patience`. The lock is free while waiting.
    ///
    /// # Errors
    /// The system refused.
    pub fn wait_child(&self, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            let status = self.child_status()?;
            if status.is_some() || started.elapsed() >= patience {
                return Ok(status);
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// Removes everything now. After it the process may end. Does not return if a signal came first.
    pub fn finish(&self) {
        self.lock().remove_all();
    }

    /// The path of the temporary folder that would be used.
    pub fn parent_folder() -> PathBuf {
        std::env::temp_dir()
    }

    /// Takes the lock, or sleeps for ever if the signal thread is ending the process.
    fn lock(&self) -> MutexGuard<'_, Held> {
        let held = lock(&self.held);
        if held.stopped {
            drop(held);
            loop {
                std::thread::park();
            }
        }
        held
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Removes everything on behalf of a signal. A main thread that is stuck while it holds the lock, in a file system that
/// does not answer, is not waited for: then the child ends with its pipe, and the folder has to stay.
fn stop(held: &Mutex<Held>) -> Option<MutexGuard<'_, Held>> {
    let started = Instant::now();
    loop {
        let mut held = match held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if started.elapsed() < STUCK_AFTER => {
                std::thread::sleep(POLL_EVERY);
                continue;
            }
            Err(TryLockError::WouldBlock) => return None,
        };
        held.stopped = true;
        held.remove_all();
        return Some(held);
    }
}

/// A panic elsewhere does not make the folder or the child less in need of removal.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process was started with `signal` ignored. Where /proc does not tell, it is taken as not ignored.
fn is_ignored(signal: i32) -> bool {
    let ignored = |status: &str| -> Option<u64> {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    let mask = std::fs::read_to_string(Path::new("/proc/self/status")).ok().and_then(|status| ignored(&status));
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
