//! Exists so that Cargo enforces `links = "heapledger"`: one copy of the thread record per program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
