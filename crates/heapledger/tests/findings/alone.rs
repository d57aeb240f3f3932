//! A test that is a process of its own.

use std::process::Command;

/// Runs one of the ignored tests, by its path, in a process of its own.
pub fn alone(name: &str) {
    alone_with(name, &[]);
}

/// The same with variables of the environment.
pub fn alone_with(name: &str, variables: &[(&str, &str)]) {
    let program = std::env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env_remove("_RJEM_MALLOC_CONF");
    let output = command.envs(variables.iter().copied()).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{name} is no test\n{text}");
}
