//! A copy of the crates under test, to be broken and built.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::catalogue::{Check, Mutant, PROTOCOL};

/// What the copy has of the workspace.
const MEMBERS: [&str; 4] = ["crates/heapledger-core", "crates/heapledger-alloc", "tests/harness", "tests/stress"];

/// A check that takes longer than this has caught something: a loop that never ends.
const LONGEST: Duration = Duration::from_secs(600);

const SIGKILL: i32 = 9;

/// A seed like any other; what a mutant does to a run depends on the interleaving anyway.
const SEED: &str = "20";

/// Set where the copy is built: whether it yields.
const YIELDS: &str = "STRESS_YIELDS";

/// In the copies, a yield in every fifth window.
const YIELD: (&str, &str) = (
    "macro_rules! yield_point {\n    () => {};\n}\n",
    "macro_rules! yield_point {\n    () => {\n        perhaps_yield()\n    };\n}\n\n\
     /// No read-modify-write: that would be a fence.\n\
     fn perhaps_yield() {\n    #[cfg(not(loom))]\n    if option_env!(\"STRESS_YIELDS\").is_some() {\n        \
     static COUNT: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);\n        \
     let count = COUNT.load(Relaxed);\n        COUNT.store(count.wrapping_add(1), Relaxed);\n        \
     if count % 5 == 0 {\n            std::thread::yield_now();\n        }\n    }\n}\n",
);

/// The copy, and where it is built.
pub struct Bench {
    root: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

impl Bench {
    /// Makes the copy, with yields and without a mistake.
    pub fn new() -> Result<Bench, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = target.join("mutants");
        let bench = Bench { copy: target.join("copy"), root, target };
        if bench.copy.exists() {
            fs::remove_dir_all(&bench.copy).map_err(|error| said(&bench.copy, &error))?;
        }
        for member in MEMBERS {
            copy(&bench.root.join(member), &bench.copy.join(member))?;
        }
        copy(&bench.root.join("Cargo.lock"), &bench.copy.join("Cargo.lock"))?;
        let manifest = read(&bench.root.join("Cargo.toml"))?;
        write(&bench.copy.join("Cargo.toml"), &with_members(&manifest)?)?;
        let protocol = bench.source(PROTOCOL);
        write(&protocol, &replaced(&read(&protocol)?, YIELD.0, YIELD.1)?)?;
        Ok(bench)
    }

    fn source(&self, file: &str) -> PathBuf {
        self.copy.join("crates").join(file)
    }

    /// The text of a mutant's file, with the mistake.
    pub fn mutated(&self, mutant: &Mutant) -> Result<String, String> {
        replaced(&read(&self.source(mutant.file))?, mutant.from, mutant.to)
            .map_err(|error| format!("`{}` is to be written anew: {error}", mutant.name))
    }

    /// Makes the mistake.
    pub fn apply(&self, mutant: &Mutant) -> Result<(), String> {
        let mut text = self.mutated(mutant)?;
        if text.contains("SMALL_CLASSES") && mutant.to.contains("SMALL_CLASSES") {
            text = text.replace("use crate::classes::{", "use crate::classes::{SMALL_CLASSES, ");
        }
        write(&self.source(mutant.file), &text)
    }

    /// Takes the mistake back.
    pub fn restore(&self, mutant: &Mutant) -> Result<(), String> {
        let text = read(&self.root.join("crates").join(mutant.file))?;
        let text = if mutant.file == PROTOCOL { replaced(&text, YIELD.0, YIELD.1)? } else { text };
        write(&self.source(mutant.file), &text)
    }

    /// What the check says is wrong, if it finds anything; an error if the copy cannot be built.
    pub fn finds_fault(&self, check: Check) -> Result<Option<String>, String> {
        match check {
            Check::Properties => self.test("heapledger-alloc", &["--lib", "models::"], false),
            Check::Owners => self.test("heapledger-alloc", &["--test", "last_owners"], false),
            Check::Isolated => self.test("heapledger-alloc", &["--test", "isolated"], false),
            Check::Reuse => self.test("heapledger-alloc", &["--test", "reuse"], false),
            Check::Teardown => self.test("heapledger-alloc", &["--test", "teardown"], false),
            Check::Guards => self.test("heapledger-core", &["--test", "guards_follow_a_model"], false),
            Check::Loom(filter) => self.test("heapledger-alloc", &["--lib", filter], true),
            Check::Random => self.stress(&["random --ops 6000000 --points 60"], true),
            Check::Crowd => self.stress(&["crowd --ops 6000000 --points 60"; 2], true),
            Check::Reader => self.stress(&["reader --ops 300000"], true),
            Check::Directed => self.stress(&["directed --ops 6000000 --points 60"; 2], true),
            Check::DirectedAtSpeed => self.stress(&["directed --ops 40000000 --points 40"; 2], false),
        }
    }

    /// Runs the stress, first with thread caches, then without, until a run finds something.
    fn stress(&self, runs: &[&str], yields: bool) -> Result<Option<String>, String> {
        let mut build = self.command("build", &["-p", "heapledger-stress", "--bin", "heapledger-stress"], false);
        if yields {
            build.env(YIELDS, "1");
        }
        succeeded(&run(&mut build)?)?;
        for (arguments, conf) in runs.iter().zip(["", "tcache:false"]) {
            let mut command = Command::new("timeout");
            command.arg(LONGEST.as_secs().to_string()).arg(self.target.join("release/heapledger-stress"));
            command.args(arguments.split(' ')).args(["--seed", SEED]).env("_RJEM_MALLOC_CONF", conf);
            if let Some(found) = fault(&run(&mut command)?) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn test(&self, package: &str, which: &[&str], loom: bool) -> Result<Option<String>, String> {
        let arguments: Vec<&str> = ["-p", package].into_iter().chain(which.iter().copied()).collect();
        let build: Vec<&str> = arguments.iter().copied().chain(["--no-run"]).collect();
        succeeded(&run(&mut self.command("test", &build, loom))?)?;
        Ok(fault(&run(&mut self.command("test", &arguments, loom))?))
    }

    fn command(&self, what: &str, arguments: &[&str], loom: bool) -> Command {
        let mut command = Command::new("timeout");
        command.arg(LONGEST.as_secs().to_string()).arg("cargo").arg(what).args(["--quiet", "--release"]);
        command.args(arguments).current_dir(&self.copy);
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        command.env("CARGO_TARGET_DIR", if loom { self.target.join("loom") } else { self.target.clone() });
        // Mutants may leave names unused.
        command.env("RUSTFLAGS", if loom { "--cfg loom -A warnings" } else { "-A warnings" });
        command
    }
}

/// The workspace's manifest, with fewer members.
fn with_members(manifest: &str) -> Result<String, String> {
    let (before, rest) = manifest.split_once("members = [").ok_or("the manifest has no members")?;
    let (_, after) = rest.split_once("[workspace.package]").ok_or("the manifest has no package section")?;
    Ok(format!("{before}members = {MEMBERS:?}\n\n[workspace.package]{after}"))
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String, String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        count => Err(format!("this occurs {count} times, not once:\n{from}")),
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    // No mutant kills its process so: somebody outside did, and nothing was found out.
    if output.status.signal() == Some(SIGKILL) || output.status.code() == Some(128 + SIGKILL) {
        return Err(format!("{command:?} was killed"));
    }
    Ok(output)
}

fn succeeded(output: &Output) -> Result<(), String> {
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The first line that says what went wrong.
fn fault(output: &Output) -> Option<String> {
    if output.status.success() {
        return None;
    }
    let text = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| {
        ["FAILED:", "assertion", "index out", "is used after", "live is"].iter().any(|word| line.contains(word))
    });
    Some(line.map_or_else(|| output.status.to_string(), |line| line.chars().take(90).collect()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if !from.is_dir() {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(|error| said(parent, &error))?;
        }
        return fs::copy(from, to).map(drop).map_err(|error| said(from, &error));
    }
    for entry in fs::read_dir(from).map_err(|error| said(from, &error))? {
        let entry = entry.map_err(|error| said(from, &error))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| said(file, &error))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| said(file, &error))
}

fn said(file: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", file.display())
}
