//! Prints where jemalloc keeps what heapledger's walk reads, as a Rust table.
//!
//! `cargo run -p jemalloc-layouts` prints the table, `-- --check` compares it with the one that is checked in and says
//! how to renew it. jemalloc's sources are those of the tikv-jemalloc-sys in the lock file, found through
//! `cargo metadata`; they are configured in a temporary folder as its build script configures them, for 48 and 57 bits
//! of address, with and without debug, and a small program prints the offsets. It needs a C compiler and takes about a
//! minute. None of jemalloc's own code is kept.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PROGRAM: &str = include_str!("offsets.c");
const TABLE: &str = "crates/heapledger-probe/src/read/layouts/table.rs";

/// Bits of address that jemalloc can be configured for on 64-bit processors: 4 and 5 levels of page tables.
const ADDRESS_BITS: [u32; 2] = [48, 57];

fn main() -> ExitCode {
    match run(env::args().nth(1).as_deref()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jemalloc-layouts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(argument: Option<&str>) -> Result<ExitCode> {
    let (sources, root) = find_sources()?;
    let table = table(&sources)?;
    match argument {
        None => print!("{table}"),
        Some("--write") => fs::write(root.join(TABLE), table)?,
        Some("--check") if fs::read_to_string(root.join(TABLE))? == table => println!("{TABLE} is what jemalloc says"),
        Some("--check") => {
            eprintln!("{TABLE} is not what jemalloc says; renew it with: cargo run -p jemalloc-layouts -- --write");
            return Ok(ExitCode::FAILURE);
        }
        Some(other) => return Err(format!("{other}: expected --check, --write or nothing").into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of tikv-jemalloc-sys, and that of the workspace.
fn find_sources() -> Result<(PathBuf, PathBuf)> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let package = packages.iter().find(|package| package["name"] == "tikv-jemalloc-sys");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.ok_or("tikv-jemalloc-sys is not among the packages of this workspace")?;
    let root = metadata["workspace_root"].as_str().ok_or("cargo metadata names no workspace")?;
    let folder = Path::new(manifest).parent().ok_or("a manifest lies in a folder")?;
    Ok((folder.to_owned(), root.into()))
}

fn table(sources: &Path) -> Result<String> {
    let mut text = String::from(
        "//! Written by `cargo run -p jemalloc-layouts -- --write`; do not edit.\n\n\
         use super::Layout;\n\n\
         /// Every layout that the jemalloc of this workspace can be built with on 64-bit Linux.\n\
         pub(crate) const LAYOUTS: &[Layout] = &[\n",
    );
    for address_bits in ADDRESS_BITS {
        for debug in [false, true] {
            eprintln!("configuring for {address_bits} bits of address{}", if debug { ", debug" } else { "" });
            let offsets = offsets(sources, address_bits, debug)?;
            row(&mut text, &offsets)?;
        }
    }
    text.push_str("];\n");
    Ok(text)
}

/// One entry; a name that comes several times is an array.
fn row(text: &mut String, offsets: &[(String, u64)]) -> Result<()> {
    text.push_str("    Layout {\n");
    let mut rest = offsets;
    while let Some((name, value)) = rest.first() {
        let same = rest.iter().take_while(|(other, _)| other == name).count();
        let (group, behind) = rest.split_at(same);
        rest = behind;
        match (name.as_str(), group) {
            ("debug" | "compact", _) => writeln!(text, "        {name}: {},", *value != 0)?,
            (_, [_]) => writeln!(text, "        {name}: {value},")?,
            _ => {
                let values: Vec<_> = group.iter().map(|(_, value)| value.to_string()).collect();
                writeln!(text, "        {name}: [{}],", values.join(", "))?;
            }
        }
    }
    text.push_str("    },\n");
    Ok(())
}

fn offsets(sources: &Path, address_bits: u32, debug: bool) -> Result<Vec<(String, u64)>> {
    let folder = tempfile::tempdir()?;
    let build = folder.path();
    succeed(Command::new("cp").arg("-r").arg(sources.join("jemalloc/.")).arg(build))?;
    succeed(Command::new("cp").arg(sources.join("configure/configure")).arg(build))?;
    // A copy from a read-only source is read-only too.
    succeed(Command::new("chmod").args(["-R", "u+w"]).arg(build))?;
    let mut configure = Command::new("sh");
    configure.arg("configure").current_dir(build).args([
        "--with-version=5.3.1-0-g0000000000000000000000000000000000000000",
        "--disable-cxx",
        "--enable-doc=no",
        "--enable-shared=no",
        "--enable-stats",
        "--with-jemalloc-prefix=_rjem_",
        "--with-private-namespace=_rjem_",
    ]);
    configure.arg(format!("--with-lg-vaddr={address_bits}"));
    if debug {
        configure.arg("--enable-debug");
    }
    succeed(&mut configure)?;
    fs::write(build.join("offsets.c"), PROGRAM)?;
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    // Nothing of the library is linked: functions that the headers define in place and that call it are left out.
    succeed(Command::new(compiler).current_dir(build).args([
        "-std=gnu11",
        "-O1",
        "-D_GNU_SOURCE",
        "-D_REENTRANT",
        "-ffunction-sections",
        "-Wl,--gc-sections",
        "-Iinclude",
        "offsets.c",
        "-o",
        "offsets",
        "-pthread",
    ]))?;
    let output = succeed(&mut Command::new(build.join("offsets")))?;
    let mut offsets = Vec::new();
    for line in output.lines() {
        let (name, value) = line.split_once(' ').ok_or("a line of another form")?;
        offsets.push((name.to_owned(), value.parse()?));
    }
    Ok(offsets)
}

/// Runs a program and gives what it printed.
fn succeed(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} failed:\n{text}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
