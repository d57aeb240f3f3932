//! From an engine of the list to a program that can be run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use workloads::Class;

use crate::engines::{Engine, PLAIN};
use crate::{WORKSPACE, run};

/// An engine after it was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Which one it is.
    pub engine: &'static Engine,
    /// The program with the short workloads, or why there is none.
    small: Result<PathBuf, String>,
    /// The program with the larger programs, if one was asked for, or why there is none.
    large: Option<Result<PathBuf, String>>,
    /// What its allocator says of itself.
    pub allocator: Value,
}

impl Built {
    /// The program that runs workloads of `class`, or why there is none.
    pub fn program(&self, class: Class) -> Result<&Path, String> {
        let program = if class.is_large() { self.large.as_ref() } else { Some(&self.small) };
        match program {
            Some(Ok(program)) => Ok(program),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("its larger programs were not built".to_owned()),
        }
    }

    /// An engine that was not built, for tests of what is made of its answers.
    #[cfg(test)]
    pub fn without_program(engine: &'static Engine, allocator: Value) -> Built {
        Built { engine, small: Err("it is not there".to_owned()), large: None, allocator }
    }
}

/// Builds `engine` for workloads of the classes `needed`, or finds it in the folder `built`, and asks it what its
/// allocator is. An engine that cannot be built says why where its results would stand; only the plain one must be
/// there.
pub fn build(engine: &'static Engine, needed: &[Class], built: Option<&Path>) -> Result<Built, String> {
    let has = |large| needed.iter().any(|class| class.is_large() == large);
    // The larger programs first: cargo gives both builds one name, and the last one keeps it.
    let name = format!("bench-{}", engine.id);
    let large = has(true).then(|| match built {
        Some(folder) => found(folder, &kept_name(&name)),
        None => {
            binary(engine.folder, &name, engine.feature, Class::LargeProgram, None).and_then(|program| kept(&program))
        }
    });
    let small = if has(false) || large.is_none() {
        binary(engine.folder, &name, engine.feature, Class::Pattern, built)
    } else {
        Err("its short workloads were not built".to_owned())
    };
    let program = small.as_ref().or(large.as_ref().unwrap_or(&small).as_ref());
    let described = program.map_err(|reason| reason.clone()).and_then(|program| run::describe(program, engine));
    let built = match described {
        Ok(allocator) => Built { engine, small, large, allocator },
        Err(reason) if engine.id == PLAIN => return Err(reason),
        Err(reason) => {
            eprintln!("note: {} is not measured: {}", engine.id, reason.lines().next().unwrap_or_default());
            let large = large.map(|_| Err(reason.clone()));
            Built { engine, small: Err(reason), large, allocator: Value::Null }
        }
    };
    if engine.id == PLAIN && built.allocator["config"]["prof"] == Value::Bool(true) {
        return Err(
            "the plain engine was built with jemalloc's profiling (config.prof is true): it would not be plain".into(),
        );
    }
    Ok(built)
}

/// Builds one program of the folder `folder` under `benches/engines`, or finds it in the folder `built`: one cargo
/// call, so that the features which another engine asks of jemalloc do not reach it.
pub fn binary(
    folder: &str,
    binary: &str,
    feature: Option<&str>,
    class: Class,
    built: Option<&Path>,
) -> Result<PathBuf, String> {
    if let Some(built) = built {
        return found(built, binary);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| format!("{WORKSPACE}/target").into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--package", &format!("heapledger-bench-{folder}"), "--bin", binary])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(Path::new(WORKSPACE).join(target))
        .arg("--release")
        .current_dir(Path::new(WORKSPACE).join("benches/engines"))
        .stderr(Stdio::inherit());
    if class.is_large() {
        // Cargo's own release profile, as most programs are built; one compilation of their crates then serves every
        // engine. (`false` is thin optimisation among the units of each crate, `"off"` would be none at all.)
        command.args(["--features", "programs"]);
        command.args(["--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"]);
    }
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    let output = command.output().map_err(|error| format!("cannot start cargo to build it: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build it ({})", output.status));
    }
    executable(&output.stdout, binary).ok_or_else(|| format!("cargo built it but named no program called {binary}"))
}

/// A copy of `program` beside it, under a name that no other build takes.
fn kept(program: &Path) -> Result<PathBuf, String> {
    let copy = program.with_file_name(kept_name(&program.file_name().unwrap_or_default().to_string_lossy()));
    std::fs::copy(program, &copy).map_err(|error| format!("cannot copy {}: {error}", program.display()))?;
    Ok(copy)
}

fn kept_name(program: &str) -> String {
    format!("{program}-programs")
}

/// The program called `name` in `folder`, where somebody has built it before.
fn found(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let program = folder.join(name);
    if program.is_file() { Ok(program) } else { Err(format!("there is no program {}", program.display())) }
}

/// The ledger's engines among `built` whose jemalloc is not the plain one's in version, build flags or options. The
/// record says in what; an engine that is there to run another jemalloc is not meant.
pub fn unlike_plain(built: &[Built]) -> Vec<&'static str> {
    let Some(plain) = built.iter().find(|built| built.engine.id == PLAIN) else { return Vec::new() };
    let ours = |built: &&Built| built.engine.folder == "heapledger" && !built.allocator.is_null();
    built.iter().filter(ours).filter(|built| built.allocator != plain.allocator).map(|built| built.engine.id).collect()
}

/// The path of the program called `binary` in what cargo printed, one JSON message a line.
fn executable(messages: &[u8], binary: &str) -> Option<PathBuf> {
    messages.split(|byte| *byte == b'\n').find_map(|line| {
        let message: Value = serde_json::from_slice(line).ok()?;
        if message["reason"] != "compiler-artifact" || message["target"]["name"] != binary {
            return None;
        }
        message["executable"].as_str().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::{Built, executable, unlike_plain};
    use crate::engines::{PLAIN, find};

    #[test]
    fn the_program_is_found_among_the_other_messages_of_cargo() {
        let messages = br#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"bench-x"},"executable":"target/release/bench-x"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "bench-x"), Some(PathBuf::from("target/release/bench-x")));
        assert_eq!(executable(messages, "bench-y"), None);
    }

    #[test]
    fn a_program_that_was_not_built_before_is_named() {
        let error = super::found(std::path::Path::new("/no/such"), "bench-plain").expect_err("it is not there");
        assert!(error.contains("/no/such/bench-plain"), "{error}");
    }

    #[test]
    fn a_ledger_over_another_jemalloc_than_the_plain_one_is_named() {
        let built = |id, stats: bool| {
            Built::without_program(find(id).expect("it is in the list"), json!({ "config": { "stats": stats } }))
        };
        let alike = [built(PLAIN, true), built("heapledger-tagged", true)];
        assert!(unlike_plain(&alike).is_empty());
        let unlike = [built(PLAIN, false), built("heapledger-untagged", true)];
        assert_eq!(unlike_plain(&unlike), ["heapledger-untagged"]);
    }
}
