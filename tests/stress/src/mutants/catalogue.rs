//! The mutants: what each breaks, where, and which checks must notice.
//!
//! Each is one replacement of a piece of text that occurs once in its file. When the code changes and the piece is
//! gone, the run says so; the mutant is then to be written anew, never dropped in silence.

mod flips;
mod pages;
mod regions;

/// What can catch a mutant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// Random histories of slabs against the naive oracle, on the protocol alone.
    Properties,
    /// The models whose names contain this, in every interleaving.
    Loom(&'static str),
    /// Last owners of the pages of freed blocks, on the real allocator.
    Owners,
    /// Isolated regions, on the real allocator.
    Isolated,
    /// Ids that are used again, on the real allocator.
    Reuse,
    /// A thread in teardown on pages that regions share, on the real allocator.
    Teardown,
    /// Guards against a model.
    Guards,
    /// The stress in random mode.
    Random,
    /// The stress in directed mode, with thread caches and without, and with yields in the windows of the races.
    Directed,
    /// The same for longer and without yields: a missing fence shows only in what two processors do at once.
    DirectedAtSpeed,
    /// The stress in crowd mode.
    Crowd,
    /// The stress in reader mode.
    Reader,
}

impl Check {
    /// Whether it is `other`, or a part of it.
    pub fn is_a(self, other: Check) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// One mutant.
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// Its file, under `crates`.
    pub file: &'static str,
    /// A piece of text, and what stands there instead.
    pub from: &'static str,
    /// See `from`.
    pub to: &'static str,
    /// The checks that must catch it, each on its own.
    pub caught_by: &'static [Check],
}

/// The file that most of them break.
pub const PROTOCOL: &str = "heapledger-alloc/src/protocol.rs";

/// What is known of spans of pages.
const SPANS: &str = "heapledger-alloc/src/spans.rs";
const EIGHTS: &str = "heapledger-alloc/src/eights.rs";

/// The lists of free rows.
const LIST: &str = "heapledger-alloc/src/list.rs";

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    [flips::MUTANTS, pages::MUTANTS, regions::MUTANTS].into_iter().flatten()
}
