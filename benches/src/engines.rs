//! The engines: one small program per allocator over the same workloads.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{WORKSPACE, run};

/// The engine that every ratio is a ratio to.
pub const PLAIN: &str = "plain";

/// An engine as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its name on the command line, in records and in tables.
    pub id: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// The package that holds it. Each is built by a cargo call of its own, so that the features which one engine asks
    /// of jemalloc do not reach another.
    pub package: &'static str,
    /// The binary in that package.
    pub binary: &'static str,
}

/// Every engine, in the order of the tables. To add one, write a package under `engines/` and a line here.
pub const ENGINES: &[Engine] = &[
    Engine { id: PLAIN, about: "plain jemalloc", package: "heapledger-bench-plain", binary: "bench-plain" },
    Engine {
        id: "heapledger-untagged",
        about: "heapledger, no region ever entered",
        package: "heapledger-bench-heapledger",
        binary: "bench-heapledger-untagged",
    },
    Engine {
        id: "heapledger-tagged",
        about: "heapledger, regions entered as the workload says",
        package: "heapledger-bench-heapledger",
        binary: "bench-heapledger-tagged",
    },
];

/// The engine called `id`.
pub fn find(id: &str) -> Option<&'static Engine> {
    ENGINES.iter().find(|engine| engine.id == id)
}

/// An engine that can be run.
#[derive(Clone, Debug)]
pub struct Built {
    /// Which one it is.
    pub engine: &'static Engine,
    /// The program.
    pub program: PathBuf,
    /// What its allocator says of itself.
    pub allocator: Value,
}

/// Builds `engine` in release mode and asks it what its allocator is.
pub fn build(engine: &'static Engine) -> Result<Built, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", engine.package, "--bin", engine.binary])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(WORKSPACE)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo to build {}: {error}", engine.id))?;
    if !output.status.success() {
        return Err(format!("cargo could not build {} ({})", engine.id, output.status));
    }
    let program = executable(&output.stdout, engine.binary)
        .ok_or_else(|| format!("cargo built {} but named no program called {}", engine.id, engine.binary))?;
    let allocator = run::describe(&program, engine.id)?;
    if engine.id == PLAIN && allocator["config"]["prof"] == Value::Bool(true) {
        return Err(
            "the plain engine was built with jemalloc's profiling (config.prof is true): it would not be plain".into(),
        );
    }
    Ok(Built { engine, program, allocator })
}

/// The ledger's engines among `built` whose jemalloc is not the plain one's in version, build flags or options. The
/// record says in what; an engine that is there to run another jemalloc is not meant.
pub fn unlike_plain(built: &[Built]) -> Vec<&'static str> {
    let Some(plain) = built.iter().find(|built| built.engine.id == PLAIN) else { return Vec::new() };
    let wraps_it = |built: &&Built| built.engine.package == "heapledger-bench-heapledger";
    built
        .iter()
        .filter(wraps_it)
        .filter(|built| built.allocator != plain.allocator)
        .map(|built| built.engine.id)
        .collect()
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
    use std::collections::HashSet;
    use std::path::PathBuf;

    use serde_json::json;

    use super::{Built, ENGINES, PLAIN, executable, find, unlike_plain};

    #[test]
    fn every_engine_has_an_id_of_its_own_and_the_first_one_is_plain() {
        let ids: HashSet<&str> = ENGINES.iter().map(|engine| engine.id).collect();
        assert_eq!(ids.len(), ENGINES.len());
        assert_eq!(ENGINES[0].id, PLAIN);
        assert!(find("no-such-engine").is_none());
    }

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
    fn a_ledger_over_another_jemalloc_than_the_plain_one_is_named() {
        let built = |id, stats: bool| Built {
            engine: find(id).expect("it is in the list"),
            program: PathBuf::new(),
            allocator: json!({ "config": { "stats": stats } }),
        };
        let alike = [built(PLAIN, true), built("heapledger-tagged", true)];
        assert!(unlike_plain(&alike).is_empty());
        let unlike = [built(PLAIN, false), built("heapledger-untagged", true)];
        assert_eq!(unlike_plain(&unlike), ["heapledger-untagged"]);
    }
}
