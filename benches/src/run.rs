//! One run: a fresh process of an engine, and the line that it prints.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// A run takes well under a second, and some twenty seconds under valgrind; one that takes this long hangs.
const LIMIT: Duration = Duration::from_secs(300);

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

/// Runs `workload` once in a process of its own.
pub fn measure(program: &Path, workload: &str) -> Result<Sample, String> {
    let line = output(Command::new(program).arg(workload))?;
    serde_json::from_str(&line).map_err(|error| format!("cannot read what the engine printed: {error}: {line:?}"))
}

/// Asks an engine what its allocator is, and whether it is the engine that it should be.
pub fn describe(program: &Path, id: &str) -> Result<Value, String> {
    let line = output(Command::new(program).arg("describe")).map_err(|error| format!("{id}: {error}"))?;
    let mut told: Value = serde_json::from_str(&line).map_err(|error| format!("{id}: {error}: {line:?}"))?;
    if told["engine"] != id {
        return Err(format!("the program of {id} says that it is {}", told["engine"]));
    }
    Ok(told["allocator"].take())
}

/// What `command` prints, if it succeeds within the limit. It gets no environment: a variable such as `MALLOC_CONF`
/// would change what is measured, and the length of the others moves the stack.
pub fn output(command: &mut Command) -> Result<String, String> {
    let mut child = command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
    let told = collect(&mut child);
    if told.is_none() {
        // The process may have ended by itself just now; then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the engine: {error}"))?;
    let (out, err) = told.ok_or_else(|| format!("it did not end within {} s", LIMIT.as_secs()))?;
    if status.success() {
        return Ok(out);
    }
    Err(format!("it ended with {status}: {}", err.trim()))
}

/// Both outputs of `child`, or `None` if it keeps one open beyond the limit. Each is read by a thread, so that the
/// harness sleeps and takes no processor time from what it measures.
fn collect(child: &mut Child) -> Option<(String, String)> {
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = std::time::Instant::now() + LIMIT;
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
    use std::path::Path;
    use std::process::Command;

    use super::{measure, output};

    #[test]
    fn a_failing_program_is_reported_with_what_it_said() {
        let error = output(Command::new("/bin/sh").args(["-c", "echo no room >&2; exit 3"])).expect_err("it fails");
        assert!(error.contains("no room") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_prints_something_else_is_not_a_measurement() {
        let error = measure(Path::new("/bin/echo"), "ring").expect_err("echo measures nothing");
        assert!(error.contains("ring"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = output(&mut Command::new("/no/such/engine")).expect_err("it is not there");
        assert!(error.contains("/no/such/engine"), "{error}");
    }
}
