//! One run: a fresh process of an engine, and the line that it prints.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use workloads::Info;

use crate::build::{Built, Kind};
use crate::engines::Engine;

/// A run takes well under a second, and some twenty seconds under valgrind; one that takes this long hangs.
pub const LIMIT: Duration = Duration::from_secs(300);

/// What an engine measured in one run.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    /// Wall-clock time of the timed part.
    pub elapsed_ns: u64,
    /// Processor time of the timed part.
    pub cpu_ns: u64,
    /// How many operations the timed part did.
    pub operations: u64,
    /// The process's highest RSS, or `None` where the kernel does not say.
    pub peak_rss_bytes: Option<u64>,
}

/// Runs `workload` once in a process of its own, which may take `limit`, with `part` of its iterations less.
pub fn measure(built: &Built, workload: &Info, part: u64, limit: Duration) -> Result<Sample, String> {
    let iterations = built.engine.iterations(workload, part).to_string();
    let arguments = [workload.id, "--iterations", &iterations];
    sample(&within(&mut command(built.program(Kind::of(workload.class))?, built.engine, &arguments), limit)?)
}

/// A fresh process of `engine`, with nothing in its environment but what it is told through it: a variable such as
/// `MALLOC_CONF` would change what is measured, and the length of the others moves the stack.
pub fn command(program: &Path, engine: &Engine, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(engine.environment.iter().copied()).args(arguments);
    command
}

/// What an engine printed, as a sample.
pub fn sample(line: &str) -> Result<Sample, String> {
    serde_json::from_str(line).map_err(|error| format!("cannot read what the engine printed: {error}: {line:?}"))
}

/// Asks an engine what its allocator is, and whether it is the engine that it should be.
pub fn describe(program: &Path, engine: &Engine) -> Result<Value, String> {
    let line = within(&mut command(program, engine, &["describe"]), LIMIT)?;
    let mut told: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))?;
    if told["engine"] != engine.id {
        return Err(format!("the program of {} says that it is {}", engine.id, told["engine"]));
    }
    Ok(told["allocator"].take())
}

/// What `command` prints, if it succeeds within `limit`.
pub fn within(command: &mut Command, limit: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
    let told = collect(&mut child, limit);
    if told.is_none() {
        // The process may have ended by itself just now; then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the engine: {error}"))?;
    let (out, err) = told.ok_or_else(|| format!("it did not end within {} s", limit.as_secs()))?;
    if status.success() {
        return Ok(out);
    }
    Err(format!("it ended with {status}: {}", err.trim()))
}

/// Both outputs of `child`, or `None` if it keeps one open beyond the limit. Each is read by a thread, so that the
/// harness sleeps and takes no processor time from what it measures.
fn collect(child: &mut Child, limit: Duration) -> Option<(String, String)> {
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = std::time::Instant::now() + limit;
    Some((out.recv_deadline(deadline).ok()?, err.recv_deadline(deadline).ok()?))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> crossbeam_channel::Receiver<String> {
    let (send, receive) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // The receiver is gone if the limit has passed.
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{LIMIT, sample, within};

    #[test]
    fn a_failing_program_is_reported_with_what_it_said() {
        let mut failing = Command::new("/bin/sh");
        let error = within(failing.args(["-c", "echo no room >&2; exit 3"]), LIMIT).expect_err("it fails");
        assert!(error.contains("no room") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_and_its_limit_named() {
        let limit = Duration::from_secs(1);
        let error = within(Command::new("/bin/sleep").arg("600"), limit).expect_err("it takes ten minutes");
        assert!(error.contains("within 1 s"), "{error}");
    }

    #[test]
    fn what_is_not_a_sample_is_shown() {
        let error = sample("ring").expect_err("it is no measurement");
        assert!(error.contains("ring"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = within(&mut Command::new("/no/such/engine"), LIMIT).expect_err("it is not there");
        assert!(error.contains("/no/such/engine"), "{error}");
    }
}
