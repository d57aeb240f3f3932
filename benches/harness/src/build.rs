//! From an engine of the list to a program that can be run.

mod kind;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub use self::kind::Kind;
use crate::engines::{Engine, PLAIN};
use crate::{WORKSPACE, run};

/// An engine after it was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Which one it is.
    pub engine: &'static Engine,
    /// The program of each build that was asked for, or why there is none.
    programs: Vec<(Kind, Result<PathBuf, String>)>,
    /// What its allocator says of itself.
    pub allocator: Value,
}

impl Built {
    /// The program of the build `kind`, or why there is none.
    pub fn program(&self, kind: Kind) -> Result<&Path, String> {
        match self.programs.iter().find(|(one, _)| *one == kind) {
            Some((_, Ok(program))) => Ok(program),
            Some((_, Err(reason))) => Err(reason.clone()),
            None => Err(format!("its program with {} was not asked for", kind.profile().join(", "))),
        }
    }

    /// The builds that were asked for.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.programs.iter().map(|(kind, _)| *kind)
    }

    /// An engine that was not built, for tests of what is made of its answers.
    #[cfg(test)]
    pub fn without_program(engine: &'static Engine, allocator: Value) -> Built {
        Built { engine, programs: Vec::new(), allocator }
    }
}

/// Builds the `kinds` of `engine`, or finds them in the folder `built`, and asks one what its allocator is. An engine that
/// cannot be built says why where its results would stand; only the plain one must be there.
pub fn build(engine: &'static Engine, kinds: &[Kind], built: Option<&Path>) -> Result<Built, String> {
    let name = format!("bench-{}", engine.id);
    let program = |kind: &Kind| (*kind, binary(engine.folder, &name, engine.feature, *kind, built));
    let programs: Vec<_> = Kind::ALL.iter().filter(|kind| kinds.contains(kind)).map(program).collect();
    let one = programs.iter().rev().map(|(_, program)| program.as_ref());
    let one = one.reduce(|last, other| if last.is_ok() { last } else { other }).expect("some build is asked for");
    let described = one.map_err(|reason| reason.clone()).and_then(|program| run::describe(program, engine));
    let built = match described {
        Ok(allocator) => Built { engine, programs, allocator },
        Err(reason) if engine.id == PLAIN => return Err(reason),
        Err(reason) => {
            eprintln!("note: {} is not measured: {}", engine.id, reason.lines().next().unwrap_or_default());
            let programs = programs.into_iter().map(|(kind, _)| (kind, Err(reason.clone()))).collect();
            Built { engine, programs, allocator: Value::Null }
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
    kind: Kind,
    built: Option<&Path>,
) -> Result<PathBuf, String> {
    let kept = kind.kept(binary);
    if let Some(built) = built {
        return found(built, kept.as_deref().unwrap_or(binary));
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
    for setting in kind.profile() {
        command.args(["--config", &format!("profile.release.{setting}")]);
    }
    for feature in kind.feature().into_iter().chain(feature) {
        command.args(["--features", feature]);
    }
    let output = command.output().map_err(|error| format!("cannot start cargo to build it: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build it ({})", output.status));
    }
    let program = executable(&output.stdout, binary)
        .ok_or_else(|| format!("cargo built it but named no program called {binary}"))?;
    kept.map_or(Ok(program.clone()), |name| copied(&program, &name))
}

/// A copy of `program` beside it, called `name`.
fn copied(program: &Path, name: &str) -> Result<PathBuf, String> {
    let copy = program.with_file_name(name);
    std::fs::copy(program, &copy).map_err(|error| format!("cannot copy {}: {error}", program.display()))?;
    Ok(copy)
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
