//! The builds that an engine's program comes in.

use serde::{Deserialize, Serialize};
use workloads::Class;

/// What is in a program of an engine, and with which release profile it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The larger programs too, with Cargo's own release profile, as most programs are built. One compilation of their
    /// crates serves every engine.
    Programs,
    /// The short workloads without link-time optimisation. What the other builds inline across crates is called here
    /// unless it is marked `inline`, and so it is in the program of who builds it like this.
    WithoutLto,
    /// The short workloads with all optimisation, so that little but the allocator is left to differ.
    Short,
}

impl Kind {
    /// All, in the order in which they are built: cargo gives each the same name, and the last one keeps it.
    pub const ALL: &[Kind] = &[Kind::Programs, Kind::WithoutLto, Kind::Short];

    /// The one that holds workloads of `class`.
    pub fn of(class: Class) -> Kind {
        match class {
            Class::Pattern | Class::Program => Kind::Short,
            Class::LargeProgram => Kind::Programs,
        }
    }

    /// The feature of the engine's package that it needs.
    pub fn feature(self) -> Option<&'static str> {
        (self == Kind::Programs).then_some("programs")
    }

    /// `lto` and `codegen-units` of the release profile, as they stand in a manifest. `false` is thin optimisation among
    /// the units of each crate, `"off"` is none at all.
    pub fn profile(self) -> [&'static str; 2] {
        match self {
            Kind::Programs => ["lto = false", "codegen-units = 16"],
            Kind::WithoutLto => ["lto = \"off\"", "codegen-units = 16"],
            Kind::Short => ["lto = \"fat\"", "codegen-units = 1"],
        }
    }

    /// What a copy of a program called `name` is called, so that no later build takes its place; `None` for the last.
    pub fn kept(self, name: &str) -> Option<String> {
        match self {
            Kind::Programs => Some(format!("{name}-programs")),
            Kind::WithoutLto => Some(format!("{name}-without-lto")),
            Kind::Short => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Kind;
    use crate::WORKSPACE;

    #[test]
    fn only_the_last_build_keeps_the_name_that_cargo_gives_to_all() {
        let (last, others) = Kind::ALL.split_last().expect("there are some");
        assert_eq!(last.kept("bench-plain"), None);
        let kept: Vec<_> = others.iter().map(|kind| kind.kept("bench-plain").expect("it is copied")).collect();
        assert_eq!(kept, ["bench-plain-programs", "bench-plain-without-lto"]);
    }

    #[test]
    fn the_manifest_of_the_engines_has_the_profile_of_the_short_workloads() {
        let manifest = Path::new(WORKSPACE).join("benches/engines/Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).expect("it is there");
        let (_, profile) = manifest.split_once("[profile.release]").expect("it has a release profile");
        for setting in Kind::Short.profile() {
            assert!(profile.lines().any(|line| line == setting), "{setting}");
        }
    }
}
