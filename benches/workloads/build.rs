//! Writes the list of the files in `src/registry`, so that a workload is one file and nothing else.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FOLDER: &str = "src/registry";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(FOLDER);
    // The list names files by where they lie, so it is written anew once the checkout has moved and they are gone there.
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    // By name: the file system has an order of its own.
    files.sort();
    let (mut text, mut names) = (String::new(), Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a file name that is not UTF-8")?;
        if fs::read_to_string(file)?.contains("workloads![") {
            text.push_str(&format!("#[path = {file:?}]\nmod {name};\n"));
            names.push(name);
        } else {
            let error = format!("{FOLDER}/{name}.rs names no workload: it needs a line `workloads![TYPE];`");
            text.push_str(&format!("compile_error!({error:?});\n"));
        }
    }
    text.push_str(&format!("files![{}];\n", names.join(", ")));
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("registry.rs"), text)?;
    Ok(())
}
