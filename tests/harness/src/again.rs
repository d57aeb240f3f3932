//! The test program once more, for one of its ignored tests: a process of its own.

use std::env::current_exe;
use std::process::{Command, Output};

use crate::settings::{VARIABLE, told};

/// What the harness is told, after the path of the test.
const ALONE: [&str; 4] = ["--exact", "--ignored", "--nocapture", "--test-threads=1"];

/// Runs the ignored test of this path with these variables of the environment, and returns what it printed.
///
/// # Panics
/// When it fails, or there is no such test.
pub fn run(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(current_exe().expect("a running program has a path"));
    tell(&mut command, test, variables);
    passed(test, &command.output().expect("the program starts"))
}

/// The same in a mount namespace of its own, after a command of the shell has changed what is mounted there; `$$` is
/// the process of the test. Takes root and util-linux.
///
/// # Errors
/// Why there can be no such place here.
///
/// # Panics
/// As [`run`].
pub fn run_where(mounts: &str, test: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let mut command = Command::new("unshare");
    // exec keeps the number of the process.
    command.args(["--mount", "sh", "-c", &format!("{mounts} && exec \"$0\" \"$@\"")]);
    command.arg(current_exe().expect("a running program has a path"));
    tell(&mut command, test, variables);
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("unshare:") || errors.contains("mount:") {
        return Err(errors.trim().to_owned());
    }
    Ok(passed(test, &output))
}

/// jemalloc's settings a test has only if it says so, and then they must be such.
fn tell(command: &mut Command, test: &str, variables: &[(&str, &str)]) {
    command.arg(test).args(ALONE).env_remove(VARIABLE);
    for (name, value) in variables {
        if *name == VARIABLE {
            command.env(name, told(value))
        } else {
            command.env(name, value)
        };
    }
}

fn passed(test: &str, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{test}: {text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{test} is no test\n{text}");
    text
}
