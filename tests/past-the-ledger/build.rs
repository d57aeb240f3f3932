//! Compiles the C code that allocates past the ledger.

fn main() {
    println!("cargo::rerun-if-changed=src/blocks.c");
    cc::Build::new().file("src/blocks.c").compile("blocks");
}
